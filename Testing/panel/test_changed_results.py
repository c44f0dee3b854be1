"""Results that the user, a script or a file has changed since they were made: their tables follow the frames."""

import json
from dataclasses import replace

import pytest
import slicer
import vtk
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.frame_reviews import frameReviews, reviewFrame
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.outputs import SegmentationOutput
from CLSTMSegmentLib.worker.events import Done
from host import qt
from scene.conftest import addSequence, play
from scene.segmentations import MODEL, finishedOutput, segmentedFrames
from scene.test_edited_frames import CORRECTION, edit

from panel.conftest import fakeRun, outputs, report, wait
from panel.test_edited_results import EDITED_ML, correct, innerVolumes
from panel.test_followed_results import saveAndLoad

TUMORS = (("inner", "Tumor #1"), ("outer", "Tumor #2"))


def withSegments(*segments):
    return replace(MODEL, segments=tuple(Segment(ID, name, (1.0, 0.0, 0.0)) for ID, name in segments))


def outputOf(sequence, phantom, model=MODEL, numbers=range(6)):
    output = SegmentationOutput(model, resolveInput(sequence))
    for frame in segmentedFrames(sequence, phantom, numbers):
        output.add(frame)
    return output


def tableOf(resultNode):
    return resultNode.GetNodeReference("CLSTMSegment.volumesTable")


def texts(resultNode, name):
    column = tableOf(resultNode).GetTable().GetColumnByName(name)
    return [column.GetVariantValue(row).ToString() for row in range(column.GetNumberOfTuples())]


def addNotes(resultNode, notes, name="notes"):
    column = vtk.vtkStringArray()
    column.SetName(name)
    for note in notes:
        column.InsertNextValue(note)
    tableOf(resultNode).AddColumn(column)


def asInOlderVersion(resultNode, names):
    """Name the columns of a table as the segments are called, as earlier versions of this extension did."""
    tableNode = tableOf(resultNode)
    for n, name in enumerate(names, 1):
        tableNode.RenameColumn(n, name)
        tableNode.SetColumnUnitLabel(name, "ml")
    tableNode.SetAttribute("CLSTMSegment.columns", json.dumps(["time", *names]))
    tableNode.RemoveAttribute("CLSTMSegment.segmentNames")


@pytest.mark.parametrize("isOlder", [False, True], ids=["this version", "an older version"])
def test_result_whose_segments_have_a_number_sign_follows_after_the_scene_was_loaded(
    scene, sequence, fakeWidget, phantom, tmp_path, isOlder
):
    resultNode = outputOf(sequence, phantom, withSegments(*TUMORS)).publish()
    before = innerVolumes(resultNode, "Tumor no. 2")
    if isOlder:
        asInOlderVersion(resultNode, [name for _id, name in TUMORS])
    saveAndLoad(scene, tmp_path)
    (loaded,) = outputs()

    correct(scene.GetFirstNodeByName("Cine"), loaded, 2, phantom)

    wait(lambda: innerVolumes(loaded, "Tumor no. 1")[2] == EDITED_ML, "the new volume")
    assert [tableOf(loaded).GetColumnName(n) for n in range(3)] == ["time", "Tumor no. 1", "Tumor no. 2"]
    assert tableOf(loaded).GetNumberOfColumns() == 3
    assert innerVolumes(loaded, "Tumor no. 2")[3:] == pytest.approx(before[3:], abs=1e-3)


@pytest.mark.parametrize("note", ["two\nlines", 'a "quoted" word', "#", "a\ttab"])
def test_result_with_such_a_note_in_its_table_follows_after_the_scene_was_loaded(
    scene, sequence, fakeWidget, phantom, tmp_path, note
):
    resultNode = finishedOutput(sequence, phantom).publish()
    before = innerVolumes(resultNode)
    addNotes(resultNode, ["n0", note, "n2", "n3", "n4", "n5"])
    saveAndLoad(scene, tmp_path)
    (loaded,) = outputs()

    correct(scene.GetFirstNodeByName("Cine"), loaded, 4, phantom)

    wait(lambda: len(innerVolumes(loaded)) > 4 and innerVolumes(loaded)[4] == EDITED_ML, "the new volume")
    expected = [*before[:4], 14.4, before[5]]
    assert innerVolumes(loaded) == pytest.approx(expected, abs=1e-3)
    notes = texts(loaded, "notes")
    assert [notes[n] for n in (0, 2, 3, 4, 5)] == ["n0", "n2", "n3", "n4", "n5"]


