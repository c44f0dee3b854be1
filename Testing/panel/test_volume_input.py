"""A single volume as the input of the panel, beside sequences."""

import pytest
import slicer
import vtk
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.worker.events import Done
from scene.conftest import addSequence

from panel.conftest import choose, wait


@pytest.fixture
def volumeNode(scene, phantom):
    """The first frame of the phantom as a volume."""
    node = scene.AddNode(volumeFromImage(phantom[0][0].image))
    node.SetName("CT")
    return node


def finish(ui, worker, phantom):
    """Let the fake worker finish the one frame."""
    worker.folder.write_result(SegmentedFrame(0, "0", phantom[1][0]))
    worker.reported += [*worker.folder.new_events(), Done(report=RunReport("cpu"))]
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")


def offered(selector):
    """Return the names that a selector offers, without the first one, which is none."""
    return [selector.itemText(n) for n in range(1, selector.count)]


def test_volume_is_segmented_into_a_segmentation_that_is_shown(scene, volumeNode, fakePanel, fakes, phantom):
    ui = fakePanel
    ui.inputSelector.setCurrentNode(volumeNode)
    choose(ui.framesComboBox, "range")
    assert not ui.framesComboBox.enabled
    assert ui.applyButton.enabled, ui.applyButton.toolTip

    ui.applyButton.click()
    assert fakes[-1].folder.settings().frames == "all"
    finish(ui, fakes[-1], phantom)

    (node,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert node.GetName() == "CT Small"
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
    assert ui.volumesTable.rowCount == 1
    assert ui.summaryLabel.text.startswith("Inner: ")
    assert "frame" not in ui.summaryLabel.text
    ui.outlineCheckBox.checked = True
    assert not node.GetDisplayNode().GetVisibility2DFill()
    ui.show3DButton.click()
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")


def test_existing_segmentation_is_offered_and_replaced(scene, volumeNode, fakePanel, fakes, phantom):
    ui = fakePanel
    mine = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    mine.GetSegmentation().AddEmptySegment("old", "Old")
    ui.inputSelector.setCurrentNode(volumeNode)
    assert offered(ui.outputSelector) == ["Mine"]
    ui.outputSelector.setCurrentNode(mine)

    ui.applyButton.click()
    finish(ui, fakes[-1], phantom)

    assert list(mine.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_volume_that_is_moved_during_the_run_is_told_and_gets_no_result_beside_it(
    scene, volumeNode, fakePanel, fakes, phantom
):
    ui, transformNode = fakePanel, scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = vtk.vtkMatrix4x4()
    moved.SetElement(0, 3, 50.0)
    transformNode.SetMatrixTransformToParent(moved)
    volumeNode.SetAndObserveTransformNodeID(transformNode.GetID())
    ui.inputSelector.setCurrentNode(volumeNode)
    ui.applyButton.click()

    volumeNode.HardenTransform()
    finish(ui, fakes[-1], phantom)

    assert "'CT' was moved or resized after it was read" in ui.statusLabel.text
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []


@pytest.mark.parametrize("changed", [False, True])
def test_volume_that_gets_another_image_of_the_same_size_during_the_run_is_told(
    changed, volumeNode, fakePanel, fakes, phantom
):
    ui = fakePanel
    ui.inputSelector.setCurrentNode(volumeNode)
    ui.applyButton.click()
    wait(lambda: fakes[-1].folder.has_frame(0), "the frame")

    if changed:
        other = vtk.vtkImageData()
        other.DeepCopy(volumeNode.GetImageData())
        volumeNode.SetAndObserveImageData(other)
    finish(ui, fakes[-1], phantom)

    assert ("were changed after they were read" in ui.statusLabel.text) == changed


def test_proxies_and_labelmaps_are_not_offered(scene, volumeNode, fakePanel, phantom):
    sequenceNode = addSequence(scene, phantom[0][:2])
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")

    fakePanel.inputSelector.setCurrentNode(sequenceNode)

    assert offered(fakePanel.inputSelector) == ["Cine", "CT"]
    assert offered(fakePanel.outputSelector) == []


def test_volume_that_is_looked_at_is_suggested_where_there_is_no_sequence(scene, volumeNode, widget):
    assert widget.ui.inputSelector.currentNode() is None
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(volumeNode.GetID())

    widget.enter()

    assert widget.ui.inputSelector.currentNode() is volumeNode


def test_single_volume_cannot_be_taught_and_the_tooltip_says_so(volumeNode, fakePanel):
    fakePanel.teachCollapsibleButton.collapsed = False
    fakePanel.inputSelector.setCurrentNode(volumeNode)

    assert not fakePanel.teachButton.enabled
    assert not fakePanel.newAnnotationButton.enabled
    assert "a single volume cannot be taught" in fakePanel.teachButton.toolTip


def test_sequence_can_be_removed_while_a_volume_is_the_input(scene, volumeNode, fakeWidget, phantom):
    sequenceNode = addSequence(scene, phantom[0][:2])
    fakeWidget.ui.inputSelector.setCurrentNode(volumeNode)

    scene.RemoveNode(sequenceNode)

    assert fakeWidget.ui.inputSelector.currentNode() is volumeNode
    assert fakeWidget.ui.applyButton.enabled
