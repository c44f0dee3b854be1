"""The user is asked before a run replaces an output, and what they drew in it is not lost; with a fake worker."""

import pytest
import slicer
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.frame_reviews import GOOD, frameReviews, reviewFrame
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.made_frames import frameContents
from CLSTMSegmentLib.worker.events import Done
from host import application
from scene.conftest import addSequence, play, secondBrowser
from scene.segmentations import finishedOutput, segmentedFrames
from scene.test_edited_frames import CORRECTION, edit, voxelsOf

from panel.conftest import choose, fakeRun, outputs, report, unfinishedFramesAreOffered, wait
from panel.test_volume_input import finish, volumeNode  # noqa: F401


@pytest.fixture
def ui(sequence, fakePanel):
    """The widgets of the panel, with fake workers and the phantom as the input."""
    fakePanel.inputSelector.setCurrentNode(sequence)
    application.questions.clear()
    return fakePanel


def correct(sequence, outputNode, phantom):
    """Correct the first frame of a result as the user does: in the segmentation that shows it."""
    edit(resolveInput(sequence).browserNode.GetProxyNode(outputNode), "inner", phantom[0][0].image, CORRECTION)


def test_user_is_asked_once_before_an_output_is_replaced(sequence, ui, fakes, phantom):
    mine = finishedOutput(sequence, phantom, [0]).publish()
    ui.outputSelector.setCurrentNode(mine)
    application.questions.clear()

    for _ in range(2):
        fakeRun(ui, fakes, segmentedFrames(sequence, phantom))

    (question,) = application.questions
    assert mine.GetName() in question


def test_nothing_runs_if_the_user_does_not_want_the_output_to_be_replaced(sequence, ui, fakes, phantom, monkeypatch):
    ui.outputSelector.setCurrentNode(finishedOutput(sequence, phantom, [0]).publish())
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, windowTitle=None: False)

    ui.applyButton.click()

    assert fakes == []
    assert outputs()[0].GetNumberOfDataNodes() == 1


def test_user_is_asked_again_before_corrections_are_replaced(sequence, ui, fakes, phantom):
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    correct(sequence, mine, phantom)

    ui.applyButton.click()

    assert len(application.questions) == 2
    assert "you drew or corrected" in application.questions[1]
    assert "you drew or corrected" not in application.questions[0]


def test_user_is_asked_again_before_another_input_replaces_the_output(scene, sequence, ui, fakes, phantom):
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    ui.inputSelector.setCurrentNode(addSequence(scene, phantom[0], "Other patient"))

    ui.applyButton.click()

    assert [mine.GetName() in question for question in application.questions] == [True, True]


def test_user_is_asked_again_before_marks_are_removed(sequence, ui, fakes, phantom):
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    reviewFrame(mine, mine.GetNthIndexValue(2), GOOD)

    ui.applyButton.click()

    assert "Your marks of good and bad frames will be removed." in application.questions[-1]


def test_user_is_asked_again_before_a_result_with_fewer_frames_replaces_the_output(sequence, ui, fakes, phantom):
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))
    choose(ui.framesComboBox, "current")

    ui.applyButton.click()

    lost = ", ".join(sequence.GetNthIndexValue(number) for number in range(1, 6))
    assert f"This run does not make the frames at {lost}." in application.questions[-1]


def test_user_is_asked_before_the_corrected_result_of_a_volume_is_replaced(
    scene,
    volumeNode,  # noqa: F811
    fakePanel,
    fakes,
    phantom,
):
    ui, mine = fakePanel, scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    ui.inputSelector.setCurrentNode(volumeNode)
    ui.outputSelector.setCurrentNode(mine)
    application.questions.clear()
    ui.applyButton.click()
    finish(ui, fakes[-1], phantom)
    assert application.questions == []  # nothing was in it
    edit(mine, "inner", phantom[0][0].image, CORRECTION)

    ui.applyButton.click()

    (question,) = application.questions
    assert "you drew or corrected" in question


