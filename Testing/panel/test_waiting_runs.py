"""Runs that wait for another one, with fake workers: they start right after it or never."""

import pytest
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.worker.events import Done, Failed
from scene.segmentations import segmentedFrames

from panel.conftest import report, wait


@pytest.fixture
def ui(sequence, fakePanel):
    """The widgets of the panel; one run goes on, and another one waits."""
    fakePanel.inputSelector.setCurrentNode(sequence)
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
