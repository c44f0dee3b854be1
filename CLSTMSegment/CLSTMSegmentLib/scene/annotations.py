"""Annotations: a segmentation sequence in which the user draws segments in some frames, read as label images."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import chain, count

import numpy as np
import SimpleITK as sitk
import slicer

from ..core.errors import InputError
from ..core.structure import PALETTE, Segment
from ..io.label_images import MOST_LABELS
from .beside_input import checkNotRecording, copyIndex, placeBeside
from .browsers import browsersOf, othersStay
from .images import imageFromVolume, imageGeometry, volumeGeometry
from .inputs import SequenceFrames, SequenceInput
from .labelmaps import drawnSegments, labelsOf, maskOn, sameName
from .made_frames import drawnFrames, frameContent, trustedFrames
from .segmentation_nodes import describedSegment, emptySegmentation
from .unsaved_drawings import saveChanges


def newAnnotation(source: SequenceInput, name: str) -> slicer.vtkMRMLSequenceNode:
    """Add a sequence of empty segmentations, one for each frame; the input's browser plays it and stores changes.

    Args:
        source: the input.
        name: name of the new sequence; a number is appended if the scene has this name already.

    Raises:
        InputError: no browser plays the input, but one is needed to select frames for drawing; or it is recording.
    """
    browserNode, sequenceNode = source.browserNode, source.sequenceNode
    if browserNode is None:
        raise InputError("no browser plays this sequence: make one in the Sequences module first")
    scene = sequenceNode.GetScene()
    annotationNode = slicer.vtkMRMLSequenceNode()
    checkNotRecording(source, annotationNode)
    copyIndex(sequenceNode, annotationNode)
    for number in range(sequenceNode.GetNumberOfDataNodes()):
        node = emptySegmentation(volumeGeometry(sequenceNode.GetNthDataNode(number)))
        node.GetSegmentation().AddEmptySegment("segment-1", "Segment 1", PALETTE[0])  # the default is as grey as images
        annotationNode.SetDataNodeAtValue(node, sequenceNode.GetNthIndexValue(number))
    annotationNode.SetName(scene.GenerateUniqueName(name))
    scene.AddNode(annotationNode)
    with othersStay(annotationNode, browserNode):
        browserNode.AddSynchronizedSequenceNode(annotationNode)
        # in a frame that the input gets later, nothing is drawn; otherwise, the drawing before it would be copied
        browserNode.SetMissingItemMode(annotationNode, slicer.vtkMRMLSequenceBrowserNode.MissingItemCreateFromDefault)
        browserNode.SetSaveChanges(annotationNode, True)
        slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
    placeBeside(source, browserNode.GetProxyNode(annotationNode))
    return annotationNode


def replacesDrawing(
    source: SequenceInput, resultNode: slicer.vtkMRMLSequenceNode, annotationNode: slicer.vtkMRMLSequenceNode
) -> bool:
    """Return whether `useAsAnnotation` would replace something else that is drawn in the selected frame.

    Raises:
        InputError: the annotation is that of another image, or no frame is shown.
    """
    shown = _shownResult(source, resultNode, annotationNode)
    number = _numberToAnnotate(source, annotationNode)
    drawn = annotationNode.GetDataNodeAtValue(source.sequenceNode.GetNthIndexValue(number))
    if shown is None or drawn is None or not drawnSegments(drawn):
        return False
    return frameContent(drawn) != frameContent(shown)


def useAsAnnotation(
    source: SequenceInput, resultNode: slicer.vtkMRMLSequenceNode, annotationNode: slicer.vtkMRMLSequenceNode
) -> int:
    """Copy the segmentation of the selected frame from a result into an annotation.

    Corrections that the user made by hand in this frame are copied too.

    Returns:
        The number of the frame.

    Raises:
        InputError: the annotation is that of another image, the input's browser does not play the result or shows no
            frame, or the result has no segments in this frame.
    """
    shown = _shownResult(source, resultNode, annotationNode)
    if shown is None:
        raise InputError(
            f"{resultNode.GetName()!r} is not a result of this input: the browser of the input does not play it"
        )
    number = _numberToAnnotate(source, annotationNode)
    if shown.GetSegmentation().GetNumberOfSegments() == 0:
        raise InputError(f"{resultNode.GetName()!r} has no segments in frame {number}")
    node = slicer.vtkMRMLSegmentationNode()
    node.GetSegmentation().DeepCopy(shown.GetSegmentation())
    with othersStay(annotationNode):
        annotationNode.SetDataNodeAtValue(node, source.sequenceNode.GetNthIndexValue(number))
        slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(source.browserNode)
    return number


def _shownResult(
    source: SequenceInput, resultNode: slicer.vtkMRMLSequenceNode, annotationNode: slicer.vtkMRMLSequenceNode
) -> slicer.vtkMRMLSegmentationNode | None:
    """Store what is drawn in a result and an annotation, and return what shows the result; None without a browser."""
    for node in (resultNode, annotationNode):
        saveChanges(node)
    return source.browserNode.GetProxyNode(resultNode) if source.browserNode is not None else None


def _numberToAnnotate(source: SequenceInput, annotationNode: slicer.vtkMRMLSequenceNode) -> int:
    """Return the number of the frame that is shown; raise an InputError if it cannot be annotated here."""
    _checkImage(annotationNode, source)
    if source.shownFrame is None:
        raise InputError(f"no frame of {source.sequenceNode.GetName()!r} is shown: choose one in its browser first")
    return source.shownFrame


def annotatedFrames(annotationNode: slicer.vtkMRMLSequenceNode, emptied: bool = False) -> list[int]:
    """Return the numbers of the items in which at least one segment is drawn, and which the user drew or corrected.

    Of a result, these are the frames that the user corrected.

    Args:
        annotationNode: the annotation.
        emptied: whether frames of a result count too that the user has drawn or changed, and in which nothing is left.
    """
    drawn = set(drawnFrames(annotationNode, emptied))
    count = annotationNode.GetNumberOfDataNodes()
    return [item for item in range(count) if annotationNode.GetNthIndexValue(item) in drawn]


def annotatedNumbers(annotationNode: slicer.vtkMRMLSequenceNode, inputNode: slicer.vtkMRMLSequenceNode) -> list[int]:
    """Return the numbers of the frames of an input that are annotated, see `annotatedFrames`."""
    numbers = _numbersByItem(annotationNode, inputNode)
    return sorted(numbers[item] for item in annotatedFrames(annotationNode) if item in numbers)


def readAnnotations(
    annotationNode: slicer.vtkMRMLSequenceNode,
    source: SequenceInput,
    ejectingChambers: Collection[str] = (),
    emptied: bool = False,
) -> tuple[tuple[Segment, ...], dict[int, sitk.Image]]:
    """Read the annotated frames of an annotation.

    Segments of the same name in several frames are one segment, with the colour and the terminology that it has in
    the first of these frames.

    Args:
        annotationNode: the annotation; a frame without a drawn segment is not annotated. Of a result, the frames are
            annotated that the user corrected.
        source: the input that is annotated.
        ejectingChambers: names of the segments that are heart chambers and eject blood, see `core.structure.Segment`.
        emptied: see `annotatedFrames`.

    Returns:
        The segments; and for each annotated frame, by its number, a uint8 label image on the grid of the frame, in
        which n is the n-th segment.

    Raises:
        InputError: no frame is annotated, the input does not have an annotated frame, two segments of a frame have the
            same name or overlap, a segment has no name or one that cannot be used, lies beside its frame or cannot be
            resampled to its grid, there are too many segments, no segment has the name of an ejecting chamber, the
            annotation is that of another image, or both are shown under different transforms.
    """
    _checkImage(annotationNode, source)
    _checkTransforms(annotationNode, source)
    saveChanges(annotationNode)
    sequenceNode = source.sequenceNode
    numbers = _numbersByItem(annotationNode, sequenceNode)
    segments: dict[str, Segment] = {}
    annotations: dict[int, sitk.Image] = {}
    for item in annotatedFrames(annotationNode, emptied):
        value, node = annotationNode.GetNthIndexValue(item), annotationNode.GetNthDataNode(item)
        if item not in numbers:
            raise InputError(
                f"{annotationNode.GetName()!r} has an annotation at {value}, where the input has no frame: remove it, "
                "or give it the index value of a frame, in the Sequences module"
            )
        number = numbers[item]
        frame = f"{annotationNode.GetName()!r}, frame {number} ({value})"
        image = imageFromVolume(sequenceNode.GetNthDataNode(number))
        reference = imageGeometry(image)
        array = np.zeros(image.GetSize()[::-1], np.uint8)
        drawn = drawnSegments(node)
        names = [segment.GetName() for _id, segment in drawn]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(sameName(frame, twice))
        for segmentID, segment in drawn:
            if segment.GetName() not in segments:
                if len(segments) == MOST_LABELS:
                    raise InputError(
                        f"{frame}: there are more than {MOST_LABELS} segments of different names in the frames up to "
                        "this one: remove some, or give those of one structure the same name"
                    )
                segments[segment.GetName()] = describedSegment(_unusedID(segmentID, segments.values()), segment, frame)
            mask = maskOn(reference, segment, frame)
            if not mask.any():
                raise InputError(
                    f"{frame}: segment {segment.GetName()!r} lies beside the image: is it an annotation of another one?"
                )
            if array[mask].any():
                raise InputError(
                    f"{frame}: segment {segment.GetName()!r} overlaps another one: draw it again without overlap"
                )
            array[mask] = list(segments).index(segment.GetName()) + 1
        annotations[number] = sitk.GetImageFromArray(array)
        annotations[number].CopyInformation(image)
    if not segments:
        raise InputError(f"nothing is drawn in {annotationNode.GetName()!r}: draw the segments in 3 to 10 frames")
    unknown = set(ejectingChambers) - set(segments)
    if unknown:
        raise InputError(f"no segment is named {' or '.join(sorted(unknown))}: the segments are {', '.join(segments)}")
    marked = (replace(one, ejecting_chamber=one.name in ejectingChambers) for one in segments.values())
    return tuple(marked), annotations


def readPropagated(
    annotationNode: slicer.vtkMRMLSequenceNode, source: SequenceInput, segments: Sequence[Segment]
) -> dict[int, sitk.Image]:
    """Read the frames of an annotation to which the drawn ones were propagated, and which are likely right.

    These are the frames without a flag that the user has not marked as bad, and those that the user has marked as good.

    Args:
        annotationNode, source: see `readAnnotations`.
        segments: what `readAnnotations` returns.

    Returns:
        Label images like those of `readAnnotations`; none for an annotation to which nothing was propagated.

    Raises:
        InputError: two segments overlap, or one cannot be resampled to the grid of its frame.
    """
    trusted, sequenceNode = trustedFrames(annotationNode), source.sequenceNode
    found = {}
    for item, number in _numbersByItem(annotationNode, sequenceNode).items():
        value = annotationNode.GetNthIndexValue(item)
        if value in trusted:
            image = imageFromVolume(sequenceNode.GetNthDataNode(number))
            found[number] = labelsOf(annotationNode.GetNthDataNode(item), segments, image, f"frame {number} ({value})")
    return found


def _numbersByItem(
    annotationNode: slicer.vtkMRMLSequenceNode, sequenceNode: slicer.vtkMRMLSequenceNode
) -> dict[int, int]:
    """Return which frame of a sequence a browser shows with each item of an annotation; not all items have one.

    Numbers are compared as numbers: 0.000 is the index value 0, too.
    """
    exact = {sequenceNode.GetNthIndexValue(n): n for n in range(sequenceNode.GetNumberOfDataNodes())}
    numeric = all(SequenceFrames(node).index.is_numeric for node in (annotationNode, sequenceNode))
    numbers = {}
    for item in range(annotationNode.GetNumberOfDataNodes()):
        value = annotationNode.GetNthIndexValue(item)
        number = exact.get(value)
        if number is None and numeric:
            number = sequenceNode.GetItemNumberFromIndexValue(value, True)
            # an annotation may tell values apart that are one frame in the input, and which no browser shows there
            if number >= 0 and annotationNode.GetDataNodeAtValue(sequenceNode.GetNthIndexValue(number)) is not (
                annotationNode.GetNthDataNode(item)
            ):
                number = None
        if number is not None and number >= 0:
            numbers[item] = number
    return numbers


def _checkImage(annotationNode: slicer.vtkMRMLSequenceNode, source: SequenceInput) -> None:
    """Raise an InputError if browsers play the annotation, but with other images than the input: another patient's."""
    browserNodes = browsersOf(annotationNode)
    if browserNodes and not any(b.IsSynchronizedSequenceNode(source.sequenceNode, True) for b in browserNodes):
        raise InputError(
            f"{annotationNode.GetName()!r} is an annotation of other images: {browserNodes[0].GetName()!r} plays it, "
            f"and not {source.sequenceNode.GetName()!r}: choose an annotation of this image, or let its browser play "
            "this one, in the Sequences module"
        )


def _checkTransforms(annotationNode: slicer.vtkMRMLSequenceNode, source: SequenceInput) -> None:
    """Raise an InputError if image and annotation are shown under different transforms: both are read without one."""
    if source.proxyNode is None:
        return
    for browserNode in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode", source.proxyNode.GetScene()):
        shown = browserNode.GetProxyNode(annotationNode)
        if shown is not None and shown.GetTransformNodeID() != source.proxyNode.GetTransformNodeID():
            raise InputError(
                f"{source.proxyNode.GetName()!r} and {shown.GetName()!r} are under different transforms, so that the "
                "drawing is not read where it is seen: put both under the same transform, or none"
            )


def _unusedID(segmentID: str, segments: Iterable[Segment]) -> str:
    """Return the ID, or one like it: segments of different names may have the same ID in different frames."""
    used = {segment.id for segment in segments}
    return next(one for one in chain([segmentID], (f"{segmentID}-{n}" for n in count(2))) if one not in used)
