"""Runs in the background that a script starts: `logic.process`."""

import pytest
import slicer
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput

import CLSTMSegment
from panel.conftest import jobFolders, outputs, wait


@pytest.fixture
def process(scene, bundle):
    """Start runs with the small model on the CPU; what is left of them is ended after the test."""
    logic, runs = CLSTMSegment.CLSTMSegmentLogic(), []

    def begin(node, **arguments):
        runs.append(logic.process(node, **{"model": bundle, "device": "cpu"} | arguments))
        return runs[-1]

    yield begin
    for run in runs:
        run.cancel()


def test_script_goes_on_and_is_told_of_each_frame_and_of_the_end(sequence, process):
    frames, ends, folders = [], [], jobFolders()

    def onFrame(number):
        (outputNode,) = outputs()
        frames.append((number, outputNode.GetNumberOfDataNodes()))

    run = process(sequence, frames=[1, 3], onFrame=onFrame, onFinished=ends.append)
    assert run.state == "running"
    assert not frames
    wait(lambda: ends, "the end of the run")

    assert ends == [run]
    assert (run.state, run.message) == ("done", "")
    assert frames == [(1, 1), (3, 2)]
    assert run.curve.numbers == [1, 3]
    assert run.report.device == "cpu"
    (outputNode,) = outputs()
    assert resolveInput(sequence).browserNode.IsSynchronizedSequenceNode(outputNode)
    assert jobFolders() <= folders


def test_cancelled_run_is_told_once(sequence, process):
    ends = []
    run = process(sequence, onFinished=ends.append)

    run.cancel()

    assert [end.state for end in ends] == ["cancelled"]
    assert outputs() == []


def test_failed_run_says_why(sequence, process):
    ends = []
    run = process(sequence, onFinished=ends.append)

    slicer.mrmlScene.RemoveNode(sequence)
    wait(lambda: ends, "the end of the run")

    assert run.state == "failed"
    assert "removed" in run.message


def test_wrong_setting_is_an_error_before_anything_starts(sequence, process):
    folders = jobFolders()

    with pytest.raises(InputError, match="unknown settings tiles"):
        process(sequence, tiles=3)
    with pytest.raises(InputError, match="the sequence has frames 0 to 5"):
        process(sequence, frames=[6])

    assert jobFolders() <= folders


def test_single_volume_becomes_a_segmentation(scene, process, phantom):
    volumeNode = scene.AddNode(volumeFromImage(phantom[0][0].image))
    outputNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    ends = []

    process(volumeNode, output=outputNode, onFinished=ends.append)
    wait(lambda: ends, "the end of the run")

    assert ends[0].state == "done"
    assert list(outputNode.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