def complete(outputNode):
    outputNode.GetNthDataNode(2).GetSegmentation().GetSegment("inner").SetTag("Segmentation.Status", "completed")


def setTerminology(outputNode):
    segment = outputNode.GetNthDataNode(2).GetSegmentation().GetSegment("inner")
    segment.SetTag(segment.GetTerminologyEntryTagName(), "mine")


NOTES = {
    "status": complete,
    "terminology": setTerminology,
    "description": lambda outputNode: outputNode.GetNthDataNode(2).SetDescription("fine"),
    "attribute": lambda outputNode: outputNode.GetNthDataNode(2).SetAttribute("Reviewer", "me"),
    "mark": lambda outputNode: reviewFrame(outputNode, outputNode.GetNthIndexValue(2), GOOD),
}


@pytest.mark.parametrize("change", NOTES.values(), ids=NOTES)
def test_output_in_which_the_user_noted_something_during_the_run_stays(change, sequence, ui, fakes, phantom):
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    ui.applyButton.click()

    change(mine)
    report(fakes[-1], segmentedFrames(sequence, phantom))
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    assert "was edited meanwhile and stays as it is" in ui.statusLabel.text
    assert len(outputs()) == 2


def test_what_the_user_corrects_in_the_output_during_the_run_is_not_replaced(sequence, ui, fakes, phantom):
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    ui.applyButton.click()

    correct(sequence, mine, phantom)
    report(fakes[-1], segmentedFrames(sequence, phantom))
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    assert "was edited meanwhile and stays as it is" in ui.statusLabel.text
    assert voxelsOf(mine.GetNthDataNode(0), "inner") == 200
    assert len(outputs()) == 2


@pytest.mark.parametrize("agrees", [False, True])
@pytest.mark.parametrize("browser", ["own", "second"])
def test_user_is_asked_before_finished_frames_that_they_corrected_are_discarded(
    browser, agrees, sequence, ui, fakes, phantom, monkeypatch
):
    ui.applyButton.click()
    report(fakes[-1], segmentedFrames(sequence, phantom)[:2])
    wait(outputs, "the first frame")
    ui.cancelButton.click()
    (kept,) = outputs()
    if browser == "own":
        correct(sequence, kept, phantom)
    else:
        edit(secondBrowser(sequence, kept, 0), "inner", phantom[0][0].image, CORRECTION)
    asked = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title: asked.append(text) or agrees)

    ui.discardButton.click()

    assert asked == ["The finished frames hold what you drew or corrected. Are they to be removed all the same?"]
    assert outputs() == ([] if agrees else [kept])
    assert unfinishedFramesAreOffered(ui) != agrees


def firstOfTwoRuns(sequence, ui, fakes, phantom):
    """Start two runs into one output, and return it once all frames of the first run are shown."""
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    ui.applyButton.click()
    ui.applyButton.click()
    report(fakes[0], segmentedFrames(sequence, phantom))
    wait(lambda: len(outputs()) == 2 and outputs()[1].GetNumberOfDataNodes() == 6, "the frames of the first run")
    return mine


def test_frame_that_is_corrected_in_the_first_of_two_runs_is_not_replaced_by_the_second(sequence, ui, fakes, phantom):
    mine = firstOfTwoRuns(sequence, ui, fakes, phantom)
    correct(sequence, outputs()[1], phantom)
    reviewFrame(outputs()[1], mine.GetNthIndexValue(3), GOOD)

    for n in range(2):
        fakes[n].reported.append(Done(report=RunReport("cpu")))
        wait(lambda n=n: len(fakes) == 2 or not fakes[n].running, "the end of a run")
        report(fakes[1], segmentedFrames(sequence, phantom)) if n == 0 else None
    wait(lambda: not ui.cancelButton.enabled, "the end of both runs")

    assert voxelsOf(mine.GetNthDataNode(0), "inner") == 200
    assert frameReviews(mine) == {mine.GetNthIndexValue(3): GOOD}
    assert "was edited meanwhile and stays as it is" in ui.statusLabel.text
    assert len(outputs()) == 2


