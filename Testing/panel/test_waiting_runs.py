"""Runs that wait for another one, with fake workers: they start right after it or never."""

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.panel.run_requests import PropagationRequest
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.worker.events import Done, Failed
from scene.conftest import play
from scene.segmentations import finishedOutput, segmentedFrames
from scene.test_annotations import draw

from panel.conftest import choose, outputs, report, wait
from panel.test_propagating import fakeAnnotated, hook, hookMask  # noqa: F401
from panel.test_propagating import report as reportPropagated


@pytest.fixture
def ui(sequence, phantom, fakePanel):
    """The widgets of the panel; one run goes on into an output, and another one into it waits."""
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakePanel.outputSelector.setCurrentNode(finishedOutput(sequence, phantom, [0]).publish())
    fakePanel.applyButton.click()
    fakePanel.applyButton.click()
    return fakePanel


def test_run_that_waited_for_a_failed_one_never_starts_and_the_user_is_told(sequence, ui, fakes, phantom):
    fakes[0].reported.append(Failed("the disk is full"))
    wait(lambda: not ui.cancelButton.enabled, "the failure")
    assert ui.statusLabel.text == "the disk is full\nRuns that waited for it are not started: 1. Start them again."

    ui.applyButton.click()
    report(fakes[-1], segmentedFrames(sequence, phantom))
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: ui.statusLabel.text.startswith("Done"), "the end of the next run")

    assert len(fakes) == 2


def test_run_that_waited_replaces_what_the_run_before_it_has_left(sequence, ui, fakes, phantom):
    (outputNode,) = outputs()

    for run in range(2):
        report(fakes[run], segmentedFrames(sequence, phantom))
        fakes[run].reported.append(Done(report=RunReport("cpu")))
        wait(lambda run=run: not fakes[run].running, "the end of a run")

    assert ui.statusLabel.text.startswith("Done")
    assert outputs() == [outputNode]


def removeFrame(sequence, number):
    sequence.RemoveDataNodeAtValue(sequence.GetNthIndexValue(number))


@pytest.fixture
def waiting(sequence, phantom, fakePanel, fakes):
    """The widgets of the panel; one run goes on, and a run of frame 3 waits, which is the current one."""
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakePanel.applyButton.click()
    wait(lambda: fakes[0].folder.has_frame(5), "all frames")
    play(resolveInput(sequence).browserNode, 3)
    choose(fakePanel.framesComboBox, "current")
    fakePanel.applyButton.click()
    return fakePanel


def test_run_of_the_current_frame_that_waited_segments_it_though_frames_were_removed(sequence, waiting, fakes, phantom):
    frames = segmentedFrames(sequence, phantom)
    removeFrame(sequence, 1)
    removeFrame(sequence, 0)

    report(fakes[0], frames)
    fakes[0].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: len(fakes) == 2, "the next run")

    settings = fakes[1].folder.settings()
    assert [fakes[1].folder.index_values()[n] for n in settings.frame_numbers(4)] == [frames[3].index_value]


def test_run_that_waited_says_that_its_frame_is_gone(sequence, waiting, fakes, phantom):
    frames = segmentedFrames(sequence, phantom)
    removeFrame(sequence, 3)

    report(fakes[0], frames)
    fakes[0].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not fakes[0].running, "the end of the first run")

    text = f"frame 3 ({frames[3].index_value}) was removed from Cine while the run waited: choose other frames"
    assert text in waiting.statusLabel.text
    assert len(fakes) == 1


def test_run_of_a_range_that_waited_segments_the_frames_that_were_chosen(sequence, fakePanel, fakes, phantom):
    ui, frames = fakePanel, segmentedFrames(sequence, phantom)
    ui.inputSelector.setCurrentNode(sequence)
    ui.applyButton.click()
    wait(lambda: fakes[0].folder.has_frame(5), "all frames")
    choose(ui.framesComboBox, "range")
    ui.firstFrameSpinBox.value, ui.lastFrameSpinBox.value = 3, 5
    ui.applyButton.click()
    removeFrame(sequence, 1)

    report(fakes[0], frames)
    fakes[0].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: len(fakes) == 2, "the next run")

    assert fakes[1].folder.settings().frames == "2,3,4"


@pytest.mark.parametrize("removed", [1, 4])
def test_propagation_that_waited_begins_with_the_frames_that_were_drawn_or_says_which_is_gone(
    fakeAnnotated,  # noqa: F811
    fakes,
    hook,  # noqa: F811
    removed,
):
    ui, cine = fakeAnnotated, fakeAnnotated.inputSelector.currentNode()
    draw(ui.annotationSelector.currentNode(), 4, {"Hook": hookMask(hook, 4)}, hook[0][4])
    for _ in range(2):
        ui.propagateButton.click()
    wait(lambda: fakes[0].folder.has_frame(5), "all frames")
    removeFrame(cine, removed)

    reportPropagated(fakes[0], hook, range(6))
    fakes[0].reported.append(Done())
    wait(lambda: not fakes[0].running, "the end of the first run")

    if removed == 4:
        assert len(fakes) == 1
        assert f"frame 4 ({hook[0][4].index_value}) was removed from Cine" in ui.propagateStatusLabel.text
    else:
        assert sorted(fakes[1].folder.annotations()) == [0, 3]


def test_propagation_that_waited_says_that_an_annotated_frame_was_moved(fakeAnnotated):  # noqa: F811
    ui = fakeAnnotated
    source, annotationNode = resolveInput(ui.inputSelector.currentNode()), ui.annotationSelector.currentNode()
    request = PropagationRequest.read(source, annotationNode, cyclic=False, outputNode=None)
    for number in range(source.sequenceNode.GetNumberOfDataNodes()):
        source.sequenceNode.GetNthDataNode(number).SetOrigin(300, 0, 0)

    with pytest.raises(InputError, match="frame 0"):
        request.atStart()
