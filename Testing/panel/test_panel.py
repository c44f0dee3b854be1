"""The panel used by clicking: what is preselected, what can be started, and what a run leaves."""

import os
import shutil
import signal
import sys

import pytest
import slicer
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.scene.inputs import resolveInput
from conftest import address_space, large_frame
from scene.conftest import addSequence, play

from panel.conftest import (
    choose,
    ended,
    jobFolders,
    modelsFolder,
    nodeIDs,
    outputs,
    runToEnd,
    unfinishedFramesAreOffered,
    wait,
)


def test_sequence_that_the_user_looks_at_is_preselected(sequence, widget):
    addSequence(slicer.mrmlScene, [], name="Empty", browser=False)

    assert widget.ui.inputSelector.currentNode() is sequence
    shown = [widget.ui.inputSelector.itemText(n) for n in range(widget.ui.inputSelector.count)]
    assert shown == ["Select a sequence or a volume", "Cine"]
    assert widget.ui.applyButton.enabled


def test_nothing_can_be_started_without_a_sequence_and_the_tooltip_says_so(widget):
    assert widget.ui.inputSelector.currentNode() is None
    assert not widget.ui.applyButton.enabled
    assert "choose a sequence" in widget.ui.applyButton.toolTip


def test_frames_appear_one_by_one_and_the_results_are_shown(sequence, widget):
    ui = widget.ui
    before, seen = jobFolders(), []
    resolveInput(sequence).browserNode.SetSelectedItemNumber(3)

    def done():
        for node in outputs():
            seen.append(node.GetNumberOfDataNodes())
        return not ui.cancelButton.enabled

    ui.applyButton.click()
    assert ui.cancelButton.enabled
    wait(done, "the end of the run")

    assert set(seen) == {1, 2, 3, 4, 5, 6}
    (output,) = outputs()
    assert [output.GetNthIndexValue(n) for n in range(6)] == [sequence.GetNthIndexValue(n) for n in range(6)]
    assert resolveInput(sequence).browserNode.GetSelectedItemNumber() == 3
    assert ui.statusLabel.text == "Done: 6 frames."
    assert (ui.progressBar.value, ui.progressBar.maximum) == (6, 6)
    assert not ui.unfinishedWidget.visible
    assert ui.volumesTable.rowCount == 6
    assert ui.volumesTable.horizontalHeaderItem(1).text() == "time [ms]"
    assert ui.volumesTable.item(1, 1).text() == sequence.GetNthIndexValue(1)
    assert "Inner" in ui.summaryLabel.text
    assert jobFolders() == before


def cancelInTheMiddle(widget):
    """Press Segment, and Cancel after two frames."""
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.volumesTable.rowCount >= 2, "two frames")
    widget.ui.cancelButton.click()
    assert not widget.ui.cancelButton.enabled
    assert unfinishedFramesAreOffered(widget.ui)
    assert widget.ui.statusLabel.text == "Cancelled."


def test_cancelled_run_can_keep_its_frames(sequence, widget):
    folders = jobFolders()
    cancelInTheMiddle(widget)
    assert jobFolders() == folders

    widget.ui.keepButton.click()

    (output,) = outputs()
    assert 2 <= output.GetNumberOfDataNodes() <= 6
    assert not unfinishedFramesAreOffered(widget.ui)


def test_cancelled_run_can_be_discarded_and_leaves_no_node(sequence, widget):
    before = nodeIDs()
    cancelInTheMiddle(widget)

    widget.ui.discardButton.click()

    assert nodeIDs() == before
    assert widget.ui.volumesTable.rowCount == 0


def test_existing_output_stays_until_the_run_has_finished(sequence, widget):
    ui = widget.ui
    choose(ui.framesComboBox, "current")
    runToEnd(widget)
    (old,) = outputs()
    assert old.GetNumberOfDataNodes() == 1
    ui.outputSelector.setCurrentNode(old)
    choose(ui.framesComboBox, "all")

    cancelInTheMiddle(widget)
    ui.discardButton.click()
    assert old.GetNumberOfDataNodes() == 1
    runToEnd(widget)

    assert outputs() == [old]
    assert old.GetNumberOfDataNodes() == 6
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def volumesOfInner(ui):
    """Return the volumes of the first segment, as the table shows them."""
    return [float(ui.volumesTable.item(row, 2).text()) for row in range(ui.volumesTable.rowCount)]


def test_only_the_range_of_frames_is_segmented_and_only_inside_the_region(sequence, widget):
    ui = widget.ui
    choose(ui.framesComboBox, "range")
    ui.firstFrameSpinBox.value, ui.lastFrameSpinBox.value, ui.frameStepSpinBox.value = 1, 5, 2
    runToEnd(widget)
    inWholeImage = volumesOfInner(ui)
    ui.createRoiButton.click()
    ui.roiSelector.currentNode().SetSize(30, 30, 30)

    runToEnd(widget)

    assert [ui.volumesTable.item(row, 0).text() for row in range(3)] == ["1", "3", "5"]
    assert volumesOfInner(ui) < inWholeImage


