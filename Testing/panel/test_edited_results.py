"""The volumes of any result in the scene follow what the user edits; with a fake worker."""

import pytest
import slicer
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.scene.earlier_outputs import earlierOutputs
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.single_output import SingleOutput
from host import qt
from scene.conftest import play
from scene.segmentations import MODEL, finishedOutput, segmentedFrames
from scene.test_edited_frames import CORRECTION, edit

from panel.conftest import choose, fakeRun, outputs, wait
from panel.test_volume_input import finish, volumeNode  # noqa: F401

EDITED_ML = pytest.approx(14.4)
"""Volume of the voxels of the correction."""


def innerVolumes(resultNode, name="Inner"):
    """Return the volumes of the first segment in the table of a result."""
    return slicer.util.arrayFromTableColumn(resultNode.GetNodeReference("CLSTMSegment.volumesTable"), name).tolist()


def correct(sequence, resultNode, number, phantom):
    """Correct a frame of a result as the user does, then go on to another frame."""
    browserNode = resolveInput(sequence).browserNode
    play(browserNode, number)
    edit(browserNode.GetProxyNode(resultNode), "inner", phantom[0][number].image, CORRECTION)
    play(browserNode, 0)


def segmentRange(ui, fakes, frames):
    """Run a fake worker on a range of frames."""
    choose(ui.framesComboBox, "range")
    ui.firstFrameSpinBox.value, ui.lastFrameSpinBox.value = frames[0].number, frames[-1].number
    fakeRun(ui, fakes, frames)


def resultOfVolume(ui, fakes, volumeNode, phantom):  # noqa: F811
    """Run a fake worker on a single volume, and return the result."""
    ui.inputSelector.setCurrentNode(volumeNode)
    ui.applyButton.click()
    finish(ui, fakes[-1], phantom)
    (node,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return node


def test_table_summary_and_file_follow_the_corrected_result_of_a_volume(
    volumeNode,  # noqa: F811
    fakePanel,
    fakes,
    phantom,
    tmp_path,
):
    ui, node = fakePanel, resultOfVolume(fakePanel, fakes, volumeNode, phantom)

    edit(node, "inner", phantom[0][0].image, CORRECTION)
    wait(lambda: ui.volumesTable.item(0, 2).text() == "14.4", "the new volume")
    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    ui.exportButton.click()

    assert innerVolumes(node) == [EDITED_ML]
    assert "Inner: 14.4 ml" in ui.summaryLabel.text
    assert ",14.400," in (tmp_path / "volumes.csv").read_text(encoding="utf-8")


def test_segment_of_a_volume_that_is_renamed_has_its_new_name_in_panel_table_and_file(
    volumeNode,  # noqa: F811
    fakePanel,
    fakes,
    phantom,
    tmp_path,
):
    ui, node = fakePanel, resultOfVolume(fakePanel, fakes, volumeNode, phantom)
    before = innerVolumes(node)

    node.GetSegmentation().GetSegment("inner").SetName("Aorta")
    wait(lambda: ui.volumesTable.horizontalHeaderItem(2).text() == "Aorta [ml]", "the new name")
    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    ui.exportButton.click()

    assert innerVolumes(node, "Aorta") == before
    assert ui.summaryLabel.text.startswith("Aorta: ")
    assert "Aorta" in (tmp_path / "volumes.csv").read_text(encoding="utf-8")


def test_table_of_an_older_result_follows_and_the_newest_stays_as_it_is(sequence, fakeWidget, fakes, phantom):
    for _ in range(2):
        fakeRun(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom))
    older, newest = outputs()
    before = innerVolumes(older)

    correct(sequence, older, 3, phantom)
    wait(lambda: innerVolumes(older)[3] == EDITED_ML, "the new volume")

    assert innerVolumes(older)[:3] == before[:3]
    assert innerVolumes(newest) == before


