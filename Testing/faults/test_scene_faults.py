"""The user changes the scene while a run is going on."""

import pytest
import slicer
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from panel.conftest import (  # noqa: F401
    ended,
    jobFolders,
    nodeIDs,
    outputs,
    runToEnd,
    scene,
    sequence,
    smallModelAdded,
    unfinishedFramesAreOffered,
    wait,
    widget,
    workers,
)


@pytest.fixture
def sequenceNode(sequence):  # noqa: F811
    """The sequence that the user is looking at."""
    return sequence


@pytest.fixture
def browserNode(sequenceNode):
    """The browser that plays it."""
    return resolveInput(sequenceNode).browserNode


def startAndChange(widget, change):  # noqa: F811
    """Press Segment, change the scene at once, wait for the end of the run, and discard unfinished frames."""
    widget.ui.applyButton.click()
    change()
    wait(ended(widget), "the end of the run")
    if unfinishedFramesAreOffered(widget.ui):
        widget.ui.discardButton.click()


def test_input_removed_during_the_run(sequenceNode, widget):  # noqa: F811
    folders, otherNode = jobFolders(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")

    startAndChange(widget, lambda: slicer.mrmlScene.RemoveNode(sequenceNode))

    assert "removed" in widget.ui.statusLabel.text
    assert outputs() == []
    assert otherNode.GetScene() is slicer.mrmlScene
    assert jobFolders() == folders


def test_frame_removed_during_the_run(sequenceNode, widget):  # noqa: F811
    before = nodeIDs()

    startAndChange(widget, lambda: sequenceNode.RemoveDataNodeAtValue(sequenceNode.GetNthIndexValue(2)))

    assert "changed before all of it was read" in widget.ui.statusLabel.text
    assert nodeIDs() == before


def test_order_of_the_frames_changed_during_the_run(sequenceNode, widget):  # noqa: F811
    before = nodeIDs()

    startAndChange(widget, lambda: sequenceNode.UpdateIndexValue(sequenceNode.GetNthIndexValue(0), "99999"))

    assert "changed before all of it was read" in widget.ui.statusLabel.text
    assert nodeIDs() == before


def test_frame_edited_after_it_was_read_does_not_disturb_the_run(sequenceNode, phantom, widget):  # noqa: F811
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.volumesTable.rowCount >= 1, "a frame")

    sequenceNode.SetDataNodeAtValue(volumeFromImage(phantom[0][5].image), sequenceNode.GetNthIndexValue(0))
    wait(ended(widget), "the end of the run")

    assert "Done: 6 frames. The images of these frames were changed" in widget.ui.statusLabel.text


def test_output_removed_during_the_run_is_replaced_by_a_new_one(sequenceNode, widget):  # noqa: F811
    runToEnd(widget)
    (oldNode,) = outputs()
    widget.ui.outputSelector.setCurrentNode(oldNode)

    startAndChange(widget, lambda: slicer.mrmlScene.RemoveNode(oldNode))

    assert widget.ui.statusLabel.text == "Done: 6 frames."
    assert [node.GetNumberOfDataNodes() for node in outputs()] == [6]


def test_browser_removed_during_the_run(sequenceNode, browserNode, widget):  # noqa: F811
    startAndChange(widget, lambda: slicer.mrmlScene.RemoveNode(browserNode))

    assert not widget.ui.cancelButton.enabled
    assert sequenceNode.GetNumberOfDataNodes() == 6


def test_two_runs_into_the_same_output(sequenceNode, workers, widget):  # noqa: F811
    runToEnd(widget)
    (outputNode,) = outputs()
    widget.ui.outputSelector.setCurrentNode(outputNode)

    widget.ui.applyButton.click()
    widget.ui.applyButton.click()
    wait(lambda: len(workers) == 3 and not widget.ui.cancelButton.enabled, "both runs")

    assert outputs() == [outputNode]
    assert outputNode.GetNumberOfDataNodes() == 6
