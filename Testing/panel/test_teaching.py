"""The Teach section used by clicking: from annotated frames to a model that is chosen for the next run."""

import os
import shutil
import signal
from contextlib import ExitStack

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.own_folder import alone_in
from CLSTMSegmentLib.core.progress import TeachingProgress
from CLSTMSegmentLib.panel import annotated_frames_list
from CLSTMSegmentLib.scene.annotations import annotatedFrames, newAnnotation, readAnnotations
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.made_frames import frameContent
from CLSTMSegmentLib.teaching.teaching_folders import check_nobody_teaches, preview_path, started_job
from CLSTMSegmentLib.teaching.training_set import TrainingSet
from CLSTMSegmentLib.worker.events import Done, Failed, Note
from CLSTMSegmentLib.worker.scheduler import Scheduler
from CLSTMSegmentLib.worker.worker_process import RELAY, TEACH
from hook_phantom import SMALL, hook_sequence
from scene.conftest import addSequence, secondBrowser
from scene.test_annotations import draw, drawIn

from panel.conftest import choose, modelsFolder, outputs, runToEnd, wait

ANNOTATED = (0, 4)
"""Too few frames to hold one out: a teaching job is then one training, and short."""


@pytest.fixture(scope="module")
def hook():
    """Six frames of a hook, and their true labels."""
    return hook_sequence(3, 6, *SMALL)


def annotate(ui, scene, hook, names=("Hook",)):
    """Choose the hook as the input, and draw it in two frames."""
    ui.teachCollapsibleButton.collapsed = False
    ui.inputSelector.setCurrentNode(addSequence(scene, hook[0]))
    ui.newAnnotationButton.click()
    assert "draw in some frames" in ui.teachButton.toolTip
    for number in ANNOTATED:
        mask = sitk.GetArrayViewFromImage(hook[1][number]) == 1
        masks = {name: mask if n == 0 else ~mask for n, name in enumerate(names)}
        draw(ui.annotationSelector.currentNode(), number, masks, hook[0][number])
    ui.teachMinutesSpinBox.value = 0.1  # a change of any setting updates the panel
    ui.teachFromComboBox.currentIndex = ui.teachFromComboBox.findText("Airway (demonstration on phantoms)")


@pytest.fixture
def annotated(scene, hook, widget):
    """The widget with the hook as input, annotated in two frames."""
    widget.enter()
    annotate(widget.ui, scene, hook)
    return widget


@pytest.fixture
def fakeAnnotated(scene, hook, fakePanel):
    """The widgets of a panel with fake workers, with the hook as input, annotated in two frames."""
    annotate(fakePanel, scene, hook)
    return fakePanel


def teachToEnd(widget, name):
    """Press Teach, and wait for the end of the teaching job."""
    widget.ui.teachNameLineEdit.text = name
    widget.ui.teachButton.click()
    wait(lambda: not widget.ui.stopTeachingButton.enabled, "the end of the teaching job")


@pytest.mark.slow
def test_annotated_frames_become_a_model_which_segments_the_others(annotated):
    ui = annotated.ui
    assert ui.teachButton.enabled
    assert ui.annotatedFramesList.count == 2

    teachToEnd(annotated, "Hook")
    assert ui.teachStatusLabel.text == "Taught: Hook. Press Segment to use it."
    assert ui.modelComboBox.currentText == "Hook"
    assert ui.teachPreviewLabel.pixmap.width() == 360
    assert not list(modelsFolder().glob(".Hook*"))
    runToEnd(annotated)

    result = next(node for node in outputs() if node is not ui.annotationSelector.currentNode())
    segment = result.GetNthDataNode(1).GetSegmentation().GetNthSegment(0)
    assert segment.GetName() == "Hook"
    assert result.GetNumberOfDataNodes() == 6


def test_teaching_job_can_be_paused_and_stopped_with_the_best_so_far(annotated):
    ui = annotated.ui
    ui.teachNameLineEdit.text = "Stopped"
    ui.teachMinutesSpinBox.value = 5
    ui.teachButton.click()
    wait(lambda: "step" in ui.teachStatusLabel.text, "a step")

    ui.pauseTeachingButton.click()
    ui.stopTeachingButton.click()
    wait(lambda: not ui.stopTeachingButton.enabled, "the end of the teaching job")

    assert ui.modelComboBox.currentText == "Stopped"


