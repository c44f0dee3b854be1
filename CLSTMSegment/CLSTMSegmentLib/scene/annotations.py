"""Annotations: a segmentation sequence in which the user draws some frames, read as labels for teaching."""

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..core.errors import InputError
from ..core.segment import Segment
from .images import imageFromVolume, orientedImage
from .inputs import SequenceInput
from .outputs import copyIndex, emptySegmentation, placeBeside


def newAnnotation(source: SequenceInput, name: str) -> slicer.vtkMRMLSequenceNode:
    """An empty segmentation for every frame, synchronised in the input's browser, which stores what is drawn.

    Raises:
        InputError: no browser plays the input, so that nothing could be drawn frame by frame.
    """
    browserNode, sequenceNode = source.browserNode, source.sequenceNode
    if browserNode is None:
        raise InputError("no browser plays this sequence: make one in the Sequences module first")
    scene = sequenceNode.GetScene()
    annotationNode = slicer.vtkMRMLSequenceNode()
    copyIndex(sequenceNode, annotationNode)
    for number in range(sequenceNode.GetNumberOfDataNodes()):
        node = emptySegmentation(orientedImage(imageFromVolume(sequenceNode.GetNthDataNode(number))))
        node.GetSegmentation().AddEmptySegment("segment-1", "Segment 1")
        annotationNode.SetDataNodeAtValue(node, sequenceNode.GetNthIndexValue(number))
    annotationNode.SetName(scene.GenerateUniqueName(name))
    scene.AddNode(annotationNode)
    browserNode.AddSynchronizedSequenceNode(annotationNode)
    browserNode.SetSaveChanges(annotationNode, True)
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
    placeBeside(source, browserNode.GetProxyNode(annotationNode))
    return annotationNode


def useAsAnnotation(
    source: SequenceInput, resultNode: slicer.vtkMRMLSequenceNode, annotationNode: slicer.vtkMRMLSequenceNode
) -> int:
    """Copy what a result shows at the selected frame, corrected by hand or not, into an annotation.

    Returns:
        The frame's number.

    Raises:
        InputError: the result does not play beside the input, or has nothing there.
    """
    browserNode = source.browserNode
    shown = browserNode.GetProxyNode(resultNode) if browserNode is not None else None
    if shown is None:
        raise InputError(f"{resultNode.GetName()!r} is not played by the browser of the input")
    number = browserNode.GetSelectedItemNumber()
    if shown.GetSegmentation().GetNumberOfSegments() == 0:
        raise InputError(f"{resultNode.GetName()!r} has no segments in frame {number}")
    value = source.sequenceNode.GetNthIndexValue(number)
    node = slicer.vtkMRMLSegmentationNode()
    node.GetSegmentation().DeepCopy(shown.GetSegmentation())
    annotationNode.SetDataNodeAtValue(node, value)
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
    return number


def annotatedFrames(annotationNode: slicer.vtkMRMLSequenceNode) -> list[int]:
    """Numbers of the items in which something is drawn."""
    return [
        item
        for item in range(annotationNode.GetNumberOfDataNodes())
        if any(not _isEmpty(segment) for _id, segment in _segmentsOf(annotationNode.GetNthDataNode(item)))
    ]


def readAnnotations(
    annotationNode: slicer.vtkMRMLSequenceNode, source: SequenceInput
) -> tuple[tuple[Segment, ...], dict[int, sitk.Image]]:
    """The segments, and label images on the frames' own grids by number of the frames in which something is drawn.

    Label n is the n-th segment. Segments are told apart by name, through all frames, and have the
    colours and terminology of the first frame in which they are.

    Raises:
        InputError: nothing is drawn; a frame that the input does not have; a segment that cannot
            be brought to its grid.
    """
    sequenceNode = source.sequenceNode
    numbers = {sequenceNode.GetNthIndexValue(n): n for n in range(sequenceNode.GetNumberOfDataNodes())}
    segments: dict[str, Segment] = {}
    annotations: dict[int, sitk.Image] = {}
    for item in annotatedFrames(annotationNode):
        value, node = annotationNode.GetNthIndexValue(item), annotationNode.GetNthDataNode(item)
        if value not in numbers:
            raise InputError(f"{annotationNode.GetName()!r} is drawn at {value}, where the input has no frame")
        number = numbers[value]
        image = imageFromVolume(sequenceNode.GetNthDataNode(number))
        reference = orientedImage(image)
        array = np.zeros(image.GetSize()[::-1], np.uint8)
        for segmentID, segment in _segmentsOf(node):
            if _isEmpty(segment):
                continue
            segments.setdefault(segment.GetName(), _description(segmentID, segment))
            mask = _maskOn(reference, segment, f"frame {number} ({value})")
            array[mask] = list(segments).index(segment.GetName()) + 1
        annotations[number] = sitk.GetImageFromArray(array)
        annotations[number].CopyInformation(image)
    if not annotations:
        raise InputError(f"nothing is drawn in {annotationNode.GetName()!r}: draw the segments in 3 to 10 frames")
    return tuple(segments.values()), annotations


def _binaryLabelmap() -> str:
    return slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()


def _segmentsOf(node: slicer.vtkMRMLSegmentationNode) -> list[tuple[str, slicer.vtkSegment]]:
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    return [(segmentID, segmentation.GetSegment(segmentID)) for segmentID in ids]


def _isEmpty(segment: slicer.vtkSegment) -> bool:
    labelmap = segment.GetRepresentation(_binaryLabelmap())
    if labelmap is None:
        return True
    scalars = labelmap.GetPointData().GetScalars()
    return scalars is None or not (vtk_to_numpy(scalars) == segment.GetLabelValue()).any()


def _maskOn(reference: slicer.vtkOrientedImageData, segment: slicer.vtkSegment, frame: str) -> np.ndarray:
    """Where a segment is, on the grid of a frame, (k, j, i) bool."""
    labelmap = segment.GetRepresentation(_binaryLabelmap())
    resampled = slicer.vtkOrientedImageData()
    if not slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        labelmap, reference, resampled, False
    ):
        raise InputError(f"{frame}: segment {segment.GetName()!r} cannot be brought to the frame's grid: draw it again")
    shape = reference.GetDimensions()[::-1]
    return vtk_to_numpy(resampled.GetPointData().GetScalars()).reshape(shape) == segment.GetLabelValue()


def _description(segmentID: str, segment: slicer.vtkSegment) -> Segment:
    return Segment(segmentID, segment.GetName(), tuple(segment.GetColor()), _terminology(segment))


def _terminology(segment: slicer.vtkSegment) -> dict[str, list[str]]:
    """Category and type from a segment's terminology entry; see `outputs.terminologyEntry`."""
    tag = vtk.mutable("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
    fields = str(tag).split("~")
    codes = {key: field.split("^") for key, field in zip(("category", "type"), fields[1:3], strict=False)}
    return {key: code for key, code in codes.items() if len(code) == 3 and all(code)}
