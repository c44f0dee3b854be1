"""Drawings in sequences whose changes a browser does not save: they are stored, and nothing else is."""

import pytest
import slicer
from CLSTMSegmentLib.scene.made_frames import drawnFrames
from CLSTMSegmentLib.scene.unsaved_drawings import saveChanges

from scene.conftest import play, secondBrowser
from scene.segmentations import finishedOutput
from scene.test_edited_frames import CORRECTION, edit, voxelsOf


@pytest.fixture
def ownSequence(scene, sequenceNode, browserNode, phantom):
    """A segmentation sequence that the user has made, with Slicer's defaults: only frame 0 is there, and is drawn."""
    ownNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Mine")
    ownNode.SetIndexName("time")
    node = slicer.vtkMRMLSegmentationNode()
    node.GetSegmentation().AddEmptySegment("inner", "Inner")
    edit(node, "inner", phantom[0][0].image, CORRECTION)
    ownNode.SetDataNodeAtValue(node, sequenceNode.GetNthIndexValue(0))
    browserNode.AddSynchronizedSequenceNode(ownNode)
    play(browserNode, 0)
    return ownNode


def drawn(sequenceNode):
    """Return the number of voxels of the segment by index value, of the frames in which it is drawn."""
    nodes = {
        sequenceNode.GetNthIndexValue(n): sequenceNode.GetNthDataNode(n)
        for n in range(sequenceNode.GetNumberOfDataNodes())
    }
    voxels = {
        value: voxelsOf(node, "inner") if node.GetSegmentation().GetSegment("inner") else 0
        for value, node in nodes.items()
    }
    return {value: count for value, count in voxels.items() if count}


def test_drawing_is_not_copied_into_the_frames_that_are_shown_next(sequenceNode, browserNode, ownSequence):
    saveChanges(ownSequence)
    for number in range(6):
        play(browserNode, number)

    assert drawn(ownSequence) == {sequenceNode.GetNthIndexValue(0): 200}


def test_drawing_in_a_frame_that_the_sequence_does_not_have_yet_is_stored_there(
    sequenceNode, browserNode, ownSequence, phantom
):
    play(browserNode, 3)
    larger = (slice(3, 5), slice(20, 30), slice(20, 35))
    edit(browserNode.GetProxyNode(ownSequence), "inner", phantom[0][3].image, larger)

    saveChanges(ownSequence)

    assert drawn(ownSequence) == {sequenceNode.GetNthIndexValue(0): 200, sequenceNode.GetNthIndexValue(3): 300}


def test_frame_that_is_only_shown_is_not_stored(sequenceNode, browserNode, ownSequence):
    play(browserNode, 3)

    saveChanges(ownSequence)

    assert drawn(ownSequence) == {sequenceNode.GetNthIndexValue(0): 200}


def test_proxy_that_the_browser_does_not_play_is_not_taken_for_the_selected_frame(browserNode, ownSequence, phantom):
    node = slicer.vtkMRMLSegmentationNode()
    node.GetSegmentation().AddEmptySegment("inner", "Inner")
    ownSequence.SetDataNodeAtValue(node, browserNode.GetMasterSequenceNode().GetNthIndexValue(3))
    browserNode.SetPlayback(ownSequence, False)
    edit(browserNode.GetProxyNode(ownSequence), "inner", phantom[0][0].image, CORRECTION)
    before = drawn(ownSequence)
    play(browserNode, 3)

    saveChanges(ownSequence)

    assert drawn(ownSequence) == before


def test_frames_that_a_run_has_not_made_are_not_taken_for_drawn_when_a_second_browser_shows_them(sequenceNode, phantom):
    resultNode = finishedOutput(sequenceNode, phantom).publish()
    resultNode.RemoveDataNodeAtValue(sequenceNode.GetNthIndexValue(3))
    proxyNode = secondBrowser(sequenceNode, resultNode, 0)
    browserNodes = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")

    saveChanges(resultNode)
    for browserNode in browserNodes:
        for number in range(6):
            play(browserNode, number)

    assert proxyNode.GetScene() is not None
    assert list(drawnFrames(resultNode, emptied=True)) == []
