"""What a user may do to the scene while a run is under way."""

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
    wait,
    widget,
)


def startAndStop(widget, change):  # noqa: F811
    """Press Segment, change something at once, and wait for the end."""
    widget.ui.applyButton.click()
    change()
    wait(ended(widget), "the run's end")
    if widget.ui.unfinishedWidget.isVisibleTo(widget.ui.unfinishedWidget.parentWidget()):
        widget.ui.discardButton.click()


def test_input_removed_during_the_run(sequence, widget):  # noqa: F811
    folders, other = jobFolders(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    startAndStop(widget, lambda: slicer.mrmlScene.RemoveNode(sequence))
    assert "removed" in widget.ui.statusLabel.text
    assert outputs() == []
    assert other.GetScene() is slicer.mrmlScene
    assert jobFolders() == folders


def test_frame_removed_during_the_run(sequence, widget):  # noqa: F811
    before = nodeIDs()
    startAndStop(widget, lambda: sequence.RemoveDataNodeAtValue(sequence.GetNthIndexValue(2)))
    assert "changed before all of it was read" in widget.ui.statusLabel.text
    assert nodeIDs() == before


def test_frames_put_in_another_order_during_the_run(sequence, widget):  # noqa: F811
    before = nodeIDs()
    startAndStop(widget, lambda: sequence.UpdateIndexValue(sequence.GetNthIndexValue(0), "99999"))
    assert "changed before all of it was read" in widget.ui.statusLabel.text
    assert nodeIDs() == before


def test_frame_edited_after_it_was_read_does_not_disturb_the_run(sequence, phantom, widget):  # noqa: F811
    widget.ui.applyButton.click()
    wait(lambda: widget.ui.volumesTable.rowCount >= 1, "a frame")
    sequence.SetDataNodeAtValue(volumeFromImage(phantom[0][5].image), sequence.GetNthIndexValue(0))
    wait(ended(widget), "the run's end")
    assert widget.ui.statusLabel.text == "Done: 6 frames."


def test_output_removed_during_the_run_is_made_anew(sequence, widget):  # noqa: F811
    runToEnd(widget)
    (old,) = outputs()
    widget.ui.outputSelector.setCurrentNode(old)
    startAndStop(widget, lambda: slicer.mrmlScene.RemoveNode(old))
    assert widget.ui.statusLabel.text == "Done: 6 frames."
    assert [node.GetNumberOfDataNodes() for node in outputs()] == [6]


def test_browser_removed_during_the_run(sequence, widget):  # noqa: F811
    startAndStop(widget, lambda: slicer.mrmlScene.RemoveNode(resolveInput(sequence).browserNode))
    assert not widget.ui.cancelButton.enabled
    assert sequence.GetNumberOfDataNodes() == 6


def test_two_runs_into_the_same_output(sequence, widget):  # noqa: F811
    runToEnd(widget)
    (output,) = outputs()
    widget.ui.outputSelector.setCurrentNode(output)
    widget.ui.applyButton.click()
    widget.ui.applyButton.click()
    wait(lambda: not widget.panel._waiting and not widget.ui.cancelButton.enabled, "both runs")
    assert outputs() == [output]
    assert output.GetNumberOfDataNodes() == 6
