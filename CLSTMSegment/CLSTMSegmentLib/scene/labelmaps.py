"""The segments of a segmentation node: which are drawn, and where they are."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..core.errors import InputError
from ..core.structure import Segment
from .images import imageGeometry


def binaryLabelmap() -> str:
    """Return the name of the representation in which segments are drawn."""
    return slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()


def segmentsOf(node: slicer.vtkMRMLSegmentationNode) -> list[tuple[str, slicer.vtkSegment]]:
    """Return the segments of a node with their IDs, in their order."""
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    return [(segmentID, segmentation.GetSegment(segmentID)) for segmentID in ids]


def drawnSegments(node: slicer.vtkMRMLSegmentationNode) -> list[tuple[str, slicer.vtkSegment]]:
    """Return the segments of a node in which something is drawn, with their IDs, in their order."""
    return [(segmentID, segment) for segmentID, segment in segmentsOf(node) if not isEmpty(segment)]


def isEmpty(segment: slicer.vtkSegment) -> bool:
    """Return whether nothing of a segment is drawn."""
    return not voxelsOf(segment)[0].any()


def voxelsOf(segment: slicer.vtkSegment) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Return where a segment is drawn, bool (k, j, i), and the place of the first of these voxels on its grid."""
    labelmap = segment.GetRepresentation(binaryLabelmap())
    scalars = labelmap.GetPointData().GetScalars() if labelmap is not None else None
    if scalars is None:
        return np.zeros((0, 0, 0), bool), (0, 0, 0)
    shape = labelmap.GetDimensions()[::-1]
    return vtk_to_numpy(scalars).reshape(shape) == segment.GetLabelValue(), labelmap.GetExtent()[4::-2]


def gridOf(segment: slicer.vtkSegment) -> np.ndarray:
    """Return the matrix, (4, 4), from places on the grid of a segment that is drawn to positions in mm, RAS."""
    matrix = vtk.vtkMatrix4x4()
    segment.GetRepresentation(binaryLabelmap()).GetImageToWorldMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def maskOn(reference: slicer.vtkOrientedImageData, segment: slicer.vtkSegment, frame: str) -> np.ndarray:
    """Return where a segment that is not empty is on the grid of a frame, bool (k, j, i)."""
    labelmap = segment.GetRepresentation(binaryLabelmap())
    resampled = slicer.vtkOrientedImageData()
    if not slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        labelmap, reference, resampled, False
    ):
        raise InputError(f"{frame}: segment {segment.GetName()!r} does not fit the grid of the frame: draw it again")
    shape = reference.GetDimensions()[::-1]
    return vtk_to_numpy(resampled.GetPointData().GetScalars()).reshape(shape) == segment.GetLabelValue()


def segmentsFor(
    node: slicer.vtkMRMLSegmentationNode, descriptions: Sequence[Segment], frame: str
) -> list[slicer.vtkSegment | None]:
    """Return the segment of a node that each description means, None for one that the node does not have.

    A segment is known by its name, which is what the user sees, as in an annotation. Where no segment has the name, it
    is the one with the ID, unless this one has got the name of another description.

    Raises:
        InputError: two drawn segments have the name; the message names the frame.
    """
    segments = segmentsOf(node)
    names = {description.name for description in descriptions}
    unnamed = {segmentID: segment for segmentID, segment in segments if segment.GetName() not in names}
    found = []
    for description in descriptions:
        named = [segment for _id, segment in segments if segment.GetName() == description.name]
        if len(named) > 1:
            named = [segment for segment in named if not isEmpty(segment)] or named[:1]
        if len(named) > 1:
            raise InputError(sameName(frame, description.name))
        found.append(named[0] if named else unnamed.get(description.id))
    return found


def namesInAll(nodes: Sequence[slicer.vtkMRMLSegmentationNode], descriptions: Sequence[Segment]) -> list[str]:
    """Return the name that each segment has in all nodes; where they do not agree, the one of its description."""
    try:
        found = [segmentsFor(node, descriptions, "") for node in nodes]
    except InputError:  # two segments of a frame have one name
        return [description.name for description in descriptions]
    names = []
    for description, segments in zip(descriptions, zip(*found, strict=True), strict=True):
        seen = {segment.GetName() for segment in segments if segment is not None}
        names.append(seen.pop() if len(seen) == 1 else description.name)
    return names


def otherSegments(node: slicer.vtkMRMLSegmentationNode, descriptions: Sequence[Segment], frame: str) -> list[str]:
    """Return the names of the drawn segments of a node that no description means, see `segmentsFor`."""
    meant = segmentsFor(node, descriptions, frame)
    return [segment.GetName() for _id, segment in drawnSegments(node) if not any(segment is one for one in meant)]


def sameName(frame: str, name: str) -> str:
    """Return what to tell the user if two drawn segments of a frame have one name."""
    return f"{frame}: two of its segments have the same name {name!r}: rename one of them"


def labelsOf(
    node: slicer.vtkMRMLSegmentationNode, segments: Sequence[Segment], image: sitk.Image, frame: str
) -> sitk.Image:
    """Return segments of a node as a uint8 label image on the grid of an image: n for the n-th of these segments.

    A segment that the node does not have is empty.

    Raises:
        InputError: two of the segments overlap or have one name, or one cannot be resampled to the grid; the message
            names the frame.
    """
    reference = imageGeometry(image)
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    for label, segment in enumerate(segmentsFor(node, segments, frame), start=1):
        if segment is None or isEmpty(segment):
            continue
        mask = maskOn(reference, segment, frame)
        if array[mask].any():
            raise InputError(
                f"{frame}: segment {segment.GetName()!r} overlaps another one: draw it again without overlap"
            )
        array[mask] = label
    labels = sitk.GetImageFromArray(array)
    labels.CopyInformation(image)
    return labels


def referenceGeometry(node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkOrientedImageData:
    """Return the grid that a segmentation node names as its own; it has no voxels."""
    converter = slicer.vtkSegmentationConverter
    geometry = slicer.vtkOrientedImageData()
    text = node.GetSegmentation().GetConversionParameter(converter.GetReferenceImageGeometryParameterName())
    converter.DeserializeImageGeometry(text, geometry, False)
    return geometry
