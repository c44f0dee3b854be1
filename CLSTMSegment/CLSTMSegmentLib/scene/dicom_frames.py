"""A result on the grid of the DICOM images from which its input was loaded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer

from ..core.errors import InputError
from ..core.sequence import SegmentedFrame
from ..core.structure import Segment
from ..io.dicom_groups import images_by_place
from ..io.dicom_header import DicomHeader
from ..io.dicom_image import images_in_file, read_pixels
from ..io.dicom_stack import stack_grid
from .inputs import SequenceFrames, SequenceInput
from .labelmaps import labelsOf, otherSegments, segmentsFor
from .outputs import SegmentationOutput
from .segmentation_nodes import describedSegment

INSTANCES = "DICOM.instanceUIDs"
"""The attribute in which Slicer keeps from which DICOM images a volume was loaded."""


def checkFromDicom(source: SequenceInput) -> None:
    """Raise an InputError unless the first frame of an input was loaded from DICOM images that Slicer still finds."""
    _filesOf(source, 0)


def dicomFrames(output: SegmentationOutput) -> Iterator[tuple[SegmentedFrame, list[Path]]]:
    """Yield each frame of a result, as the user sees it, on the grid of its DICOM images; and their files, by slice.

    Raises:
        InputError: a frame was removed from the input, or was not loaded from DICOM images, its voxels are not those of
            the images, it has slices that are not evenly spaced, or segments in it overlap or are none of the result's.
    """
    source, curve = output.source, output.curve
    frames = SequenceFrames(source.sequenceNode)
    for finished in curve.frames:
        name = f"frame {finished.number} ({finished.index_value})"
        number = output.numberNow(finished.number)
        image = frames[number].image
        node = output.sequenceNode.GetDataNodeAtValue(finished.index_value)
        if source.isSingle:
            node = output.outputNode
        if node is None:
            raise InputError(f"{name} was removed from {output.sequenceNode.GetName()!r}: segment the input again")
        others = otherSegments(node, curve.segments, name)
        if others:
            raise InputError(
                f"{name}: segment {others[0]!r} is none of the segments of the result, so that it would be missing: "
                "export it with Slicer's own export, then remove it here"
            )
        stack, files = _stack(_filesOf(source, number), name)
        onStack = _on(stack, image)
        if not np.allclose(sitk.GetArrayViewFromImage(onStack), sitk.GetArrayViewFromImage(stack)):
            raise InputError(f"{name} is not what its DICOM images show: it was changed or cropped after it was loaded")
        labels = _on(stack, labelsOf(node, curve.segments, image, name))
        yield SegmentedFrame(finished.number, finished.index_value, labels), files


def segmentsAsSeen(output: SegmentationOutput) -> tuple[Segment, ...]:
    """Return the segments of a result with the names, colours and terminology that the user has given them.

    Raises:
        InputError: a segment has different names in different frames, or one that cannot be used.
    """
    curve, seen = output.curve, {}
    for finished in curve.frames:
        frame = f"frame {finished.number} ({finished.index_value})"
        node = (
            output.outputNode
            if output.source.isSingle
            else output.sequenceNode.GetDataNodeAtValue(finished.index_value)
        )
        found = segmentsFor(node, curve.segments, frame) if node is not None else [None] * len(curve.segments)
        for meant, segment in zip(curve.segments, found, strict=True):
            if segment is None:
                continue
            asSeen, first = seen.setdefault(meant.id, (describedSegment(meant.id, segment, frame), frame))
            if segment.GetName() != asSeen.name:
                raise InputError(
                    f"a segment is called {asSeen.name!r} in {first} and {segment.GetName()!r} in {frame}: give it the "
                    "same name in all frames"
                )
    return tuple(
        replace(seen[meant.id][0], ejecting_chamber=meant.ejecting_chamber) if meant.id in seen else meant
        for meant in curve.segments
    )


def _filesOf(source: SequenceInput, number: int) -> list[Path]:
    """Return the DICOM files of a frame, in any order."""
    volumeNode = source.proxyNode if source.isSingle else source.sequenceNode.GetNthDataNode(number)
    instances = (volumeNode.GetAttribute(INSTANCES) or "").split()
    if not instances:
        raise InputError(
            f"{source.node.GetName()!r} has no link to DICOM images, which DICOM SEG needs: load it with the DICOM "
            "module, and segment it again"
        )
    database = getattr(slicer, "dicomDatabase", None)
    files = [database.fileForInstance(instance) if database is not None else "" for instance in instances]
    if not all(file and Path(file).is_file() for file in files):
        raise InputError(
            f"the DICOM images of {source.node.GetName()!r} are not in the DICOM database of Slicer: import them again"
        )
    return [Path(file) for file in files]


def _stack(files: list[Path], name: str) -> tuple[sitk.Image, list[Path]]:
    """Return DICOM images of one slice each as one image, and their files, both in the order along the stack."""
    images = [image for path in files for image in images_in_file(DicomHeader(path))]
    places = images_by_place(images)
    if any(image.number is not None for image in images) or len({image.size for image in images}) > 1:
        raise InputError(f"{name}: DICOM SEG needs DICOM images of one size, with one file for each slice")
    if len(places) < len(images):
        raise InputError(f"{name}: several of its DICOM images lie at the same place")
    voxels = np.stack([read_pixels(image, {}) for (image,) in places])
    grid, _ = stack_grid(name, places)
    return grid.place(sitk.GetImageFromArray(voxels)), [image.path for (image,) in places]


def _on(grid: sitk.Image, image: sitk.Image) -> sitk.Image:
    """Return an image on another grid, by its nearest voxels; where it has none, 0."""
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