def toSeconds(*sequences):
    """Give index values in s to sequences that have them in ms, as the user does in the Sequences module."""
    for node in sequences:
        node.SetIndexUnit("s")
        for value in [node.GetNthIndexValue(n) for n in range(node.GetNumberOfDataNodes())]:
            node.UpdateIndexValue(value, f"{float(value) / 1000:.6f}")


def test_table_file_marks_and_notes_follow_index_values_that_the_user_changes(
    sequence, fakeWidget, fakes, phantom, tmp_path
):
    ui = fakeWidget.ui
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    (resultNode,) = outputs()
    addNotes(resultNode, [f"n{n}" for n in range(6)])
    play(resolveInput(sequence).browserNode, 3)
    ui.badButton.click()
    ui.plotButton.click()

    toSeconds(sequence, resultNode)
    correct(sequence, resultNode, 2, phantom)
    wait(lambda: innerVolumes(resultNode)[2] == EDITED_ML, "the new volume")
    play(resolveInput(sequence).browserNode, 1)
    ui.goodButton.click()
    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    ui.exportButton.click()

    lines = (tmp_path / "volumes.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("frame,time [s],")
    assert lines[3].startswith(f"2,{sequence.GetNthIndexValue(2)},14.400,")
    assert tableOf(resultNode).GetColumnUnitLabel("time") == "s"
    assert texts(resultNode, "notes") == [f"n{n}" for n in range(6)]
    marks = {sequence.GetNthIndexValue(3): "bad", sequence.GetNthIndexValue(1): "good"}
    assert json.loads(resultNode.GetAttribute("CLSTMSegment.reviews")) == marks
    assert ui.volumesTable.item(2, 1).text() == sequence.GetNthIndexValue(2)
    assert tableOf(resultNode).GetNodeReference("CLSTMSegment.volumesChart").GetXAxisTitle() == "time [s]"


def test_frame_of_a_result_that_got_another_index_value_is_measured(sequence, fakeWidget, fakes, phantom):
    fakeRun(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom))
    (resultNode,) = outputs()
    resultNode.UpdateIndexValue(resultNode.GetNthIndexValue(2), "270")

    edit(resultNode.GetNthDataNode(2), "inner", phantom[0][2].image, CORRECTION)
    fakeWidget.ui.plotButton.click()

    assert innerVolumes(resultNode)[2] == EDITED_ML
    assert texts(resultNode, "time")[2] == "270"


def test_index_values_that_were_changed_before_the_scene_was_saved_are_followed(
    scene, sequence, fakeWidget, phantom, tmp_path
):
    output = finishedOutput(sequence, phantom)
    resultNode = output.publish()
    addNotes(resultNode, [f"n{n}" for n in range(6)])
    toSeconds(sequence, resultNode)
    saveAndLoad(scene, tmp_path)
    (loaded,) = outputs()

    correct(scene.GetFirstNodeByName("Cine"), loaded, 2, phantom)

    wait(lambda: innerVolumes(loaded)[2] == EDITED_ML, "the new volume")
    assert texts(loaded, "time")[1] == "0.133333"
    assert texts(loaded, "notes") == [f"n{n}" for n in range(6)]
    assert innerVolumes(loaded)[4] == pytest.approx(output.curve.volumes(0)[4])


@pytest.mark.parametrize(("before", "after"), [(range(6), (0, 1)), ((0, 1), range(6))], ids=["fewer", "more"])
def test_result_that_a_script_replaces_by_one_with_other_frames_is_read_anew(
    sequence, fakeWidget, phantom, before, after
):
    resultNode = outputOf(sequence, phantom, numbers=before).publish()
    slicer.app.processEvents()

    outputOf(sequence, phantom, numbers=after).publish(resultNode)
    correct(sequence, resultNode, after[-1], phantom)

    wait(lambda: EDITED_ML in innerVolumes(resultNode), "the new volume")
    assert len(innerVolumes(resultNode)) == len(after)
    assert innerVolumes(resultNode)[-1] == EDITED_ML


def test_result_that_a_script_replaces_by_one_of_another_model_is_read_anew(sequence, fakeWidget, fakes, phantom):
    ui = fakeWidget.ui
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    (resultNode,) = outputs()
    other = withSegments(("lv", "LV cavity"), ("rv", "RV cavity"))

    outputOf(sequence, phantom, other, (0, 1)).publish(resultNode)
    play(resolveInput(sequence).browserNode, 1)
    shown = resolveInput(sequence).browserNode.GetProxyNode(resultNode)
    edit(shown, "lv", phantom[0][1].image, CORRECTION)
    wait(lambda: innerVolumes(resultNode, "LV cavity")[1] == EDITED_ML, "the new volume")

    assert [tableOf(resultNode).GetColumnName(n) for n in range(3)] == ["time", "LV cavity", "RV cavity"]
    assert ui.volumesTable.rowCount == 2
    assert ui.volumesTable.item(1, 2).text() == "14.4"


