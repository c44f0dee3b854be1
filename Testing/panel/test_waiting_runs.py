"""Runs that wait for another one, with fake workers: they start right after it or never."""

import pytest
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.worker.events import Done, Failed
from scene.segmentations import finishedOutput, segmentedFrames

from panel.conftest import outputs, report, wait


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
