"""Real MRML for the scene tests."""

import pytest
import slicer
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from host import application, qt

application.start()


@pytest.fixture
def scene():
    """A new scene of the application; an exception in a slot, which is only printed, fails the test."""
    qt.failures.clear()
    slicer.mrmlScene = application.newScene()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(1)
    assert qt.failures == []


@pytest.fixture
def sequenceNode(scene, phantom):
    """The phantom as a sequence in the scene, with a browser that plays it."""
    return addSequence(scene, phantom[0])


@pytest.fixture
def source(sequenceNode):
    """The same sequence as an input."""
    return resolveInput(sequenceNode)


@pytest.fixture
def browserNode(source):
    """The browser that plays the sequence."""
    return source.browserNode


@pytest.fixture
def proxyNode(source):
    """The volume that shows the selected frame of the sequence."""
    return source.proxyNode


def addSequence(scene, frames, name="Cine", browser=True):
    """Add a sequence of volumes, indexed by time in ms, and a browser that plays it."""
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
    """Do what Slicer does when the user moves the slider of the browser."""
    if item is not None:
        browserNode.SetSelectedItemNumber(item)
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)


def secondBrowser(masterNode, segmentationsNode, item):
    """Return what shows an item of a segmentation sequence in a second browser, which saves no changes by default."""
    browserNode = masterNode.GetScene().AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Second browser")
    browserNode.SetAndObserveMasterSequenceNodeID(masterNode.GetID())
    if segmentationsNode is not masterNode:
        browserNode.AddSynchronizedSequenceNode(segmentationsNode)
    play(browserNode, item)
    assert not browserNode.GetSaveChanges(segmentationsNode)
    return browserNode.GetProxyNode(segmentationsNode)