@pytest.mark.slow
def test_killed_teaching_job_is_resumed(annotated, workers, monkeypatch):
    ui, asked = annotated.ui, []
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text, title=None: asked.append(text) or True)
    ui.teachNameLineEdit.text = "Killed"
    ui.teachButton.click()
    wait(lambda: "step" in ui.teachStatusLabel.text, "a step")

    os.kill(workers[-1].process_id, getattr(signal, "SIGKILL", signal.SIGTERM))
    wait(lambda: not ui.stopTeachingButton.enabled, "the end")
    assert "killed" in ui.teachStatusLabel.text
    teachToEnd(annotated, "Killed")

    assert "not finished" in asked[0]
    assert ui.modelComboBox.currentText == "Killed"


def test_corrected_frame_of_the_output_is_annotated_for_the_next_teaching_job(annotated, hook):
    ui = annotated.ui
    source = resolveInput(ui.inputSelector.currentNode())
    corrected = newAnnotation(source, "Result")  # a segmentation for each frame, like the output of a run
    draw(corrected, 3, {"Hook": sitk.GetArrayViewFromImage(hook[1][3]) == 1}, hook[0][3])
    source.browserNode.SetSelectedItemNumber(3)
    ui.outputSelector.setCurrentNode(corrected)

    ui.useAsAnnotationButton.click()

    assert ui.teachStatusLabel.text == "Frame 3 is annotated now."
    assert annotatedFrames(ui.annotationSelector.currentNode()) == [0, 3, 4]
    assert ui.teachFromComboBox.currentText == ui.modelComboBox.currentText


@pytest.mark.parametrize("agrees", [True, False])
def test_drawing_is_replaced_by_the_shown_frame_only_if_the_user_agrees(annotated, hook, agrees, monkeypatch):
    ui, asked = annotated.ui, []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title=None: asked.append(text) or agrees)
    source, annotationNode = resolveInput(ui.inputSelector.currentNode()), ui.annotationSelector.currentNode()
    result = newAnnotation(source, "Result")
    draw(result, 0, {"Hook": sitk.GetArrayViewFromImage(hook[1][1]) == 1}, hook[0][0])
    source.browserNode.SetSelectedItemNumber(0)
    ui.outputSelector.setCurrentNode(result)
    before = frameContent(annotationNode.GetNthDataNode(0))

    ui.useAsAnnotationButton.click()

    assert (frameContent(annotationNode.GetNthDataNode(0)) != before) is agrees
    ui.useAsAnnotationButton.click()
    assert len(asked) == (1 if agrees else 2)  # the same drawing is not asked about


@pytest.mark.parametrize("drawn", ["annotation", "result"])
def test_shown_frame_is_used_as_it_is_drawn_in_a_second_browser(fakeAnnotated, hook, drawn, monkeypatch):
    ui, asked = fakeAnnotated, []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title=None: asked.append(text))
    source, annotationNode = resolveInput(ui.inputSelector.currentNode()), ui.annotationSelector.currentNode()
    result = newAnnotation(source, "Result")
    draw(result, 3, {"Hook": sitk.GetArrayViewFromImage(hook[1][3]) == 1}, hook[0][3])
    ui.outputSelector.setCurrentNode(result)
    source.browserNode.SetSelectedItemNumber(3)
    second = sitk.GetArrayViewFromImage(hook[1][1]) == 1
    node = annotationNode if drawn == "annotation" else result
    drawIn(secondBrowser(source.sequenceNode, node, 3).GetSegmentation(), {"Hook": second}, hook[0][3])

    ui.useAsAnnotationButton.click()

    assert len(asked) == (drawn == "annotation")
    labels = readAnnotations(annotationNode, source)[1][3]
    assert np.count_nonzero(sitk.GetArrayViewFromImage(labels)) == second.sum()