def test_correction_during_a_run_of_a_script_stays_in_the_table(sequence, fakeWidget, phantom):
    output = outputOf(sequence, phantom, numbers=(0, 1))
    resultNode = output.publish()
    slicer.app.processEvents()
    correct(sequence, resultNode, 1, phantom)
    wait(lambda: innerVolumes(resultNode)[1] == EDITED_ML, "the new volume")

    for frame in segmentedFrames(sequence, phantom, range(2, 6)):
        output.add(frame)
    correct(sequence, resultNode, 5, phantom)

    wait(lambda: innerVolumes(resultNode)[5] == EDITED_ML, "the new volume")
    assert innerVolumes(resultNode)[1] == EDITED_ML
    assert len(innerVolumes(resultNode)) == 6


def test_notes_in_the_table_of_a_running_result_stay_when_it_replaces_another(sequence, fakeWidget, fakes, phantom):
    ui, frames = fakeWidget.ui, segmentedFrames(sequence, phantom)
    mine = finishedOutput(sequence, phantom).publish()
    addNotes(mine, [f"n{n}" for n in range(6)])
    ui.outputSelector.setCurrentNode(mine)
    ui.applyButton.click()
    report(fakes[-1], frames[:3])
    wait(lambda: len(outputs()) == 2 and outputs()[1].GetNumberOfDataNodes() == 3, "three frames")
    addNotes(outputs()[1], ["a", "b", "c"])

    report(fakes[-1], frames[3:])
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    assert outputs() == [mine]
    assert texts(mine, "notes") == [f"n{n}" for n in range(6)]
    assert texts(mine, "notes 2") == ["a", "b", "c", "", "", ""]


def renumber(sequenceNode, values):
    """Give all frames of a sequence other index values; None removes a frame."""
    before = [sequenceNode.GetNthIndexValue(n) for n in range(sequenceNode.GetNumberOfDataNodes())]
    for n, value in enumerate(before):
        sequenceNode.UpdateIndexValue(value, str(10**6 + n))
    for n, value in enumerate(values):
        if value is None:
            sequenceNode.RemoveDataNodeAtValue(str(10**6 + n))
        else:
            sequenceNode.UpdateIndexValue(str(10**6 + n), value)


@pytest.mark.parametrize("isOpen", [True, False], ids=["the module is open", "the module is opened later"])
@pytest.mark.parametrize(
    "values",
    [
        ["500", "400", "300", "200", "100", "0"],
        ["100", "200", "300", "400", "500", "600"],
        ["0", "100", None, "200", "300", "400"],
    ],
    ids=["reversed", "shifted", "one removed"],
)
def test_volumes_notes_and_marks_stay_with_frames_that_get_index_values_of_others(
    scene, phantom, smallModelAdded, request, values, isOpen
):
    sequence = addSequence(scene, [replace(frame, index_value=str(100 * n)) for n, frame in enumerate(phantom[0])])
    if isOpen:
        request.getfixturevalue("fakeWidget")
    resultNode = outputOf(sequence, phantom).publish()
    volumes = innerVolumes(resultNode)
    addNotes(resultNode, [f"n{n}" for n in range(6)])
    reviewFrame(resultNode, "200", "bad")
    reviewFrame(resultNode, "400", "good")
    qt.application().processEvents()

    for node in (sequence, resultNode):
        renumber(node, values)
    request.getfixturevalue("fakeWidget")

    marks = {value: mark for value, mark in ((values[2], "bad"), (values[4], "good")) if value is not None}
    wait(lambda: frameReviews(resultNode) == marks, "the marks of the frames")
    expected = [n for _value, n in sorted((float(value), n) for n, value in enumerate(values) if value is not None)]
    assert texts(resultNode, "notes") == [f"n{n}" for n in expected]
    assert innerVolumes(resultNode) == pytest.approx([volumes[n] for n in expected])


def test_frame_over_which_another_one_was_copied_before_the_module_is_opened_is_measured(sequence, phantom, request):
    resultNode = outputOf(sequence, phantom).publish()
    volumes = innerVolumes(resultNode)
    copy = slicer.vtkMRMLSegmentationNode()
    copy.Copy(resultNode.GetNthDataNode(4))
    resultNode.SetDataNodeAtValue(copy, resultNode.GetNthIndexValue(2))

    request.getfixturevalue("fakeWidget")

    wait(lambda: innerVolumes(resultNode)[2] == pytest.approx(volumes[4]), "the new volume")
    assert innerVolumes(resultNode)[3:] == pytest.approx(volumes[3:])
