"""Tables of results that are not as the run left them: frames were removed, copies made, other browsers added."""

from dataclasses import replace

import pytest
import slicer
import vtk
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.made_frames import frameContent
from host import qt
from scene.conftest import addSequence, play, secondBrowser
from scene.segmentations import finishedOutput, segmentedFrames
from scene.test_edited_frames import CORRECTION, edit

from panel.conftest import fakeRun, outputs, wait
from panel.test_edited_results import EDITED_ML, correct, innerVolumes


def saveAndLoad(scene, folder):
    """Save a scene, close it, and load it again."""
    assert scene.WriteToMRB(str(folder / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(folder / "scene.mrb"))


def copyOf(scene, resultNode):
    """Return a copy of a result as the user makes one for safety."""
    copy = slicer.vtkMRMLSequenceNode()
    copy.Copy(resultNode)
    copy.SetName("Backup")
    return scene.AddNode(copy)


@pytest.mark.parametrize("removedFrom", ["result", "input"])
def test_table_follows_after_a_frame_was_removed_and_the_scene_was_loaded(
    scene, sequence, fakeWidget, phantom, tmp_path, removedFrom
):
    sequence.UpdateIndexValue(sequence.GetNthIndexValue(5), "533.3333333333334")  # tables are saved with fewer digits
    resultNode = finishedOutput(sequence, phantom).publish()
    before = innerVolumes(resultNode)
    (resultNode if removedFrom == "result" else sequence).RemoveDataNodeAtValue(sequence.GetNthIndexValue(3))
    saveAndLoad(scene, tmp_path)
    loaded, cine = outputs()[0], scene.GetFirstNodeByName("Cine")

    correct(cine, loaded, 1, phantom)
    correct(cine, loaded, cine.GetNumberOfDataNodes() - 1, phantom)
    wait(lambda: innerVolumes(loaded).count(EDITED_ML) == 2, "the new volumes")

    rows = innerVolumes(loaded)
    assert rows[1] == rows[5] == EDITED_ML
    assert [rows[n] for n in (0, 2, 3, 4)] == pytest.approx([before[n] for n in (0, 2, 3, 4)], abs=1e-3)


@pytest.mark.parametrize("removed", [True, False], ids=["a row is removed", "the rows are sorted"])
def test_table_whose_rows_the_user_has_removed_or_sorted_follows_after_the_scene_was_loaded(
    scene, sequence, fakeWidget, phantom, tmp_path, removed
):
    sequence.UpdateIndexValue(sequence.GetNthIndexValue(5), "533.3333333333334")
    resultNode = finishedOutput(sequence, phantom).publish()
    before = innerVolumes(resultNode)
    table = resultNode.GetNodeReference("CLSTMSegment.volumesTable").GetTable()
    if removed:
        table.RemoveRow(2)
    else:
        columns = range(table.GetNumberOfColumns())
        for n in columns:
            values = [vtk.vtkVariant(table.GetValue(row, n)) for row in range(6)]
            for row in range(6):
                table.SetValue(row, n, values[5 - row])
    saveAndLoad(scene, tmp_path)

    correct(scene.GetFirstNodeByName("Cine"), outputs()[0], 4, phantom)
    wait(lambda: EDITED_ML in innerVolumes(outputs()[0]), "the new volume")

    expected = [*before[:4], 14.4, before[5]]
    frames = [0, 1, 3, 4, 5] if removed else range(6)
    assert innerVolumes(outputs()[0]) == [pytest.approx(expected[n], abs=1e-3) for n in frames]


def test_table_of_a_loaded_result_follows_whatever_else_leads_its_browser(scene, fakeWidget, phantom, tmp_path):
    transforms = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Motion")
    cine = addSequence(scene, phantom[0], browser=False)
    for number in range(6):
        transforms.SetDataNodeAtValue(slicer.vtkMRMLLinearTransformNode(), cine.GetNthIndexValue(number))
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browserNode.SetAndObserveMasterSequenceNodeID(transforms.GetID())
    browserNode.AddSynchronizedSequenceNode(cine)
    play(browserNode)
    finishedOutput(cine, phantom).publish()
    saveAndLoad(scene, tmp_path)
    (loaded,) = outputs()

    correct(scene.GetFirstNodeByName("Cine"), loaded, 2, phantom)

    wait(lambda: innerVolumes(loaded)[2] == EDITED_ML, "the new volume")


def test_frame_that_was_corrected_before_the_module_was_opened_is_measured(scene, sequence, phantom, request):
    resultNode = finishedOutput(sequence, phantom).publish()
    correct(sequence, resultNode, 2, phantom)

    request.getfixturevalue("fakeWidget")

    wait(lambda: innerVolumes(resultNode)[2] == EDITED_ML, "the new volume")


def test_frame_that_is_corrected_in_another_browser_is_measured(scene, sequence, fakeWidget, fakes, phantom):
    fakeRun(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom))
    (resultNode,) = outputs()
    other = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    other.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    other.AddSynchronizedSequenceNode(resultNode)
    other.SetSaveChanges(resultNode, True)
    play(other, 4)

    edit(other.GetProxyNode(resultNode), "inner", phantom[0][4].image, CORRECTION)

    wait(lambda: innerVolumes(resultNode)[4] == EDITED_ML, "the new volume")


