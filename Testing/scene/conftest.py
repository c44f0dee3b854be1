"""Real MRML for the scene tests."""

import pytest
import slicer
from CLSTMSegmentLib.scene.images import volumeFromImage
from host import application

application.start()


@pytest.fixture
def scene():
    """A new application scene, with a folder in its subject hierarchy."""
    slicer.mrmlScene = application.newScene()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(1)


def addSequence(scene, frames, name="Cine", browser=True):
    """A sequence of volumes, indexed by time in ms, with a browser whose proxy it is seen through."""
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequenceNode.SetIndexName("time")
    sequenceNode.SetIndexUnit("ms")
    for frame in frames:
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), frame.index_value)
    if browser:
        browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} browser")
        browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
        play(browserNode)
    return sequenceNode


def play(browserNode, item=None):
    """What Slicer does when the user moves the browser's slider."""
    if item is not None:
        browserNode.SetSelectedItemNumber(item)
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
