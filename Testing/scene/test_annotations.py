"""Annotations: what the user draws in some frames is read on the frames' own grids."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.scene.annotations import newAnnotation, readAnnotations, useAsAnnotation
from CLSTMSegmentLib.scene.images import orientedImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.outputs import SegmentationOutput, terminologyEntry
from conftest import smallModel

from scene.conftest import addSequence


def draw(annotationNode, number, masks, frame):
    """Draw segments into a frame as Segment Editor does: each a labelmap of its own, cut to what is drawn."""
    segmentation = annotationNode.GetNthDataNode(number).GetSegmentation()
    for name, mask in masks.items():
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.CopyInformation(frame.image)
        z, y, x = (slice(int(w.min()), int(w.max()) + 1) for w in np.nonzero(mask))
        cut = image[x, y, z]
        if segmentation.GetSegment(name) is None:
            segmentation.AddEmptySegment(name, name)
        segment = segmentation.GetSegment(name)
        segment.SetLabelValue(1)
        representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
        segment.RemoveRepresentation(representation)
        segment.AddRepresentation(representation, orientedImage(cut))


def blocks(frame):
    shape = frame.image.GetSize()[::-1]
    first, second = np.zeros(shape, bool), np.zeros(shape, bool)
    first[2:4, 3:9, 4:9] = True
    second[4:5, 10:14, 2:5] = True
    return first, second


def test_what_is_drawn_in_some_frames_is_read_on_their_own_grid(scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    annotationNode = newAnnotation(source, "Annotation")
    first, second = blocks(phantom[0][1])
    draw(annotationNode, 1, {"Valve": first}, phantom[0][1])
    draw(annotationNode, 3, {"Valve": first, "Leaflet": second}, phantom[0][3])
    model = smallModel()
    valve = annotationNode.GetNthDataNode(1).GetSegmentation().GetSegment("Valve")
    valve.SetColor(0.2, 0.4, 0.6)
    valve.SetTag(valve.GetTerminologyEntryTagName(), terminologyEntry(model.segments[0]))
    segments, annotations = readAnnotations(annotationNode, source)
    assert [segment.name for segment in segments] == ["Valve", "Leaflet"]
    assert segments[0].color == pytest.approx((0.2, 0.4, 0.6))
    assert segments[0].terminology == model.segments[0].terminology
    assert sorted(annotations) == [1, 3]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(annotations[1]), first)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(annotations[3]), first + 2 * second)
    assert annotations[3].GetDirection() == pytest.approx(phantom[0][3].image.GetDirection())


def test_drawing_in_the_view_is_stored_at_the_frame_that_is_shown(scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    annotationNode = newAnnotation(source, "Annotation")
    source.browserNode.SetSelectedItemNumber(2)
    shown = source.browserNode.GetProxyNode(annotationNode)
    image = sitk.GetImageFromArray(blocks(phantom[0][2])[0].astype(np.uint8))
    image.CopyInformation(phantom[0][2].image)
    segment = shown.GetSegmentation().GetSegment("segment-1")
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    segment.RemoveRepresentation(representation)
    segment.AddRepresentation(representation, orientedImage(image))
    shown.Modified()
    source.browserNode.SetSelectedItemNumber(0)
    _segments, annotations = readAnnotations(annotationNode, source)
    assert list(annotations) == [2]


def test_nothing_drawn_is_told(scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    with pytest.raises(InputError, match="nothing is drawn"):
        readAnnotations(newAnnotation(source, "Annotation"), source)


def test_corrected_frame_of_a_result_becomes_an_annotation(scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    annotationNode = newAnnotation(source, "Annotation")
    output = SegmentationOutput(smallModel(), source)
    for number, frame in enumerate(phantom[0]):
        output.add(segmented(number, frame))
    resultNode = output.publish()
    source.browserNode.SetSelectedItemNumber(4)
    assert useAsAnnotation(source, resultNode, annotationNode) == 4
    segments, annotations = readAnnotations(annotationNode, source)
    assert [segment.name for segment in segments] == [segment.name for segment in smallModel().segments[:1]]
    assert list(annotations) == [4]


def segmented(number, frame):
    from CLSTMSegmentLib.core.sequence import SegmentedFrame

    labels = sitk.GetImageFromArray(blocks(frame)[0].astype(np.uint8))
    labels.CopyInformation(frame.image)
    return SegmentedFrame(number, frame.index_value, labels)
