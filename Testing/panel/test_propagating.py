"""Propagation by clicking: draw, propagate, correct a frame, propagate again, teach."""

import os
import signal

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import StorageError
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.core.volume_curve import IMAGE, Flag
from CLSTMSegmentLib.scene.annotations import annotatedFrames, readAnnotations
from CLSTMSegmentLib.scene.frame_reviews import GOOD, reviewFrame
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.teaching.training_set import TrainingSet
from CLSTMSegmentLib.worker.events import Done, Failed
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.worker_process import PROPAGATE
from hook_phantom import SMALL, hook_sequence
from host import qt
from scene.conftest import addSequence, play
from scene.test_annotations import draw
from scene.test_edited_frames import edit

from panel.conftest import jobFolders, nodeIDs, outputs, unfinishedFramesAreOffered, wait

CORRECTION = (slice(0, 2), slice(0, 4), slice(0, 4))


@pytest.fixture(scope="module")
def hook():
    """Six frames of a hook, and their true labels."""
    return hook_sequence(3, 6, *SMALL)


def hookMask(hook, number):
    return sitk.GetArrayViewFromImage(hook[1][number]) == 1


def annotate(ui, scene, hook):
    """Choose the hook as the input, and draw it in frame 0."""
    ui.teachCollapsibleButton.collapsed = False
    ui.inputSelector.setCurrentNode(addSequence(scene, hook[0]))
    ui.newAnnotationButton.click()
    draw(ui.annotationSelector.currentNode(), 0, {"Hook": hookMask(hook, 0)}, hook[0][0])
    ui.cyclicCheckBox.checked = True  # a change of any setting updates the panel


@pytest.fixture
def annotated(scene, hook, widget):
    """The widgets of the panel with the hook as input, annotated in frame 0."""
    widget.enter()
    annotate(widget.ui, scene, hook)
    return widget.ui


@pytest.fixture
def fakeAnnotated(scene, hook, fakePanel):
    """The widgets of a panel with fake workers, with the hook as input, annotated in frame 0."""
    annotate(fakePanel, scene, hook)
    return fakePanel


def sourceOf(ui):
    return resolveInput(ui.inputSelector.currentNode())


def voxelsIn(ui, resultNode, number):
    """Return where something is drawn in a frame of a result, which must be annotated."""
    return sitk.GetArrayFromImage(readAnnotations(resultNode, sourceOf(ui))[1][number]) > 0


def correct(ui, resultNode, number):
    """Draw in a frame of a result as the user does: in the segmentation that shows it."""
    source = sourceOf(ui)
    play(source.browserNode, number)
    image = hook_sequence(3, 6, *SMALL)[0][number].image
    shown = source.browserNode.GetProxyNode(resultNode)
    edit(shown, shown.GetSegmentation().GetNthSegmentID(0), image, CORRECTION)
    play(source.browserNode, 0)


def ended(ui):
    return lambda: not ui.cancelPropagationButton.enabled


def propagateToEnd(ui):
    ui.propagateButton.click()
    wait(ended(ui), "the end of the propagation")


def report(worker, hook, numbers, flagged=()):
    """Let a fake worker report propagated frames, all of which have the labels that are drawn in frame 0."""
    for number in numbers:
        labels = sitk.Cast(hook[1][0] == 1, sitk.sitkUInt8)
        flags = [Flag(number, IMAGE, "it differs")] if number in flagged else []
        worker.folder.write_result(SegmentedFrame(number, hook[0][number].index_value, labels), flags)
    worker.reported += worker.folder.new_events()


def fakePropagation(ui, fakes, hook, flagged=()):
    """Press Propagate, let the fake worker do all frames, and return the result."""
    ui.propagateButton.click()
    report(fakes[-1], hook, range(6), flagged)
    fakes[-1].reported.append(Done())
    wait(ended(ui), "the end of the propagation")
    return ui.annotationSelector.currentNode()


def test_drawn_frame_is_propagated_and_corrected_frames_count_at_the_next_time(annotated, hook):
    ui, drawn = annotated, annotated.annotationSelector.currentNode()

    propagateToEnd(ui)
    result = ui.annotationSelector.currentNode()
    first = ui.volumesTable.item(4, 2).text()
    assert ui.propagateStatusLabel.text == "Done: 6 frames."
    assert result is not drawn
    assert result.GetNumberOfDataNodes() == 6
    assert sourceOf(ui).browserNode.GetProxyNode(result) is not None
    assert ui.annotatedFramesList.count == 1
    correct(ui, result, 3)
    propagateToEnd(ui)

    assert ui.annotationSelector.currentNode() is result
    assert annotatedFrames(result) == [0, 3]
    np.testing.assert_array_equal(voxelsIn(ui, result, 0), hookMask(hook, 0))
    corrected = np.zeros_like(hookMask(hook, 0))
    corrected[CORRECTION] = True
    np.testing.assert_array_equal(voxelsIn(ui, result, 3), corrected)
    assert ui.volumesTable.item(4, 2).text() != first
    assert annotatedFrames(drawn) == [0]
    assert len(outputs()) == 2


