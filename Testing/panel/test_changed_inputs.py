"""Frames of the input sequence that are moved or changed while a run is going on; with a fake worker."""

import pytest
import slicer
import vtk
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.worker.events import Done
from scene.conftest import play
from scene.segmentations import segmentedFrames

from panel.conftest import outputs, report, unfinishedFramesAreOffered, wait


def harden(volumeNode):
    """Move a volume by 300 mm as a hardened transform does."""
    matrix, transform = vtk.vtkMatrix4x4(), vtk.vtkTransform()
    matrix.SetElement(0, 3, 300.0)
    transform.SetMatrix(matrix)
    volumeNode.ApplyTransform(transform)


def setSpacing(volumeNode):
    """Correct a wrong spacing."""
    volumeNode.SetSpacing(5.0, 5.0, 5.0)


@pytest.fixture
def started(sequence, fakePanel, fakes):
    """The widgets of a panel, and its worker, to which all frames were handed over."""
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakePanel.applyButton.click()
    wait(lambda: all(fakes[-1].folder.has_frame(number) for number in range(6)), "all frames")
    return fakePanel, fakes[-1]


def finish(ui, worker, frames):
    """Let the worker report some frames, and the end of the run."""
    report(worker, frames)
    worker.reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")


@pytest.mark.parametrize("move", [harden, setSpacing])
def test_frame_that_is_moved_during_the_run_is_named_and_gets_no_labels_beside_it(sequence, started, phantom, move):
    ui, worker = started
    move(sequence.GetNthDataNode(2))

    finish(ui, worker, segmentedFrames(sequence, phantom))

    value = sequence.GetNthIndexValue(2)
    assert f"frame 2 ({value}) of 'Cine' was moved or resized after it was read" in ui.statusLabel.text
    assert [node.GetNumberOfDataNodes() for node in outputs()] == [2]
    assert unfinishedFramesAreOffered(ui)


def test_frame_that_is_moved_after_its_labels_came_ends_the_run_as_failed(sequence, started, phantom):
    ui, worker = started
    frames = segmentedFrames(sequence, phantom)
    report(worker, frames[:3])
    wait(lambda: ui.volumesTable.rowCount == 3, "three frames")

    harden(sequence.GetNthDataNode(0))
    finish(ui, worker, frames[3:])

    assert "frame 0 (" in ui.statusLabel.text
    assert "was moved or resized after it was read" in ui.statusLabel.text


def test_frames_that_get_other_voxels_during_the_run_are_named(sequence, started, phantom):
    ui, worker = started
    voxels = slicer.util.arrayFromVolume(sequence.GetNthDataNode(1))
    voxels[:] = 7
    slicer.util.arrayFromVolumeModified(sequence.GetNthDataNode(1))
    sequence.SetDataNodeAtValue(volumeFromImage(phantom[0][0].image), sequence.GetNthIndexValue(4))

    finish(ui, worker, segmentedFrames(sequence, phantom))

    assert "Done: 6 frames." in ui.statusLabel.text
    assert "changed after they were read, and their labels do not follow: 1, 4." in ui.statusLabel.text


def test_frames_that_get_other_index_values_once_all_were_read_are_named(sequence, started, phantom):
    ui, worker = started
    frames = segmentedFrames(sequence, phantom)
    for number in (5, 4):
        sequence.UpdateIndexValue(sequence.GetNthIndexValue(number), str(1000 + number))

    finish(ui, worker, frames)

    assert "Done: 6 frames." in ui.statusLabel.text
    assert "so that their labels are shown with no image: 4, 5." in ui.statusLabel.text


def test_frames_that_are_only_looked_at_during_the_run_are_not_taken_for_changed(sequence, started, phantom):
    ui, worker = started
    browserNode = resolveInput(sequence).browserNode
    browserNode.SetSaveChanges(sequence, True)

    for number in (3, 1, 0):
        play(browserNode, number)
    finish(ui, worker, segmentedFrames(sequence, phantom))

    assert ui.statusLabel.text == "Done: 6 frames."


def test_browser_that_records_is_told(sequence, fakePanel, fakes, phantom):
    browserNode = resolveInput(sequence).browserNode
    fakePanel.inputSelector.setCurrentNode(sequence)
    browserNode.SetRecordingActive(True)

    fakePanel.applyButton.click()
    finish(fakePanel, fakes[-1], segmentedFrames(sequence, phantom))

    assert fakePanel.statusLabel.text == "'Cine browser' is recording: stop the recording, then start again"
