"""The user goes through the frames to check and marks them; the marks are saved with the scene."""

import pytest
import slicer
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.frame_reviews import BAD, GOOD, frameReviews
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.worker.events import Done
from host import application
from scene.conftest import play, secondBrowser
from scene.segmentations import finishedOutput
from scene.test_edited_frames import CORRECTION, edit, voxelsOf

from panel.conftest import outputs, wait
from panel.test_background_run import labels


@pytest.fixture
def finishedRun(sequence, fakePanel, fakes, phantom):
    """The widgets of a panel after a run in which the frames 2 and 4 are flagged; and the browser."""
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakePanel.applyButton.click()
    (worker,) = fakes
    for number in range(6):
        segments = labels(phantom, number, 0 if number in (2, 4) else 100)
        segments[0, 0, 0] = 2  # the second segment is in all frames
        worker.folder.write_result(SegmentedFrame(number, phantom[0][number].index_value, segments))
    worker.reported += [*worker.folder.new_events(), Done(report=RunReport("cpu"))]
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")
    return fakePanel, resolveInput(sequence).browserNode


def flaggedFrames(ui):
    return sorted({int(ui.flagsList.item(row).text().split()[1].rstrip(":")) for row in range(ui.flagsList.count)})


def test_next_to_check_goes_through_the_flagged_frames_until_they_are_marked_good(finishedRun):
    ui, browserNode = finishedRun
    flagged = flaggedFrames(ui)
    browserNode.SetSelectedItemNumber(0)
    seen = []

    for _ in flagged:
        ui.nextToCheckButton.click()
        seen.append(browserNode.GetSelectedItemNumber())
        ui.goodButton.click()
    ui.nextToCheckButton.click()

    assert sorted(seen) == flagged
    assert {2, 4} <= set(flagged)
    assert ui.statusLabel.text == "There is no frame to check any more."


def test_bad_frame_stays_to_be_checked_and_its_mark_is_in_the_table(finishedRun, phantom):
    ui, browserNode = finishedRun
    for number in range(6):
        browserNode.SetSelectedItemNumber(number)
        (ui.badButton if number == 3 else ui.goodButton).click()
    browserNode.SetSelectedItemNumber(0)

    ui.nextToCheckButton.click()

    assert browserNode.GetSelectedItemNumber() == 3
    assert [ui.volumesTable.item(row, 0).text() for row in (2, 3)] == ["2 good", "3 bad"]
    assert frameReviews(outputs()[0])[phantom[0][3].index_value] == BAD


def test_second_press_removes_the_mark(finishedRun):
    ui, browserNode = finishedRun
    browserNode.SetSelectedItemNumber(1)

    ui.badButton.click()
    ui.badButton.click()

    assert ui.volumesTable.item(1, 0).text() == "1"
    assert frameReviews(outputs()[0]) == {}


@pytest.mark.parametrize("isActive", [True, False], ids=["active volume", "in a slice view"])
def test_frame_at_which_the_user_looks_in_a_second_browser_is_marked(finishedRun, scene, sequence, phantom, isActive):
    ui, browserNode = finishedRun
    second = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Second")
    second.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    second.AddSynchronizedSequenceNode(outputs()[0])
    play(second, 4)
    browserNode.SetSelectedItemNumber(1)
    proxyID = second.GetProxyNode(sequence).GetID()
    if isActive:
        slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(proxyID)
    else:  # the selector of a slice view leaves the active volume as it is, which is that of the first browser
        scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Yellow").SetBackgroundVolumeID(proxyID)

    ui.goodButton.click()
    marks = frameReviews(outputs()[0])
    ui.nextToCheckButton.click()

    assert marks == {phantom[0][4].index_value: GOOD}
    assert (second.GetSelectedItemNumber(), browserNode.GetSelectedItemNumber()) == (flaggedFrames(ui)[-1], 1)


def test_drawing_in_a_second_browser_stays_when_a_frame_is_marked(finishedRun, sequence, phantom):
    ui, _ = finishedRun
    shown = secondBrowser(sequence, outputs()[0], 4)
    edit(shown, "inner", phantom[0][4].image, CORRECTION)

    ui.goodButton.click()

    assert voxelsOf(shown, "inner") == 200


def test_buttons_are_disabled_without_a_result(fakePanel):
    assert not fakePanel.nextToCheckButton.enabled
    assert not fakePanel.goodButton.enabled
    assert not fakePanel.badButton.enabled


def test_marks_are_saved_with_the_scene_and_go_with_replaced_frames(finishedRun, sequence, phantom, tmp_path):
    ui, browserNode = finishedRun
    browserNode.SetSelectedItemNumber(5)
    ui.goodButton.click()
    (outputNode,) = outputs()
    name, scene = outputNode.GetName(), slicer.mrmlScene

    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    reloaded = application.newScene()
    assert reloaded.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assert frameReviews(reloaded.GetFirstNodeByName(name)) == {phantom[0][5].index_value: GOOD}

    finishedOutput(sequence, phantom).publish(outputNode)
    assert frameReviews(outputNode) == {}
