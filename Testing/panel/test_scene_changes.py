"""The user loads scenes and data, and removes nodes, while the panel is open; with a fake worker."""

import pytest
import slicer
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.worker.events import Done
from host import qt
from scene.conftest import addSequence
from scene.segmentations import finishedOutput, segmentedFrames

from panel.conftest import fakeRun, outputs, report, wait


@pytest.fixture
def ui(sequence, fakeWidget):
    """The widgets of the panel, with fake workers and the phantom as the input."""
    return fakeWidget.ui


def test_nodes_that_a_loaded_scene_has_chosen_are_shown_and_used(scene, sequence, ui, fakes, phantom, tmp_path):
    finishedOutput(sequence, phantom, [0]).publish().SetName("Mine")
    ui.outputSelector.setCurrentNode(outputs()[0])
    ui.createRoiButton.click()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert ui.inputSelector.currentNode() is None

    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))

    (mine,) = outputs()
    loaded = scene.GetFirstNodeByName("Cine")
    assert ui.inputSelector.currentNode() is loaded
    assert ui.outputSelector.currentNode() is mine
    ui.roiSelector.currentNode().SetSize(30, 40, 50)  # the size needs a storage node, which only the application adds
    ui.applyButton.click()
    assert fakes[-1].folder.settings().region.size == pytest.approx((30, 40, 50))
    ui.cancelButton.click()
    fakeRun(ui, fakes, segmentedFrames(loaded, phantom))
    assert outputs() == [mine]
    assert mine.GetNumberOfDataNodes() == 6


def test_run_goes_on_while_a_scene_is_added(scene, sequence, ui, fakes, phantom, tmp_path):
    other = slicer.vtkMRMLScene()
    other.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Other")
    assert other.WriteToMRB(str(tmp_path / "other.mrb"))
    ui.applyButton.click()

    assert scene.ReadFromMRB(str(tmp_path / "other.mrb"))
    report(fakes[-1], segmentedFrames(sequence, phantom))
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    assert ui.statusLabel.text.startswith("Done: 6 frames")
    assert ui.inputSelector.currentNode() is sequence


@pytest.mark.parametrize("neighbours", [0, 2])
def test_no_output_is_chosen_once_the_chosen_one_is_removed(sequence, ui, fakes, phantom, neighbours):
    for n in range(neighbours + 1):
        finishedOutput(sequence, phantom, [0]).publish().SetName(f"Output {n}")
    ui.outputSelector.setCurrentNode(outputs()[0])

    slicer.mrmlScene.RemoveNode(outputs()[0])

    assert ui.outputSelector.currentNode() is None
    left = outputs()
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    assert [node.GetNumberOfDataNodes() for node in left] == [1] * neighbours
    assert len(outputs()) == neighbours + 1


def test_no_other_input_region_or_annotation_is_chosen_once_the_chosen_one_is_removed(sequence, ui, phantom):
    addSequence(slicer.mrmlScene, phantom[0], "Other")
    for _ in range(2):
        ui.createRoiButton.click()
        ui.newAnnotationButton.enabled = True
        ui.newAnnotationButton.click()
    qt.application().processEvents()

    for selector in (ui.roiSelector, ui.annotationSelector, ui.inputSelector):
        slicer.mrmlScene.RemoveNode(selector.currentNode())
        assert selector.currentNode() is None
    qt.application().processEvents()

    assert ui.inputSelector.currentNode() is None
    assert not ui.applyButton.enabled


def test_sequence_that_is_loaded_while_the_module_is_open_is_preselected(scene, fakeWidget, phantom):
    first = addSequence(scene, phantom[0])

    wait(lambda: fakeWidget.ui.inputSelector.currentNode() is first, "the first sequence")
    addSequence(scene, phantom[0], "Second")
    qt.application().processEvents()

    assert fakeWidget.ui.inputSelector.currentNode() is first


def test_sequence_in_the_views_is_preselected_among_several(scene, fakeWidget, phantom):
    addSequence(scene, phantom[0], "First")
    shown = addSequence(scene, phantom[0], "Shown")
    selectionNode = slicer.app.applicationLogic().GetSelectionNode()
    selectionNode.SetActiveVolumeID(resolveInput(shown).proxyNode.GetID())

    wait(lambda: fakeWidget.ui.inputSelector.currentNode() is not None, "a sequence")

    assert fakeWidget.ui.inputSelector.currentNode() is shown


def test_click_that_cannot_work_is_told_in_the_panel(sequence, ui, fakes):
    sequence.GetNthDataNode(3).SetAndObserveImageData(None)

    ui.createRoiButton.click()
    assert "frame 3" in ui.statusLabel.text
    ui.statusLabel.text = ""
    ui.applyButton.click()

    assert "frame 3" in ui.statusLabel.text
    assert fakes == []


def test_fault_in_the_program_is_told_in_the_panel_and_printed(sequence, ui, monkeypatch):
    def roiAround(source):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("CLSTMSegmentLib.panel.segment_panel.roiAround", roiAround)

    ui.createRoiButton.click()

    assert "Unexpected error: division by zero" in ui.statusLabel.text
    assert [type(error) for error in qt.failures] == [ZeroDivisionError]
    qt.failures.clear()


def test_fault_in_the_program_ends_the_run(sequence, ui, fakes, monkeypatch):
    ui.applyButton.click()

    def poll():
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(fakes[-1], "poll", poll)
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    assert "Unexpected error: division by zero" in ui.statusLabel.text
    assert not fakes[-1].running
    assert len(qt.failures) == 1
    qt.failures.clear()