def test_what_is_drawn_in_a_browser_that_saves_no_changes_is_kept_when_surfaces_are_made(
    scene, sequence, fakeWidget, fakes, phantom
):
    fakeRun(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom))
    (resultNode,) = outputs()
    other = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    other.SetAndObserveMasterSequenceNodeID(resultNode.GetID())
    play(other, 4)
    edit(other.GetProxyNode(resultNode), "inner", phantom[0][4].image, CORRECTION)

    fakeWidget.ui.show3DButton.click()

    wait(lambda: innerVolumes(resultNode)[4] == EDITED_ML, "the new volume")
    assert frameContent(other.GetProxyNode(resultNode)) == frameContent(resultNode.GetNthDataNode(4))


def test_drawing_in_a_browser_that_saves_no_changes_is_in_the_file(sequence, fakeWidget, fakes, phantom, tmp_path):
    fakeRun(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom))
    edit(secondBrowser(sequence, outputs()[0], 5), "inner", phantom[0][5].image, CORRECTION)

    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    fakeWidget.ui.exportButton.click()

    assert ",14.400," in (tmp_path / "volumes.csv").read_text(encoding="utf-8").splitlines()[-1]


def test_stored_frame_that_a_script_edits_is_measured_for_the_file(sequence, fakeWidget, fakes, phantom, tmp_path):
    ui = fakeWidget.ui
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    edit(outputs()[0].GetNthDataNode(5), "inner", phantom[0][5].image, CORRECTION)

    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    ui.exportButton.click()

    assert ",14.400," in (tmp_path / "volumes.csv").read_text(encoding="utf-8").splitlines()[-1]
    assert innerVolumes(outputs()[0])[5] == EDITED_ML
    assert ui.volumesTable.item(5, 2).text() == "14.4"


def test_frame_that_cannot_be_measured_does_not_keep_others_from_it(sequence, fakeWidget, fakes, phantom):
    fakeRun(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom))
    (resultNode,) = outputs()
    browserNode = resolveInput(sequence).browserNode
    browserNode.GetProxyNode(resultNode).GetSegmentation().GetSegment("outer").SetName("Inner")

    correct(sequence, resultNode, 3, phantom)

    wait(lambda: innerVolumes(resultNode)[3] == EDITED_ML, "the new volume")
    assert "frame 0 (0): two of its segments have the same name 'Inner'" in fakeWidget.ui.statusLabel.text


def test_run_into_a_copy_of_a_result_leaves_the_table_of_the_result_alone(scene, sequence, fakeWidget, fakes, phantom):
    ui = fakeWidget.ui
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    (resultNode,) = outputs()
    before, copy = innerVolumes(resultNode), copyOf(scene, resultNode)

    ui.outputSelector.setCurrentNode(copy)
    fakeRun(ui, fakes, [replace(frame, labels=frame.labels * 0) for frame in segmentedFrames(sequence, phantom)])

    assert innerVolumes(resultNode) == before
    assert innerVolumes(copy) == [0] * 6