def test_killed_propagation_says_so_and_leaves_the_annotation(annotated, workers):
    ui, drawn = annotated, annotated.annotationSelector.currentNode()
    ui.propagateButton.click()
    wait(lambda: workers[-1].process_id and "frame" in ui.propagateStatusLabel.text, "progress")

    os.kill(workers[-1].process_id, getattr(signal, "SIGKILL", signal.SIGTERM))
    wait(ended(ui), "the end")

    assert "killed" in ui.propagateStatusLabel.text
    assert ui.annotationSelector.currentNode() is drawn
    assert annotatedFrames(drawn) == [0]
    assert jobFolders() == set()


def test_closing_the_scene_ends_the_propagation(annotated, workers):
    annotated.propagateButton.click()

    slicer.mrmlScene.Clear(0)

    assert not workers[-1].running
    assert annotated.propagateStatusLabel.text == ""
    assert not annotated.cancelPropagationButton.enabled
    assert jobFolders() == set()


def test_worker_gets_the_annotation_and_whether_the_sequence_is_cyclic(fakeAnnotated, fakes, hook):
    fakeAnnotated.propagateButton.click()

    (worker,) = fakes
    annotations = worker.folder.annotations()
    assert (worker.module, worker.arguments) == (PROPAGATE, ("cyclic",))
    assert list(annotations) == [0]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(annotations[0]) == 1, hookMask(hook, 0))


def test_flagged_frames_are_offered_for_review(fakeAnnotated, fakes, hook):
    ui = fakeAnnotated

    fakePropagation(ui, fakes, hook, flagged=(2, 4))
    texts = [ui.flagsList.item(row).text() for row in range(ui.flagsList.count)]
    ui.nextToCheckButton.click()

    assert [text for text in texts if "it differs" in text] == [f"frame {n}: image: it differs" for n in (2, 4)]
    assert sourceOf(ui).shownFrame == 2
    assert not ui.exportDicomButton.enabled  # it would need the name of a model


def test_cancelled_propagation_offers_its_frames_and_changes_no_other(fakeAnnotated, fakes, hook):
    ui, before = fakeAnnotated, nodeIDs()
    ui.propagateButton.click()
    report(fakes[-1], hook, range(3))
    wait(lambda: ui.volumesTable.rowCount == 3, "three frames")

    ui.cancelPropagationButton.click()

    assert ui.propagateStatusLabel.text == "Cancelled."
    assert not fakes[-1].running
    assert unfinishedFramesAreOffered(ui)
    ui.discardButton.click()
    assert nodeIDs() == before


def test_result_is_not_replaced_where_the_user_draws_in_it_during_the_propagation(fakeAnnotated, fakes, hook):
    ui = fakeAnnotated
    result = fakePropagation(ui, fakes, hook)
    ui.propagateButton.click()

    correct(ui, result, 5)
    report(fakes[-1], hook, range(6))
    fakes[-1].reported.append(Done())
    wait(ended(ui), "the end of the propagation")

    assert "was edited meanwhile and stays as it is" in ui.propagateStatusLabel.text
    assert ui.annotationSelector.currentNode() is result
    assert annotatedFrames(result) == [0, 5]
    assert len(outputs()) == 3


def test_another_output_is_replaced_only_if_the_user_agrees(fakeAnnotated, fakes, hook, monkeypatch):
    ui, asked = fakeAnnotated, []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title: asked.append(text) or False)
    first = fakePropagation(ui, fakes, hook)
    ui.newAnnotationButton.click()
    draw(ui.annotationSelector.currentNode(), 1, {"Hook": hookMask(hook, 1)}, hook[0][1])
    ui.outputSelector.setCurrentNode(first)
    workers = len(fakes)

    ui.propagateButton.click()

    assert "6 frames" in asked[0]
    assert len(fakes) == workers


@pytest.mark.parametrize("agrees", [True, False])
def test_user_is_asked_before_an_annotation_that_is_propagated_again_loses_frames(
    fakeAnnotated, fakes, hook, monkeypatch, agrees
):
    ui, asked = fakeAnnotated, []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title: asked.append(text) or agrees)
    result, sequence = fakePropagation(ui, fakes, hook), ui.inputSelector.currentNode()
    lost = [sequence.GetNthIndexValue(number) for number in (4, 5)]
    for value in lost:
        sequence.RemoveDataNodeAtValue(value)
    workers = len(fakes)

    ui.propagateButton.click()

    question = f"The 6 frames of {result.GetName()} will be replaced when the run has finished."
    assert asked == [f"{question} This run does not make the frames at {', '.join(lost)}."]
    assert len(fakes) == workers + agrees


