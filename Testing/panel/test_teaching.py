"""The Teach section used by clicking: from drawn frames to a model that is chosen for the next run."""

import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.panel import teach_section as teaching
from CLSTMSegmentLib.scene.annotations import annotatedFrames, newAnnotation
from CLSTMSegmentLib.scene.inputs import resolveInput
from hook_phantom import SMALL, hook_sequence
from host import application
from scene.conftest import addSequence
from scene.test_annotations import draw

from panel.conftest import outputs, runToEnd, wait

DRAWN = (0, 4)
"""Too few to leave one out: a lesson is then one part, and short."""


@pytest.fixture(scope="module")
def hook():
    """Six frames of a hook, and their true labels."""
    return hook_sequence(3, 6, *SMALL)


@pytest.fixture
def annotated(scene, hook, widget):
    """The widget with the hook as input, drawn in two frames."""
    sequenceNode = addSequence(scene, hook[0])
    widget.enter()
    ui = widget.ui
    ui.teachCollapsibleButton.collapsed = False
    ui.inputSelector.setCurrentNode(sequenceNode)
    ui.newAnnotationButton.click()
    annotationNode = ui.annotationSelector.currentNode()
    assert "draw in some frames" in ui.teachButton.toolTip
    for number in DRAWN:
        mask = sitk.GetArrayViewFromImage(hook[1][number]) == 1
        draw(annotationNode, number, {"Hook": mask}, hook[0][number])
    widget.panel.update()
    ui.teachMinutesSpinBox.value = 0.1
    ui.teachFromComboBox.currentIndex = ui.teachFromComboBox.findText("Airway (demonstration on phantoms)")
    return widget


def models():
    return application.settingsFolder() / "CLSTMSegment" / "Models"


def taughtToEnd(widget, name):
    widget.ui.teachNameLineEdit.text = name
    widget.ui.teachButton.click()
    wait(lambda: not widget.ui.stopTeachingButton.enabled, "the lesson's end")


def test_drawn_frames_become_a_model_which_segments_the_others(annotated, hook):
    ui = annotated.ui
    assert ui.teachButton.enabled
    assert ui.annotatedFramesList.count == 2
    taughtToEnd(annotated, "Hook")
    assert ui.teachStatusLabel.text == "Taught: Hook. Press Segment to use it."
    assert ui.modelComboBox.currentText == "Hook"
    assert ui.teachPreviewLabel.pixmap.width() == 360
    assert not list(models().glob(".*lesson"))
    runToEnd(annotated)
    result = next(node for node in outputs() if node is not ui.annotationSelector.currentNode())
    segment = result.GetNthDataNode(1).GetSegmentation().GetNthSegment(0)
    assert segment.GetName() == "Hook"
    assert result.GetNumberOfDataNodes() == 6


def test_lesson_can_be_paused_and_stopped_with_the_best_so_far(annotated):
    ui = annotated.ui
    ui.teachNameLineEdit.text = "Stopped"
    ui.teachMinutesSpinBox.value = 5
    ui.teachButton.click()
    wait(lambda: "step" in ui.teachStatusLabel.text, "a step")
    ui.pauseTeachingButton.click()
    ui.stopTeachingButton.click()
    wait(lambda: not ui.stopTeachingButton.enabled, "the lesson's end")
    assert ui.modelComboBox.currentText == "Stopped"


def test_killed_lesson_is_gone_on_with(annotated, monkeypatch):
    ui = annotated.ui
    ui.teachNameLineEdit.text = "Killed"
    ui.teachButton.click()
    wait(lambda: "step" in ui.teachStatusLabel.text, "a step")
    annotated.panel._teach._teacher._process.kill()
    wait(lambda: not ui.stopTeachingButton.enabled, "the end")
    assert "killed" in ui.teachStatusLabel.text
    asked = []
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text, title=None: asked.append(text) or True)
    taughtToEnd(annotated, "Killed")
    assert "not finished" in asked[0]
    assert ui.modelComboBox.currentText == "Killed"


def test_corrected_frame_of_the_output_is_taught_next(annotated, hook):
    ui = annotated.ui
    source = resolveInput(ui.inputSelector.currentNode())
    corrected = newAnnotation(source, "Result")  # as good as a run's output: a segmentation a frame
    draw(corrected, 3, {"Hook": sitk.GetArrayViewFromImage(hook[1][3]) == 1}, hook[0][3])
    source.browserNode.SetSelectedItemNumber(3)
    ui.outputSelector.setCurrentNode(corrected)
    ui.useAsAnnotationButton.click()
    assert ui.teachStatusLabel.text == "Frame 3 is annotated now."
    assert annotatedFrames(ui.annotationSelector.currentNode()) == [0, 3, 4]
    assert ui.teachFromComboBox.currentText == ui.modelComboBox.currentText


def test_annotation_is_not_looked_through_while_the_section_is_closed(annotated, monkeypatch):
    ui, looks = annotated.ui, []
    monkeypatch.setattr(teaching, "annotatedFrames", lambda node: looks.append(node) or [0, 2])
    ui.teachCollapsibleButton.collapsed = True
    annotated.panel.update()
    assert not looks
    ui.teachCollapsibleButton.collapsed = False
    assert ui.annotatedFramesList.count == 2
    assert "frame 2" in ui.annotatedFramesList.item(1).text()
