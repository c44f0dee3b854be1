"""The settings of the panel: their bounds, what is told about bad ones, and saving them with the scene."""

import pytest
import slicer
from CLSTMSegmentLib.panel import parameter_node
from scene.segmentations import finishedOutput

from CLSTMSegment import CLSTMSegmentLogic
from panel.conftest import choose


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


def test_nodes_that_scenes_of_version_0_1_have_chosen_stay_chosen(sequence, widget, phantom):
    outputNode = finishedOutput(sequence, phantom, [0, 1]).publish()
    widget.panel.setParameterNode(None)
    node = CLSTMSegmentLogic().getParameterNode()
    for name in node.GetParameterNames():
        node.UnsetParameter(name)
    for name, chosen in (("inputSequence", sequence), ("outputSequence", outputNode)):
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, chosen.GetID())

    widget.useParameterNode()

    assert widget.ui.inputSelector.currentNode() is sequence
    assert widget.ui.outputSelector.currentNode() is outputNode
    assert node.GetNodeReference("inputSequence") is None


def test_sequence_or_single_volume_is_an_input_and_only_sequence_or_segmentation_an_output(scene, widget):
    assert widget.ui.inputSelector.nodeTypes == ["vtkMRMLSequenceNode", "vtkMRMLScalarVolumeNode"]
    assert widget.ui.outputSelector.nodeTypes == ["vtkMRMLSequenceNode", "vtkMRMLSegmentationNode"]


def test_opening_the_module_again_binds_its_settings_to_no_further_object(widget, monkeypatch):
    """The wrapper of Slicer 5.10 leaves an observer for each at the parameter node."""
    made = []
    monkeypatch.setattr(parameter_node, "CLSTMSegmentParameterNode", made.append)

    widget.enter()

    assert made == []
