"""Outputs survive saving and reloading, and play afterwards."""

import slicer
from CLSTMSegmentLib.scene.headless import writeSequence
from CLSTMSegmentLib.scene.inputs import resolveInput
from host import application

from scene.conftest import play
from scene.segmentations import finishedOutput, positionsOfLabel, positionsOfSegment, samePositions


def assertPlaysInStep(outputNode, sequenceNode, phantom):
    """Check that the browser of the sequence plays image and segmentation in step."""
    assert [outputNode.GetNthIndexValue(n) for n in range(6)] == [frame.index_value for frame in phantom[0]]
    browserNode = resolveInput(sequenceNode).browserNode
    assert browserNode.IsSynchronizedSequenceNode(outputNode)
    for item in (5, 1):
        play(browserNode, item)
        proxyNode = browserNode.GetProxyNode(outputNode)
        assert list(proxyNode.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
        for value, segmentID in enumerate(("inner", "outer"), start=1):
            assert samePositions(positionsOfSegment(proxyNode, segmentID), positionsOfLabel(phantom[1][item], value))


def test_scene_bundle_is_saved_and_reloaded_and_plays(scene, sequenceNode, phantom, tmp_path):
    names = finishedOutput(sequenceNode, phantom).publish().GetName(), sequenceNode.GetName()

    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(1)
    slicer.mrmlScene = reloaded = application.newScene()
    assert reloaded.ReadFromMRB(str(tmp_path / "scene.mrb"))

    assertPlaysInStep(*(reloaded.GetFirstNodeByName(name) for name in names), phantom)


def test_sequence_file_is_saved_and_reloaded_and_plays(scene, sequenceNode, browserNode, phantom, tmp_path):
    path = tmp_path / "segmentation ü.seq.mrb"
    outputNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Reloaded")
    storageNode = scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
    storageNode.SetFileName(str(path))

    writeSequence(finishedOutput(sequenceNode, phantom).sequenceNode, path)
    assert storageNode.ReadData(outputNode)
    browserNode.AddSynchronizedSequenceNode(outputNode)

    assertPlaysInStep(outputNode, sequenceNode, phantom)