def test_region_made_by_one_click_encloses_the_whole_image(sequence, widget):
    runToEnd(widget)
    inWholeImage = volumesOfInner(widget.ui)

    widget.ui.createRoiButton.click()
    runToEnd(widget)

    assert len(inWholeImage) == 6
    assert volumesOfInner(widget.ui) == inWholeImage


def test_killed_worker_is_told_and_leaves_the_scene_as_it_was(sequence, workers, widget):
    before, folders = nodeIDs(), jobFolders()
    widget.ui.applyButton.click()
    wait(lambda: "tile" in widget.ui.statusLabel.text, "the first tile")

    os.kill(workers[-1].process_id, getattr(signal, "SIGKILL", signal.SIGTERM))
    wait(ended(widget), "the failure")

    assert "the worker" in widget.ui.statusLabel.text
    if unfinishedFramesAreOffered(widget.ui):
        widget.ui.discardButton.click()
    assert nodeIDs() == before
    assert jobFolders() == folders


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux alone")
def test_worker_out_of_memory_is_told_and_leaves_the_scene_as_it_was(scene, workers, widget):
    import resource

    frames = [Frame(large_frame(), str(n)) for n in range(3)]
    widget.ui.inputSelector.setCurrentNode(addSequence(scene, frames, name="Large"))
    before, folders = nodeIDs(), jobFolders()
    widget.ui.applyButton.click()
    wait(lambda: "running on" in widget.ui.logText.plainText, "the worker's start")
    process = workers[-1].process_id

    resource.prlimit(process, resource.RLIMIT_AS, (address_space(process),) * 2)
    wait(ended(widget), "the failure")

    assert "out of memory" in widget.ui.statusLabel.text
    assert "choose a smaller region" in widget.ui.statusLabel.text
    assert nodeIDs() == before
    assert jobFolders() == folders


def test_model_that_was_damaged_after_it_was_chosen_is_told_with_the_cause(sequence, widget):
    before = nodeIDs()
    weights = modelsFolder() / "small" / "weights.safetensors"
    content = weights.read_bytes()

    try:
        weights.write_bytes(content[: len(content) // 2])
        runToEnd(widget)
    finally:
        weights.write_bytes(content)

    assert "is not the file model.json was written for" in widget.ui.statusLabel.text
    assert nodeIDs() == before
    widget.ui.copyLogButton.click()
    assert "is not the file" in slicer.app.clipboard().text()


def test_second_run_waits_for_the_first(sequence, widget):
    widget.ui.applyButton.click()
    widget.ui.applyButton.click()
    wait(lambda: "1 more waiting" in widget.ui.statusLabel.text, "the queue")

    wait(lambda: len(outputs()) == 2 and not widget.ui.cancelButton.enabled, "both runs")

    assert [node.GetNumberOfDataNodes() for node in outputs()] == [6, 6]


def test_closing_the_scene_ends_the_run_and_leaves_nothing(sequence, workers, widget):
    folders = jobFolders()
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.volumesTable.rowCount >= 1, "a frame")

    slicer.mrmlScene.Clear(0)

    assert not workers[-1].running
    assert jobFolders() == folders
    assert not widget.ui.applyButton.enabled
    assert widget.ui.volumesTable.rowCount == 0


def test_reloading_the_module_ends_the_run(sequence, workers, widget):
    folders = jobFolders()
    widget.ui.applyButton.click()

    widget.cleanup()

    assert not workers[-1].running
    assert jobFolders() == folders


def test_moving_through_time_during_a_run_is_fine(sequence, widget):
    widget.ui.applyButton.click()
    browserNode = resolveInput(sequence).browserNode
    places = iter(range(10**6))

    def done():
        play(browserNode, next(places) % 6)
        return not widget.ui.cancelButton.enabled

    wait(done, "the end of the run")

    assert outputs()[0].GetNumberOfDataNodes() == 6


@pytest.fixture
def withoutInterpreter(monkeypatch, tmp_path):
    """A Slicer whose interpreter for worker processes is not where it was."""
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / "moved" / name))


def test_panel_without_an_interpreter_says_so_and_works_on(withoutInterpreter, sequence, widget):
    assert "The devices of this computer are not known" in widget.ui.statusLabel.text
    assert [widget.ui.deviceComboBox.itemData(n) for n in range(2)] == ["auto", "cpu"]

    widget.ui.applyButton.click()

    assert "The run cannot start" in widget.ui.statusLabel.text
    assert outputs() == []


def test_devices_of_this_computer_are_offered_once_they_are_known(sequence, widget):
    box = widget.ui.deviceComboBox

    wait(lambda: "cores" in box.itemText(box.count - 1), "the devices")

    assert box.itemData(0) == "auto"
    assert box.currentData == "cpu"  # as chosen before