def test_user_is_asked_before_an_annotation_that_is_propagated_again_loses_marks(
    fakeAnnotated, fakes, hook, monkeypatch
):
    ui, asked = fakeAnnotated, []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title: asked.append(text) or False)
    result = fakePropagation(ui, fakes, hook)
    correct(ui, result, 1)
    reviewFrame(result, result.GetNthIndexValue(2), GOOD)

    ui.propagateButton.click()

    question = f"The 6 frames of {result.GetName()} will be replaced when the run has finished."
    assert asked == [f"{question} Your marks of good and bad frames will be removed."]
    assert len(fakes) == 1


def test_user_is_asked_before_an_annotation_that_is_propagated_again_gets_as_many_other_frames(
    fakeAnnotated, fakes, hook, monkeypatch
):
    ui, asked = fakeAnnotated, []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title: asked.append(text) or False)
    fakePropagation(ui, fakes, hook)
    sequence = ui.inputSelector.currentNode()
    lost = sequence.GetNthIndexValue(5)
    sequence.UpdateIndexValue(lost, "99999")

    ui.propagateButton.click()

    assert [f"This run does not make the frames at {lost}." in text for text in asked] == [True]


@pytest.mark.parametrize("learn", [True, False])
def test_propagated_frames_without_a_flag_are_taught_if_the_user_wants_it(fakeAnnotated, fakes, hook, learn):
    ui = fakeAnnotated
    fakePropagation(ui, fakes, hook, flagged=(2, 4))
    ui.annotatedFramesList.item(0).setCheckState(qt.Qt.CheckState.Checked)
    ui.teachNameLineEdit.text = f"From propagated {learn}"
    ui.learnFromPropagatedCheckBox.checked = learn

    ui.teachButton.click()

    trainingSet = TrainingSet.read(fakes[-1].folder.path)
    assert [frame.number for frame in trainingSet.frames] == ([0, 1, 3, 5] if learn else [0])
    assert {frame.mark for frame in trainingSet.frames} == {"whole"}
    assert trainingSet.drawn == [0]


def test_what_cannot_be_propagated_is_said_before(scene, fakePanel, hook):
    ui = fakePanel
    ui.teachCollapsibleButton.collapsed = False
    assert "Choose a sequence" in ui.propagateButton.toolTip
    ui.inputSelector.setCurrentNode(addSequence(scene, hook[0][:1], "One"))
    assert "one frame only" in ui.propagateButton.toolTip
    ui.inputSelector.setCurrentNode(addSequence(scene, hook[0], "Six"))
    ui.newAnnotationButton.click()

    assert "draw in a frame" in ui.propagateButton.toolTip
    assert not ui.propagateButton.enabled


def test_annotation_of_another_image_is_refused_before_a_worker_starts(fakeAnnotated, fakes):
    ui = fakeAnnotated
    segment = ui.annotationSelector.currentNode().GetNthDataNode(0).GetSegmentation().GetSegment("Hook")
    segment.GetRepresentation("Binary labelmap").SetOrigin(5000, 0, 0)

    ui.propagateButton.click()

    assert "lies beside the image" in ui.propagateStatusLabel.text
    assert fakes == []


def test_full_disk_is_told_and_leaves_no_folder(fakeAnnotated, fakes, monkeypatch):
    def isFull(*arguments):
        raise StorageError("the annotation of frame 0 cannot be written: is the disk full?")

    monkeypatch.setattr(JobFolder, "write_annotation", isFull)

    fakeAnnotated.propagateButton.click()

    assert "is the disk full?" in fakeAnnotated.propagateStatusLabel.text
    assert fakes == []
    assert jobFolders() == set()


def test_input_that_is_removed_ends_the_propagation(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.propagateButton.click()

    slicer.mrmlScene.RemoveNode(ui.inputSelector.currentNode())
    wait(ended(ui), "the end of the propagation")

    assert "the input 'Cine' was removed" in ui.propagateStatusLabel.text
    assert not fakes[-1].running


def test_failure_of_the_worker_is_shown(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.propagateButton.click()

    fakes[-1].reported.append(Failed("frame 4 differs in geometry"))
    wait(ended(ui), "the end of the propagation")

    assert ui.propagateStatusLabel.text == "frame 4 differs in geometry"
    assert ui.propagateButton.enabled
