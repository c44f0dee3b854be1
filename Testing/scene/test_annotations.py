"""Annotations: the segments that the user draws in some frames are read on the grids of these frames."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.panel.run_requests import PropagationRequest
from CLSTMSegmentLib.scene.annotations import (
    annotatedNumbers,
    newAnnotation,
    readAnnotations,
    replacesDrawing,
    useAsAnnotation,
)
from CLSTMSegmentLib.scene.images import orientedImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.outputs import SegmentationOutput
from CLSTMSegmentLib.scene.segmentation_nodes import terminologyEntry
from conftest import smallModel

from scene.conftest import addSequence, play
from scene.segmentations import finishedOutput, segmentedFrames


@pytest.fixture
def annotationNode(source):
    """An annotation of the sequence in which nothing is drawn yet."""
    return newAnnotation(source, "Annotation")


def draw(annotationNode, number, masks, frame):
    """Draw segments into a frame, see `drawIn`."""
    drawIn(annotationNode.GetNthDataNode(number).GetSegmentation(), masks, frame)


def drawIn(segmentation, masks, frame):
    """Draw segments as Segment Editor does: one labelmap for each segment, cropped to its voxels."""
    for name, mask in masks.items():
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.CopyInformation(frame.image)
        z, y, x = (slice(int(w.min()), int(w.max()) + 1) for w in np.nonzero(mask))
        if segmentation.GetSegment(name) is None:
            segmentation.AddEmptySegment(name, name)
        setLabelmap(segmentation.GetSegment(name), image[x, y, z])


def setLabelmap(segment, image):
    """Replace the labelmap of a segment; its voxels are those of value 1."""
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    segment.SetLabelValue(1)
    segment.RemoveRepresentation(representation)
    segment.AddRepresentation(representation, orientedImage(image))


def blocks(frame):
    """Return two masks on the grid of a frame that do not overlap."""
    shape = frame.image.GetSize()[::-1]
    first, second = np.zeros(shape, bool), np.zeros(shape, bool)
    first[2:4, 3:9, 4:9] = True
    second[4:5, 10:14, 2:5] = True
    return first, second


def labelsOf(frame):
    """Return a label image of a frame in which the first block is 1."""
    labels = sitk.GetImageFromArray(blocks(frame)[0].astype(np.uint8))
    labels.CopyInformation(frame.image)
    return labels


def test_segment_of_a_new_annotation_stands_out_from_a_grey_image(annotationNode):
    red, green, blue = annotationNode.GetNthDataNode(0).GetSegmentation().GetNthSegment(0).GetColor()

    assert max(red, green, blue) - min(red, green, blue) > 0.5


def test_segments_drawn_in_some_frames_are_read_on_the_grids_of_these_frames(source, annotationNode, phantom):
    first, second = blocks(phantom[0][1])
    draw(annotationNode, 1, {"Valve": first}, phantom[0][1])
    draw(annotationNode, 3, {"Valve": first, "Leaflet": second}, phantom[0][3])
    terminology = smallModel().segments[0].terminology
    valve = annotationNode.GetNthDataNode(1).GetSegmentation().GetSegment("Valve")
    valve.SetColor(0.2, 0.4, 0.6)
    valve.SetTag(valve.GetTerminologyEntryTagName(), terminologyEntry(smallModel().segments[0]))

    segments, annotations = readAnnotations(annotationNode, source)

    assert [segment.name for segment in segments] == ["Valve", "Leaflet"]
    assert segments[0].color == pytest.approx((0.2, 0.4, 0.6))
    assert segments[0].terminology == terminology
    assert sorted(annotations) == [1, 3]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(annotations[1]), first)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(annotations[3]), first + 2 * second)
    assert annotations[3].GetDirection() == pytest.approx(phantom[0][3].image.GetDirection())


def test_drawing_in_the_view_is_stored_in_the_selected_frame(source, browserNode, annotationNode, phantom):
    browserNode.SetSelectedItemNumber(2)
    proxyNode = browserNode.GetProxyNode(annotationNode)

    setLabelmap(proxyNode.GetSegmentation().GetSegment("segment-1"), labelsOf(phantom[0][2]))
    proxyNode.Modified()
    browserNode.SetSelectedItemNumber(0)

    _segments, annotations = readAnnotations(annotationNode, source)
    assert list(annotations) == [2]


def test_two_segments_of_one_name_in_a_frame_are_refused(source, annotationNode, phantom):
    first, second = blocks(phantom[0][3])
    draw(annotationNode, 3, {"Valve": first, "Leaflet": second}, phantom[0][3])
    annotationNode.GetNthDataNode(3).GetSegmentation().GetSegment("Leaflet").SetName("Valve")

    with pytest.raises(InputError, match=r"frame 3 \(.*\): two of its segments have the same name"):
        readAnnotations(annotationNode, source)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("", "the segment with the ID 'Leaflet' has no name: give it one"),
        ("frame", "a segment cannot be named 'frame', as a column of the reports is: rename it"),
        ("Leaflet", "there are more than 1 segments of different names in the frames up to this one: remove some"),
    ],
)
def test_segments_that_cannot_be_read_are_refused_with_annotation_frame_and_cause(
    source, annotationNode, phantom, name, cause, monkeypatch
):
    first, second = blocks(phantom[0][3])
    draw(annotationNode, 3, {"Valve": first, "Leaflet": second}, phantom[0][3])
    annotationNode.GetNthDataNode(3).GetSegmentation().GetSegment("Leaflet").SetName(name)
    if name == "Leaflet":
        monkeypatch.setattr("CLSTMSegmentLib.scene.annotations.MOST_LABELS", 1)

    with pytest.raises(InputError, match=rf"'Annotation', frame 3 \(.*\): {cause}"):
        readAnnotations(annotationNode, source)


def test_annotation_without_a_drawn_segment_is_refused(source, annotationNode):
    with pytest.raises(InputError, match="nothing is drawn"):
        readAnnotations(annotationNode, source)


def test_corrected_frame_of_a_result_becomes_an_annotation(source, browserNode, annotationNode, phantom):
    output = SegmentationOutput(smallModel(), source)
    for number, frame in enumerate(phantom[0]):
        output.add(SegmentedFrame(number, frame.index_value, labelsOf(frame)))
    resultNode = output.publish()
    browserNode.SetSelectedItemNumber(4)

    number = useAsAnnotation(source, resultNode, annotationNode)

    segments, annotations = readAnnotations(annotationNode, source)
    assert number == 4
    assert [segment.name for segment in segments] == [segment.name for segment in smallModel().segments[:1]]
    assert list(annotations) == [4]


def test_only_the_named_segments_are_ejecting_chambers(source, annotationNode, phantom):
    first, second = blocks(phantom[0][0])
    draw(annotationNode, 0, {"Ventricle": first, "Valve": second}, phantom[0][0])

    segments, _annotations = readAnnotations(annotationNode, source, ejectingChambers=["Ventricle"])

    assert [segment.ejecting_chamber for segment in segments] == [True, False]
    with pytest.raises(InputError, match="no segment is named Atrium: the segments are Ventricle, Valve"):
        readAnnotations(annotationNode, source, ejectingChambers=["Atrium"])


def ownSequence(scene, browserNode, sequenceNode, className):
    """Return a sequence of the user, which the browser plays without saving changes, and its proxy."""
    ownNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", className)
    ownNode.SetIndexName("time")
    for number in range(sequenceNode.GetNumberOfDataNodes()):
        ownNode.SetDataNodeAtValue(scene.CreateNodeByClass(className), sequenceNode.GetNthIndexValue(number))
    browserNode.AddSynchronizedSequenceNode(ownNode)
    play(browserNode, 2)
    return ownNode, browserNode.GetProxyNode(ownNode)


def test_annotation_whose_changes_the_browser_does_not_save_is_read_as_it_is_seen(scene, source, browserNode, phantom):
    annotationNode, proxyNode = ownSequence(scene, browserNode, source.sequenceNode, "vtkMRMLSegmentationNode")
    first, _ = blocks(phantom[0][2])
    drawIn(proxyNode.GetSegmentation(), {"Valve": first}, phantom[0][2])

    _, found = readAnnotations(annotationNode, source)

    assert list(found) == [2]
    assert np.count_nonzero(sitk.GetArrayFromImage(found[2])) == first.sum()
    play(browserNode, 0)
    play(browserNode, 2)
    assert proxyNode.GetSegmentation().GetNumberOfSegments() == 1


def test_frame_that_a_script_changed_after_its_proxy_stays_as_it_is(scene, source, browserNode, phantom):
    annotationNode, _ = ownSequence(scene, browserNode, source.sequenceNode, "vtkMRMLSegmentationNode")
    first, _ = blocks(phantom[0][2])
    draw(annotationNode, 2, {"Valve": first}, phantom[0][2])

    _, found = readAnnotations(annotationNode, source)

    assert np.count_nonzero(sitk.GetArrayFromImage(found[2])) == first.sum()


@pytest.mark.parametrize("item", [2, 4])
def test_what_is_drawn_in_the_proxies_of_two_browsers_is_read(item, scene, source, browserNode, phantom):
    annotationNode, proxyNode = ownSequence(scene, browserNode, source.sequenceNode, "vtkMRMLSegmentationNode")
    other = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Other")
    other.SetAndObserveMasterSequenceNodeID(source.sequenceNode.GetID())
    other.AddSynchronizedSequenceNode(annotationNode)
    play(other, item)
    first, second = blocks(phantom[0][2])
    if item == 4:
        drawIn(proxyNode.GetSegmentation(), {"Valve": first}, phantom[0][2])
    drawIn(other.GetProxyNode(annotationNode).GetSegmentation(), {"Valve": second}, phantom[0][2])

    _, found = readAnnotations(annotationNode, source)

    counts = {number: np.count_nonzero(sitk.GetArrayFromImage(labels)) for number, labels in found.items()}
    assert counts == ({2: first.sum(), 4: second.sum()} if item == 4 else {2: second.sum()})
    play(browserNode, 0)
    play(other, 0)
    assert readAnnotations(annotationNode, source)[1].keys() == found.keys()


@pytest.mark.parametrize("added", ["frames of a result", "annotation", "frame of an annotation"])
def test_what_the_user_did_in_other_sequences_of_the_browser_stays(scene, source, browserNode, phantom, added):
    output = finishedOutput(source.sequenceNode, phantom, [2])
    annotationNode = newAnnotation(source, "Annotation")
    if added == "frame of an annotation":
        output.publish()
    _, drawn = ownSequence(scene, browserNode, source.sequenceNode, "vtkMRMLSegmentationNode")
    _, points = ownSequence(scene, browserNode, source.sequenceNode, "vtkMRMLMarkupsFiducialNode")
    drawIn(drawn.GetSegmentation(), {"Valve": blocks(phantom[0][2])[0]}, phantom[0][2])
    points.AddControlPoint(1, 2, 3)
    slicer.util.arrayFromVolume(source.proxyNode)[:] = 7

    if added == "annotation":
        newAnnotation(source, "Another")
    elif added == "frame of an annotation":
        useAsAnnotation(source, output.sequenceNode, annotationNode)
    else:
        output.publish()
        for frame in segmentedFrames(source.sequenceNode, phantom, [3, 4]):
            output.add(frame)

    assert drawn.GetSegmentation().GetNumberOfSegments() == 1
    assert points.GetNumberOfControlPoints() == 1
    assert (slicer.util.arrayFromVolume(source.proxyNode) == 7).all()
    play(browserNode, 0)
    assert points.GetNumberOfControlPoints() == 0  # the browser plays all of them still


def test_index_values_of_annotation_and_image_are_compared_as_numbers(scene, source, browserNode, phantom):
    annotationNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Manual")
    for number in range(3):
        value = f"{float(source.sequenceNode.GetNthIndexValue(number)):.6f}"
        annotationNode.SetDataNodeAtValue(scene.CreateNodeByClass("vtkMRMLSegmentationNode"), value)
    annotationNode.SetDataNodeAtValue(scene.CreateNodeByClass("vtkMRMLSegmentationNode"), "7777.5")
    browserNode.AddSynchronizedSequenceNode(annotationNode)
    draw(annotationNode, 2, {"Valve": blocks(phantom[0][2])[0]}, phantom[0][2])

    assert annotatedNumbers(annotationNode, source.sequenceNode) == [2]
    assert readAnnotations(annotationNode, source)[1].keys() == {2}
    draw(annotationNode, 3, {"Valve": blocks(phantom[0][2])[0]}, phantom[0][2])
    with pytest.raises(InputError, match=r"'Manual' has an annotation at 7777.5, where the input has no frame"):
        readAnnotations(annotationNode, source)


@pytest.mark.parametrize("withOwn", [True, False])
def test_annotation_between_two_frames_that_are_one_in_the_image_is_refused_with_its_index_value(
    scene, source, browserNode, phantom, withOwn
):
    annotationNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Manual")
    annotationNode.SetNumericIndexValueTolerance(1e-9)  # that of the image is 0.001
    own = source.sequenceNode.GetNthIndexValue(2)
    values = [own] * withOwn + [f"{float(own) + 0.0005}"]
    for item, value in enumerate(values):
        annotationNode.SetDataNodeAtValue(scene.CreateNodeByClass("vtkMRMLSegmentationNode"), value)
        draw(annotationNode, item, {"Valve": blocks(phantom[0][2])[0]}, phantom[0][2])
    browserNode.AddSynchronizedSequenceNode(annotationNode)

    with pytest.raises(InputError, match=rf"'Manual' has an annotation at {values[-1]}, where the input has no frame"):
        PropagationRequest.read(source, annotationNode, False, None)

    assert annotatedNumbers(annotationNode, source.sequenceNode) == [2] * withOwn


def test_annotation_of_another_patient_is_refused(scene, source, annotationNode, phantom):
    draw(annotationNode, 2, {"Valve": blocks(phantom[0][2])[0]}, phantom[0][2])
    other = resolveInput(addSequence(scene, phantom[0], "Other patient"))
    resultNode = finishedOutput(other.sequenceNode, phantom).publish()

    for use in (
        lambda: readAnnotations(annotationNode, other),
        lambda: replacesDrawing(other, resultNode, annotationNode),
        lambda: useAsAnnotation(other, resultNode, annotationNode),
    ):
        with pytest.raises(InputError, match="'Annotation' is an annotation of other images: 'Cine browser' plays it"):
            use()

    assert readAnnotations(annotationNode, source)[1].keys() == {2}


def test_result_is_not_used_while_no_frame_is_shown(source, browserNode, annotationNode, phantom):
    resultNode = finishedOutput(source.sequenceNode, phantom).publish()
    browserNode.SetSelectedItemNumber(-1)

    for use in (replacesDrawing, useAsAnnotation):
        with pytest.raises(InputError, match="no frame of 'Cine' is shown: choose one in its browser first"):
            use(source, resultNode, annotationNode)


def test_no_annotation_is_added_while_the_browser_records(scene, source, browserNode):
    browserNode.SetRecordingActive(True)
    before = scene.GetNumberOfNodes()

    with pytest.raises(InputError, match="is recording: stop the recording"):
        newAnnotation(source, "Annotation")

    assert scene.GetNumberOfNodes() == before
    browserNode.SetRecordingActive(False)