def test_table_of_a_result_in_a_loaded_scene_follows(scene, sequence, fakeWidget, fakes, phantom, tmp_path):
    segmentRange(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom, range(1, 6)))
    before = innerVolumes(outputs()[0])
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    (loaded,) = outputs()

    correct(scene.GetFirstNodeByName("Cine"), loaded, 3, phantom)
    wait(lambda: innerVolumes(loaded)[2] == EDITED_ML, "the new volume")

    assert innerVolumes(loaded)[3:] == pytest.approx(before[3:])
    assert innerVolumes(loaded)[:2] == pytest.approx(before[:2])


def test_segment_that_is_renamed_in_the_first_frame_of_an_older_result_is_measured_as_before(sequence, phantom):
    resultNode = finishedOutput(sequence, phantom).publish()
    resultNode.GetNthDataNode(0).GetSegmentation().GetSegment("inner").SetName("Cavity")
    (earlier,) = earlierOutputs(slicer.mrmlScene, [])

    correct(sequence, resultNode, 0, phantom)

    assert earlier.measureAgain(0)
    assert innerVolumes(resultNode)[0] == EDITED_ML


def test_segment_of_a_single_volume_that_is_renamed_is_measured_in_a_loaded_scene_too(
    scene,
    volumeNode,  # noqa: F811
    phantom,
    tmp_path,
):
    output = SingleOutput(MODEL, resolveInput(volumeNode))
    output.add(SegmentedFrame(0, "0", phantom[1][0]))
    output.publish().GetSegmentation().GetSegment("inner").SetName("Cavity")
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    (loaded,) = earlierOutputs(scene, [])

    edit(loaded.outputNode, "inner", phantom[0][0].image, CORRECTION)

    assert loaded.measureAgain(0)
    assert innerVolumes(loaded.outputNode, "Cavity") == [EDITED_ML]


def test_segment_that_the_user_adds_to_a_frame_is_said_not_to_be_measured(sequence, fakeWidget, fakes, phantom):
    fakeRun(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom))
    browserNode = resolveInput(sequence).browserNode
    play(browserNode, 3)
    proxyNode = browserNode.GetProxyNode(outputs()[0])
    proxyNode.GetSegmentation().AddEmptySegment("scar", "Scar")

    edit(proxyNode, "scar", phantom[0][3].image, CORRECTION)

    message = "Frame 3: Scar is not measured, since the result does not have this segment."
    wait(lambda: message in fakeWidget.ui.statusLabel.text, "the message")


def drawInMissingFrame(sequence, resultNode, number, phantom):
    """Draw in a frame that a result does not have, then go on to another frame."""
    browserNode = resolveInput(sequence).browserNode
    play(browserNode, number)
    browserNode.GetProxyNode(resultNode).GetSegmentation().AddEmptySegment("inner", "Inner")
    correct(sequence, resultNode, number, phantom)


def test_what_is_drawn_in_a_missing_frame_stays_in_results_old_and_loaded(
    scene, sequence, fakeWidget, fakes, phantom, tmp_path
):
    for _ in range(2):
        segmentRange(fakeWidget.ui, fakes, segmentedFrames(sequence, phantom, range(3)))
    older, newest = outputs()
    drawInMissingFrame(sequence, older, 4, phantom)
    assert [node.GetNumberOfDataNodes() for node in (older, newest)] == [4, 3]

    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    loaded, cine = outputs()[0], scene.GetFirstNodeByName("Cine")
    drawInMissingFrame(cine, loaded, 5, phantom)
    correct(cine, loaded, 1, phantom)
    wait(lambda: innerVolumes(loaded)[1] == EDITED_ML, "the new volume")

    assert loaded.GetNumberOfDataNodes() == 5
    assert len(innerVolumes(loaded)) == 3  # what is drawn in the others is not measured


def test_result_that_another_run_has_replaced_is_measured_for_that_run_alone(sequence, fakeWidget, fakes, phantom):
    ui = fakeWidget.ui
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    ui.outputSelector.setCurrentNode(outputs()[0])
    segmentRange(ui, fakes, segmentedFrames(sequence, phantom, range(2)))

    correct(sequence, outputs()[0], 1, phantom)
    wait(lambda: ui.volumesTable.item(1, 2).text() == "14.4", "the new volume")

    assert len(innerVolumes(outputs()[0])) == 2