def test_frames_of_the_first_of_two_runs_are_not_replaced_by_a_second_one_that_makes_fewer(
    sequence, ui, fakes, phantom
):
    mine = finishedOutput(sequence, phantom, [0]).publish()
    ui.outputSelector.setCurrentNode(mine)
    ui.applyButton.click()
    choose(ui.framesComboBox, "current")
    ui.applyButton.click()

    report(fakes[0], segmentedFrames(sequence, phantom))
    fakes[0].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: len(fakes) == 2, "the begin of the second run")
    report(fakes[1], segmentedFrames(sequence, phantom, [0]))
    fakes[1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of both runs")

    assert mine.GetNumberOfDataNodes() == 6
    assert len(outputs()) == 2


def setColor(outputNode):
    outputNode.GetNthDataNode(2).GetSegmentation().GetSegment("inner").SetColor(0.1, 0.9, 0.3)


@pytest.mark.parametrize("change", [*NOTES.values(), setColor], ids=[*NOTES, "colour"])
def test_what_the_user_notes_in_the_first_of_two_runs_is_not_replaced_by_the_second(
    change, sequence, ui, fakes, phantom
):
    mine = firstOfTwoRuns(sequence, ui, fakes, phantom)

    change(outputs()[1])
    contents = frameContents(outputs()[1])
    fakes[0].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: len(fakes) == 2, "the second run")
    report(fakes[1], segmentedFrames(sequence, phantom))
    fakes[1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of both runs")

    assert "was edited meanwhile and stays as it is" in ui.statusLabel.text
    assert frameContents(mine) == contents
    assert len(outputs()) == 2


@pytest.mark.parametrize("drawn", ["before", "during"])
def test_drawing_in_an_output_whose_changes_the_browser_does_not_save_is_not_lost(
    drawn, scene, sequence, ui, fakes, phantom
):
    mine, browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Mine"), resolveInput(sequence).browserNode
    for number in range(6):
        node = slicer.vtkMRMLSegmentationNode()
        node.GetSegmentation().AddEmptySegment("inner", "Inner")
        mine.SetDataNodeAtValue(node, sequence.GetNthIndexValue(number))
    browserNode.AddSynchronizedSequenceNode(mine)
    play(browserNode, 0)
    ui.outputSelector.setCurrentNode(mine)
    application.questions.clear()
    if drawn == "before":
        correct(sequence, mine, phantom)

    ui.applyButton.click()
    if drawn == "during":
        correct(sequence, mine, phantom)
        report(fakes[-1], segmentedFrames(sequence, phantom))
        fakes[-1].reported.append(Done(report=RunReport("cpu")))
        wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    (question,) = application.questions
    assert ("you drew or corrected" in question) == (drawn == "before")
    assert voxelsOf(mine.GetNthDataNode(0), "inner") == 200


@pytest.mark.parametrize("finished", [4, 6])
def test_drawing_in_the_frames_of_a_run_in_a_second_browser_stays_when_frames_are_added_and_replace_an_output(
    finished, sequence, ui, fakes, phantom
):
    frames = segmentedFrames(sequence, phantom)
    mine = finishedOutput(sequence, phantom).publish()
    ui.outputSelector.setCurrentNode(mine)
    ui.applyButton.click()
    report(fakes[-1], frames[:finished])
    wait(lambda: len(outputs()) == 2 and outputs()[1].GetNumberOfDataNodes() == finished, "the first frames")

    shown = secondBrowser(outputs()[1], outputs()[1], 2)
    edit(shown, "inner", phantom[0][2].image, CORRECTION)
    report(fakes[-1], frames[finished:])
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    assert outputs() == [mine]
    assert voxelsOf(mine.GetNthDataNode(2), "inner") == 200
    wait(lambda: ui.volumesTable.item(2, 2).text() == "14.4", "the new volume")