def test_annotation_is_not_looked_through_while_the_section_is_closed(annotated, monkeypatch):
    ui, looks = annotated.ui, []
    monkeypatch.setattr(annotated_frames_list, "annotatedNumbers", lambda *nodes: looks.append(nodes) or [0, 2])

    ui.teachCollapsibleButton.collapsed = True
    ui.overlapSpinBox.value = 0.5
    assert not looks
    ui.teachCollapsibleButton.collapsed = False

    assert ui.annotatedFramesList.count == 2
    assert "frame 2" in ui.annotatedFramesList.item(1).text()


def test_teaching_job_gets_the_settings_of_all_widgets(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Settings"
    ui.teachMinutesSpinBox.value = 3.5
    ui.holdOutFramesCheckBox.checked = False
    choose(ui.markComboBox, "partly")

    ui.teachButton.click()

    (worker,) = fakes
    trainingSet = TrainingSet.read(worker.folder.path)
    settings = trainingSet.settings
    assert (worker.module, worker.arguments) == (TEACH, (str(modelsFolder()),))
    assert (settings.name, settings.minutes, settings.device) == ("Settings", 3.5, "cpu")
    assert settings.initial == "airway-phantom"
    assert not settings.hold_out_frames
    assert [(frame.number, frame.mark) for frame in trainingSet.frames] == [(0, "partly"), (4, "partly")]


def test_teaching_job_goes_to_the_scheduler(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Remote"
    ui.runOnLineEdit.text = "tcp://127.0.0.1:8786"

    ui.teachButton.click()

    (worker,) = fakes
    module, scheduler, models = worker.arguments
    assert (worker.module, module, models) == (RELAY, TEACH, str(modelsFolder()))
    assert Scheduler.from_json(scheduler) == Scheduler("tcp://127.0.0.1:8786")


def test_annotations_are_not_sent_where_others_can_read_them(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Unprotected"
    ui.runOnLineEdit.text = "tcp://department:8786"

    ui.teachButton.click()

    assert "is not protected by TLS" in ui.teachStatusLabel.text
    assert fakes == []
    assert not list(modelsFolder().glob(".Unprotected*"))


@pytest.mark.parametrize("ejects", [True, False])
def test_check_box_makes_the_first_segment_an_ejecting_chamber(ejects, scene, hook, fakePanel, fakes):
    annotate(fakePanel, scene, hook, ("Hook", "Rest"))
    fakePanel.teachNameLineEdit.text = f"Chamber {ejects}"

    fakePanel.ejectingChamberCheckBox.checked = ejects
    fakePanel.teachButton.click()

    segments = TrainingSet.read(fakes[-1].folder.path).settings.segments
    assert [(s.name, s.ejecting_chamber) for s in segments] == [("Hook", ejects), ("Rest", False)]
    assert "first one" in fakePanel.ejectingChamberCheckBox.toolTip


def test_buttons_write_the_control_file(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Controlled"
    ui.teachButton.click()
    (worker,) = fakes
    assert not worker.folder.should_stop()

    ui.pauseTeachingButton.click()
    paused = (worker.folder.path / "control").read_text(encoding="utf-8")
    ui.pauseTeachingButton.click()
    resumed = (worker.folder.path / "control").read_text(encoding="utf-8")
    ui.stopTeachingButton.click()

    assert (paused, resumed) == ("pause", "run")
    assert worker.folder.should_stop()
    assert ui.teachStatusLabel.text == "Stopping..."


@pytest.mark.parametrize("paused", [True, False])
def test_pausing_and_resuming_after_a_stop_do_not_undo_it(fakeAnnotated, fakes, paused):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = f"Stopped-{paused}"
    ui.teachButton.click()
    if paused:
        ui.pauseTeachingButton.click()

    ui.stopTeachingButton.click()
    ui.pauseTeachingButton.click()

    assert fakes[-1].folder.should_stop()


def test_progress_of_a_teaching_job_is_shown_with_the_time_left(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Progress"
    ui.teachButton.click()

    fakes[-1].reported += [Note("begins with random weights"), TeachingProgress(2, 5, 30, 400, 0.71239, 65, None)]
    wait(lambda: "step" in ui.teachStatusLabel.text, "the progress")

    assert ui.teachStatusLabel.text == "training 2 of 5, step 30 of 400, loss 0.712, 65 s left"
    assert ui.logText.plainText.endswith("begins with random weights")


def test_failed_teaching_job_shows_its_message_and_keeps_its_folder(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Failed"
    ui.teachButton.click()
    (worker,) = fakes

    worker.reported.append(Failed("the disk is full", "lines of code"))
    wait(lambda: not ui.stopTeachingButton.enabled, "the end of the teaching job")

    assert ui.teachStatusLabel.text == "the disk is full"
    assert ui.logText.plainText.endswith("lines of code")
    assert not worker.running
    assert TrainingSet.read(worker.folder.path).settings.name == "Failed"
    assert ui.teachButton.enabled


def test_picture_and_message_of_a_teaching_job_are_not_shown_beside_the_next_patient(scene, hook, fakeWidget, fakes):
    ui = fakeWidget.ui
    annotate(ui, scene, hook)
    ui.teachNameLineEdit.text = "Gone"
    ui.teachButton.click()
    (worker,) = fakes
    sitk.WriteImage(sitk.Image(64, 64, sitk.sitkUInt8), str(preview_path(worker.folder.path)))
    worker.reported += [TeachingProgress(2, 5, 30, 400, 0.7, 65, 0.8), Failed("the disk is full", "")]
    wait(lambda: not ui.stopTeachingButton.enabled, "the end of the teaching job")
    assert ui.teachPreviewLabel.pixmap.width() == 360

    scene.Clear(0)

    assert ui.teachPreviewLabel.pixmap.isNull()
    assert (ui.teachStatusLabel.text, ui.teachPreviewLabel.toolTip) == ("", "")


def test_running_teaching_job_can_be_told_from_an_unfinished_one(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Running"
    ui.teachButton.click()
    (worker,) = fakes

    with pytest.raises(InputError, match="another teaching job is at work"):
        check_nobody_teaches(worker.folder.path)
    worker.reported.append(Failed("the disk is full", ""))
    wait(lambda: not ui.stopTeachingButton.enabled, "the end of the teaching job")

    check_nobody_teaches(worker.folder.path)


@pytest.mark.parametrize(
    "begins", [lambda folder: started_job(folder), lambda folder: alone_in(folder, "teaching job")]
)
@pytest.mark.parametrize("whileAsking", [True, False])
@pytest.mark.parametrize("resume", [True, False])
def test_teaching_job_that_another_slicer_or_a_command_is_at_is_left_alone(
    fakeAnnotated, fakes, monkeypatch, begins, whileAsking, resume
):
    ui, asked = fakeAnnotated, []
    ui.teachNameLineEdit.text = "Shared"
    ui.teachButton.click()
    (worker,) = fakes
    folder = worker.folder.path
    worker.reported.append(Failed("the disk is full", ""))
    wait(lambda: not ui.stopTeachingButton.enabled, "the end of the teaching job")

    with ExitStack() as other:

        def ask(text, title=None):
            asked.append(text)
            other.enter_context(begins(folder))
            return resume

        monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", ask)
        if not whileAsking:
            other.enter_context(begins(folder))
        ui.teachButton.click()

        assert "another teaching job is at work" in ui.teachStatusLabel.text
        assert len(asked) == whileAsking
        assert len(fakes) == 1
        assert TrainingSet.read(folder).settings.name == "Shared"
    shutil.rmtree(folder)


def test_finished_teaching_job_removes_its_folder(fakeAnnotated, fakes):
    ui = fakeAnnotated
    ui.teachNameLineEdit.text = "Finished"
    ui.teachButton.click()
    (worker,) = fakes

    worker.reported.append(Done(model_folder=str(modelsFolder() / "small")))
    wait(lambda: not ui.stopTeachingButton.enabled, "the end of the teaching job")

    assert not worker.folder.path.exists()
    assert ui.modelComboBox.currentText == "Small"


def test_name_of_a_model_that_exists_is_refused(fakeAnnotated, fakes):
    fakeAnnotated.teachNameLineEdit.text = "small"

    fakeAnnotated.teachButton.click()

    assert "choose another name" in fakeAnnotated.teachStatusLabel.text
    assert fakes == []