@pytest.mark.parametrize("ofCopy", [True, False])
def test_table_of_an_older_version_is_that_of_the_result_and_not_that_of_its_copies(
    scene, sequence, fakeWidget, fakes, phantom, tmp_path, ofCopy
):
    resultNode = finishedOutput(sequence, phantom).publish()
    resultNode.GetNodeReference("CLSTMSegment.volumesTable").RemoveNodeReferenceIDs("CLSTMSegment.result")
    resultNode.SetName("Result")
    copyOf(scene, resultNode)
    saveAndLoad(scene, tmp_path)
    resultNode, copy = scene.GetFirstNodeByName("Result"), scene.GetFirstNodeByName("Backup")
    cine, before = scene.GetFirstNodeByName("Cine"), innerVolumes(resultNode)

    fakeWidget.ui.inputSelector.setCurrentNode(cine)
    fakeWidget.ui.outputSelector.setCurrentNode(copy if ofCopy else resultNode)
    fakeRun(fakeWidget.ui, fakes, [replace(frame, labels=frame.labels * 0) for frame in segmentedFrames(cine, phantom)])

    assert innerVolumes(resultNode) == (before if ofCopy else [0] * 6)
    assert innerVolumes(copy) == [0] * 6


def test_correction_of_a_copy_leaves_the_table_of_a_loaded_result_alone(scene, sequence, fakeWidget, phantom, tmp_path):
    copy = copyOf(scene, finishedOutput(sequence, phantom).publish())
    browserNode = resolveInput(sequence).browserNode
    browserNode.AddSynchronizedSequenceNode(copy)
    browserNode.SetSaveChanges(copy, True)
    play(browserNode)
    saveAndLoad(scene, tmp_path)
    cine, copy = scene.GetFirstNodeByName("Cine"), scene.GetFirstNodeByName("Backup")
    (loaded,) = (node for node in outputs() if node is not copy)
    before = innerVolumes(loaded)

    correct(cine, copy, 0, phantom)
    correct(cine, loaded, 3, phantom)
    wait(lambda: innerVolumes(loaded)[3] == EDITED_ML, "the new volume")

    assert innerVolumes(loaded)[:3] == pytest.approx(before[:3])


@pytest.mark.parametrize("text", ["{", "5", "[1, 2]", '[""]'])
def test_table_with_a_damaged_attribute_does_not_keep_the_module_from_opening(sequence, phantom, request, text):
    resultNode = finishedOutput(sequence, phantom).publish()
    tableNode = resultNode.GetNodeReference("CLSTMSegment.volumesTable")
    tableNode.SetAttribute("CLSTMSegment.segments", text)
    tableNode.SetAttribute("CLSTMSegment.indexValues", text)

    ui = request.getfixturevalue("fakeWidget").ui
    ui.inputSelector.setCurrentNode(sequence)

    assert ui.applyButton.enabled


def test_drawing_between_two_frames_is_said_not_to_be_kept(scene, fakeWidget, fakes, phantom):
    cine = addSequence(scene, phantom[0], browser=False)
    finer = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "ECG")
    values = [float(cine.GetNthIndexValue(number)) for number in range(6)]
    for value in [*values, (values[0] + values[1]) / 2]:
        finer.SetDataNodeAtValue(slicer.vtkMRMLTextNode(), f"{value:g}")
    browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browserNode.SetAndObserveMasterSequenceNodeID(finer.GetID())
    browserNode.AddSynchronizedSequenceNode(cine)
    play(browserNode)
    ui = fakeWidget.ui
    ui.inputSelector.setCurrentNode(cine)
    fakeRun(ui, fakes, segmentedFrames(cine, phantom))
    play(browserNode, 1)
    assert "between" not in ui.statusLabel.text

    browserNode.GetProxyNode(outputs()[0]).GetSegmentation().AddEmptySegment("inner", "Inner")

    assert "The browser is between two frames of Cine: what you draw here is not kept." in ui.statusLabel.text


def test_result_that_a_script_adds_while_the_panel_is_open_is_followed(sequence, fakeWidget, phantom):
    resultNode = finishedOutput(sequence, phantom).publish()
    slicer.app.processEvents()

    correct(sequence, resultNode, 0, phantom)

    wait(lambda: innerVolumes(resultNode)[0] == EDITED_ML, "the new volume")
