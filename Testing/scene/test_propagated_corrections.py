"""What the user corrects in a propagated result stays as it was drawn when it is propagated again."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame, SegmentedFrame
from CLSTMSegmentLib.scene.annotations import (
    annotatedFrames,
    annotatedNumbers,
    newAnnotation,
    readAnnotations,
    readPropagated,
)
from CLSTMSegmentLib.scene.images import orientedImage, volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.labelmaps import binaryLabelmap, voxelsOf
from CLSTMSegmentLib.scene.outputs import SegmentationOutput
from conftest import smallModel
from hook_phantom import SMALL, hook_sequence
from host import application

import CLSTMSegment
from scene.conftest import addSequence, play
from scene.segmentations import positionsOfSegment
from scene.test_annotations import draw, setLabelmap
from scene.test_edited_frames import edit

CORRECTED = 3
TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~"
    "SCT^7771000^Left~Anatomic codes - DICOM master list~SCT^39607008^Lung~SCT^24028007^Right"
)


@pytest.fixture(scope="module")
def hook():
    """Six frames of a hook, and their true labels."""
    return hook_sequence(3, 6, *SMALL)


@pytest.fixture
def logic():
    return CLSTMSegment.CLSTMSegmentLogic()


@pytest.fixture
def source(scene, hook):
    return resolveInput(addSequence(scene, hook[0]))


@pytest.fixture
def annotationNode(source, hook):
    """An annotation of frame 0: one half of the hook is segment A, the other one is B."""
    node = newAnnotation(source, "Annotation")
    hookMask = mask(hook, 0)
    left = hookMask.copy()
    left[:, :, int(np.median(np.argwhere(hookMask)[:, 2])) :] = False
    draw(node, 0, {"A": left, "B": hookMask & ~left}, hook[0][0])
    return node


@pytest.fixture
def result(logic, source, annotationNode):
    return logic.propagate(source.sequenceNode, annotationNode)


def mask(hook, number):
    return sitk.GetArrayViewFromImage(hook[1][number]) == 1


def corrected(source, resultNode, change):
    """Let the user change the segmentation that shows a frame of a result."""
    play(source.browserNode, CORRECTED)
    change(source.browserNode.GetProxyNode(resultNode))
    play(source.browserNode, 0)


def segmentOf(resultNode, segmentID="A", number=CORRECTED):
    return resultNode.GetNthDataNode(number).GetSegmentation().GetSegment(segmentID)


def test_frame_that_was_emptied_stays_empty(logic, source, result, hook):
    def empty(shown):
        for segmentID in ("A", "B"):
            edit(shown, segmentID, hook[0][CORRECTED].image, (slice(0, 0),) * 3)

    corrected(source, result, empty)

    assert logic.propagate(source.sequenceNode, result, output=result) is result

    assert not any(voxelsOf(segmentOf(result, segmentID))[0].any() for segmentID in ("A", "B"))
    assert annotatedFrames(result) == [0]  # nothing can be taught from it
    assert annotatedFrames(result, emptied=True) == [0, CORRECTED]


def test_segment_that_was_moved_stays_where_it_is(logic, source, result):
    def move(shown):
        transformNode = shown.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 12.0)
        transformNode.SetMatrixTransformToParent(matrix)
        before = shown.GetTransformNodeID()
        shown.SetAndObserveTransformNodeID(transformNode.GetID())
        assert shown.HardenTransform()
        shown.SetAndObserveTransformNodeID(before)

    corrected(source, result, move)
    place = positionsOfSegment(result.GetNthDataNode(CORRECTED), "A").mean(0)

    logic.propagate(source.sequenceNode, result, output=result)

    assert positionsOfSegment(result.GetNthDataNode(CORRECTED), "A").mean(0) == pytest.approx(place)


def test_names_that_were_swapped_stay_swapped(logic, source, result):
    def swap(shown):
        for segmentID, name in (("A", "B"), ("B", "A")):
            shown.GetSegmentation().GetSegment(segmentID).SetName(name)

    drawn = voxelsOf(segmentOf(result, "A"))[0].sum()
    corrected(source, result, swap)

    logic.propagate(source.sequenceNode, result, output=result)

    assert segmentOf(result, "B").GetName() == "B"
    assert voxelsOf(segmentOf(result, "B"))[0].sum() == drawn


def test_drawing_of_a_finer_grid_keeps_its_voxels(logic, source, result, hook):
    def drawFinely(shown):
        labels = sitk.GetImageFromArray(mask(hook, CORRECTED).astype(np.uint8))
        labels.CopyInformation(hook[0][CORRECTED].image)
        finer = orientedImage(sitk.Expand(labels, [2, 2, 1], sitk.sitkNearestNeighbor))
        edit(shown, "B", hook[0][CORRECTED].image, (slice(0, 0),) * 3)
        assert slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(finer, shown, "A")

    corrected(source, result, drawFinely)
    drawn = voxelsOf(segmentOf(result))[0].sum()

    logic.propagate(source.sequenceNode, result, output=result)

    assert segmentOf(result).GetRepresentation(binaryLabelmap()).GetSpacing()[0] == SMALL[1][2] / 2
    assert voxelsOf(segmentOf(result))[0].sum() == drawn


def test_annotated_frame_keeps_the_tags_of_its_segments(logic, source, annotationNode):
    segment = segmentOf(annotationNode, number=0)
    segment.SetTag(segment.GetTerminologyEntryTagName(), TERMINOLOGY)
    segment.SetTag("Segmentation.Status", "completed")

    result = logic.propagate(source.sequenceNode, annotationNode)

    assert tag(segmentOf(result, number=0), "Segmentation.Status") == "completed"
    for number in (0, CORRECTED):
        kept = segmentOf(result, number=number)
        assert tag(kept, kept.GetTerminologyEntryTagName()) == TERMINOLOGY


def tag(segment, name):
    value = vtk.mutable("")
    segment.GetTag(name, value)
    return str(value)


def test_what_is_corrected_during_the_propagation_stays_and_the_result_is_a_new_one(logic, source, result, hook):
    def correctOnce(_progress):
        if annotatedFrames(result) == [0]:
            corner = (slice(0, 2), slice(0, 4), slice(0, 4))
            corrected(source, result, lambda shown: edit(shown, "A", hook[0][CORRECTED].image, corner))

    other = logic.propagate(source.sequenceNode, result, output=result, progress=correctOnce)

    assert other is not result
    assert annotatedFrames(result) == [0, CORRECTED]


def test_segments_of_the_same_id_and_other_names_in_two_frames_are_two_segments(logic, source, hook):
    annotationNode = newAnnotation(source, "Annotation")
    for number, name in ((0, "A"), (CORRECTED, "B")):
        segment = annotationNode.GetNthDataNode(number).GetSegmentation().GetNthSegment(0)
        segment.SetName(name)
        labels = sitk.GetImageFromArray(mask(hook, number).astype(np.uint8))
        labels.CopyInformation(hook[0][number].image)
        setLabelmap(segment, labels)

    result = logic.propagate(source.sequenceNode, annotationNode)

    for number in range(6):
        segmentation = result.GetNthDataNode(number).GetSegmentation()
        assert [segmentation.GetNthSegment(n).GetName() for n in range(2)] == ["A", "B"]
        assert segmentation.GetNthSegmentID(0) != segmentation.GetNthSegmentID(1)
    assert voxelsOf(result.GetNthDataNode(0).GetSegmentation().GetNthSegment(0))[0].sum() == mask(hook, 0).sum()


def test_annotation_under_another_transform_than_its_image_is_refused(source, annotationNode):
    transformNode = source.sequenceNode.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    source.proxyNode.SetAndObserveTransformNodeID(transformNode.GetID())

    with pytest.raises(InputError, match="are under different transforms"):
        readAnnotations(annotationNode, source)

    source.browserNode.GetProxyNode(annotationNode).SetAndObserveTransformNodeID(transformNode.GetID())
    assert list(readAnnotations(annotationNode, source)[1]) == [0]


def test_annotated_frames_are_counted_in_the_input(scene, source, annotationNode, hook):
    part = addSequence(scene, hook[0][2:4], "Part")
    other = newAnnotation(resolveInput(part), "Other")
    draw(other, 1, {"A": mask(hook, CORRECTED)}, hook[0][CORRECTED])

    assert annotatedNumbers(other, source.sequenceNode) == [CORRECTED]


def test_drawing_is_not_copied_into_a_frame_that_the_input_gets_later(source, annotationNode, hook):
    sequenceNode, browserNode = source.sequenceNode, source.browserNode
    draw(annotationNode, 5, {"A": mask(hook, 5)}, hook[0][5])
    play(browserNode, 5)
    sequenceNode.SetDataNodeAtValue(volumeFromImage(hook[0][0].image), "1200")

    for item in (6, 5, 6, 0):
        play(browserNode, item)

    assert annotatedNumbers(annotationNode, sequenceNode) == [0, 5]


def test_frames_that_an_output_lacks_are_not_filled_though_it_was_an_annotation(scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0], "Heart"))
    annotation, output = newAnnotation(source, "New"), SegmentationOutput(smallModel(), source)
    for number, frame in enumerate(phantom[0][:3]):
        output.add(SegmentedFrame(number, frame.index_value, phantom[1][number]))

    output.publish(annotation)
    for item in (3, 4, 5, 0):
        play(source.browserNode, item)

    assert annotation.GetNumberOfDataNodes() == 3
    assert annotatedFrames(annotation) == []


def test_propagated_frames_are_read_by_the_names_of_segments_that_were_drawn_again(source, result, hook):
    segmentation = result.GetNthDataNode(0).GetSegmentation()
    drawn = voxelsOf(segmentation.GetSegment("A"))[0].sum()
    segment = slicer.vtkSegment()
    segment.DeepCopy(segmentation.GetSegment("A"))
    segmentation.RemoveSegment("A")
    segmentation.AddSegment(segment, "Segment_1")
    segments, annotations = readAnnotations(result, source)

    propagated = readPropagated(result, source, segments)

    label = [one.name for one in segments].index("A") + 1
    assert (sitk.GetArrayFromImage(annotations[0]) == label).sum() == drawn
    assert all((sitk.GetArrayFromImage(labels) == label).sum() > 0.5 * drawn for labels in propagated.values())


def test_frame_that_was_drawn_at_first_and_emptied_in_the_result_stays_empty(logic, source, result, hook):
    corner = (slice(0, 2), slice(0, 4), slice(0, 4))
    corrected(source, result, lambda shown: edit(shown, "A", hook[0][CORRECTED].image, corner))
    for segmentID in ("A", "B"):
        edit(source.browserNode.GetProxyNode(result), segmentID, hook[0][0].image, (slice(0, 0),) * 3)
    play(source.browserNode, 1)

    logic.propagate(source.sequenceNode, result, output=result)

    assert not any(voxelsOf(segmentOf(result, segmentID, 0))[0].any() for segmentID in ("A", "B"))
    assert annotatedFrames(result) == [CORRECTED]


def test_frames_of_a_result_are_known_after_saving_whatever_the_digits_of_their_grid(scene, phantom, tmp_path):
    frames = []
    for frame in phantom[0]:
        image = sitk.Image(frame.image)
        image.SetSpacing((1.25, 1.25, 8.0005))
        image.SetOrigin((-122.0625, 0.0005, 122.1235))
        frames.append(Frame(image, frame.index_value))
    source = resolveInput(addSequence(scene, frames, "Heart"))
    output = SegmentationOutput(smallModel(), source)
    for number, frame in enumerate(frames):
        labels = sitk.Image(phantom[1][number])
        labels.CopyInformation(frame.image)
        output.add(SegmentedFrame(number, frame.index_value, labels))
    name = output.publish().GetName()

    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(1)
    slicer.mrmlScene = reloaded = application.newScene()
    assert reloaded.ReadFromMRB(str(tmp_path / "scene.mrb"))

    assert annotatedFrames(reloaded.GetFirstNodeByName(name)) == []
