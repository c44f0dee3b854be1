"""The panel used by clicking: what is preselected, what can be started, and what a run leaves."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import slicer
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom
from conftest import address_space, large_frame
from host import qt
from PySide6.QtCore import QEventLoop
from scene.conftest import addSequence, play

from CLSTMSegment import CLSTMSegmentLogic
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
    assert shown == ["Select a sequence of volumes", "Cine"]
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


@pytest.mark.parametrize(
    ("widgetName", "attribute", "value", "message"),
    [
        ("tileLineEdit", "text", "32,x", "give three whole numbers"),
        ("firstFrameSpinBox", "value", 5, "the range of frames is empty"),
        ("lastFrameSpinBox", "value", 6, "frames 0 to 5"),
    ],
)
def test_setting_that_makes_no_sense_is_told_before_a_run_can_start(
    sequence, widget, widgetName, attribute, value, message
):
    ui = widget.ui
    choose(ui.framesComboBox, "range")
    ui.lastFrameSpinBox.value = 2
    assert ui.applyButton.enabled

    setattr(getattr(ui, widgetName), attribute, value)

    assert not ui.applyButton.enabled
    assert message in ui.applyButton.toolTip


def test_numbers_stay_within_their_bounds(sequence, widget):
    ui = widget.ui
    for box, least, most in (
        (ui.firstFrameSpinBox, 0, 99999),
        (ui.frameStepSpinBox, 1, 9999),
        (ui.overlapSpinBox, 0.0, 0.9),
        (ui.ramSpinBox, 0.0, 9999.0),
        (ui.warmUpFramesSpinBox, -1, 99),
    ):
        assert (box.minimum, box.maximum) == (least, most)
    assert ui.warmUpFramesSpinBox.text == "as the model says"
    assert ui.ramSpinBox.text == "no limit"


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


def test_settings_are_saved_with_the_scene(sequence, widget, tmp_path):
    ui = widget.ui
    choose(ui.framesComboBox, "range")
    ui.lastFrameSpinBox.value = 4
    ui.overlapSpinBox.value = 0.5
    ui.tileLineEdit.text = "16,64,64"
    ui.ramSpinBox.value = 2.5
    choose(ui.stateComboBox, "window")
    ui.windowSpinBox.value = 7
    ui.warmUpFramesSpinBox.value = 3
    ui.ejectingChamberCheckBox.checked = True

    saveAndReload(slicer.mrmlScene, tmp_path, ui)
    widget.useParameterNode()

    assert ui.framesComboBox.currentData == "range"
    assert (ui.lastFrameSpinBox.value, ui.overlapSpinBox.value, ui.tileLineEdit.text) == (4, 0.5, "16,64,64")
    assert ui.ramSpinBox.value == 2.5
    assert (ui.stateComboBox.currentData, ui.windowSpinBox.value, ui.warmUpFramesSpinBox.value) == ("window", 7, 3)
    assert ui.ejectingChamberCheckBox.checked


def saveAndReload(scene, folder, ui):
    """Save the scene, close it, and load it again."""
    scene.SetRootDirectory(str(folder))
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()
    text = (folder / "scene.mrml").read_text(encoding="utf-8")
    scene.Clear(0)
    assert ui.tileLineEdit.text == ""
    scene.SetLoadFromXMLString(1)
    scene.SetSceneXMLString(text)
    scene.Import()


@pytest.mark.parametrize(
    ("time", "prime", "shown"),
    [("window", "3", ("window", 3)), ("", "-1", ("", -1)), ("reset", "nonsense", ("reset", -1))],
)
def test_settings_of_scenes_of_version_0_1_are_read_under_their_earlier_names(scene, widget, time, prime, shown):
    node = CLSTMSegmentLogic().getParameterNode()
    node.SetParameter("time", time)
    node.SetParameter("prime", prime)

    widget.useParameterNode()

    assert (widget.ui.stateComboBox.currentData, widget.ui.warmUpFramesSpinBox.value) == shown
    assert not {"time", "prime"} & set(node.GetParameterNames())


def test_moving_through_time_during_a_run_is_fine(sequence, widget):
    widget.ui.applyButton.click()
    browserNode = resolveInput(sequence).browserNode
    places = iter(range(10**6))

    def done():
        play(browserNode, next(places) % 6)
        return not widget.ui.cancelButton.enabled

    wait(done, "the end of the run")

    assert outputs()[0].GetNumberOfDataNodes() == 6


def test_devices_of_this_computer_are_offered_once_they_are_known(sequence, widget):
    box = widget.ui.deviceComboBox

    wait(lambda: "cores" in box.itemText(box.count - 1), "the devices")

    assert box.itemData(0) == "auto"
    assert box.currentData == "cpu"  # as chosen before


def test_panel_never_stands_still_during_a_run_on_the_demo(widget):
    """The longest gap between ticks of a 10 ms timer; the bound is generous for a busy machine."""
    sequenceNode = addHeartPhantom(slicer.mrmlScene, seed=4, frames=6)
    widget.ui.inputSelector.setCurrentNode(sequenceNode)
    ticks = []
    timer = qt.QTimer()
    timer.interval = 10
    timer.connect("timeout()", lambda: ticks.append(time.perf_counter()))
    timer.start()

    widget.ui.applyButton.click()
    while widget.ui.cancelButton.enabled:
        qt.application().processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    timer.stop()

    gap = max(after - before for before, after in pairwise(ticks))
    print(f"longest gap between ticks of a 10 ms timer: {1000 * gap:.0f} ms")
    assert gap < 0.5


def test_describing_models_and_writing_results_does_not_import_torch():
    """Importing torch takes seconds, in which the panel would stand still."""
    code = (
        "import sys; import CLSTMSegmentLib.scene.outputs, CLSTMSegmentLib.worker.worker_process\n"
        "import CLSTMSegmentLib.worker.job_folder, CLSTMSegmentLib.teaching.training_set\n"
        "from CLSTMSegmentLib.model.bundle import bundled_models, load_model\n"
        "assert [load_model(name) for name in bundled_models()]\n"
        "assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
