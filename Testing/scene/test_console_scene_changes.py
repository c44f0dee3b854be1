"""The scene changes while a run of the Python console lets the application work."""

import pytest
import slicer
from CLSTMSegmentLib.core.errors import Cancelled, InputError

from scene.segmentations import finishedOutput
from scene.test_edited_frames import CORRECTION, edit, voxelsOf
from scene.test_logic import logic, nodesOf  # noqa: F401


def once(change):
    """Return a callback of a run that changes the scene at its first call."""
    changes = iter([change])
    return lambda progress: next(changes, lambda: None)()


def test_output_removed_meanwhile_is_replaced_by_a_new_one(scene, sequenceNode, logic, bundle, phantom):  # noqa: F811
    oldNode = finishedOutput(sequenceNode, phantom, [0]).publish()
    remove = once(lambda: scene.RemoveNode(oldNode))

    outputNode = logic.segment(sequenceNode, model=bundle, output=oldNode, device="cpu", progress=remove)

    assert outputNode.GetScene() is scene
    assert outputNode is not oldNode
    assert outputNode.GetNumberOfDataNodes() == 6


def test_output_corrected_meanwhile_stays_as_it_is(
    sequenceNode,
    browserNode,
    logic,  # noqa: F811
    bundle,
    phantom,
):
    oldNode = finishedOutput(sequenceNode, phantom).publish()
    shown = browserNode.GetProxyNode(oldNode)
    correct = once(lambda: edit(shown, "inner", phantom[0][0].image, CORRECTION))

    outputNode = logic.segment(sequenceNode, model=bundle, output=oldNode, device="cpu", progress=correct)

    assert outputNode is not oldNode
    assert voxelsOf(oldNode.GetNthDataNode(0), "inner") == 200


def test_input_removed_meanwhile_is_told(scene, sequenceNode, logic, bundle):  # noqa: F811
    remove = once(lambda: scene.RemoveNode(sequenceNode))

    with pytest.raises(InputError, match="the input 'Cine' was removed after the run had begun"):
        logic.segment(sequenceNode, model=bundle, device="cpu", progress=remove)

    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []


@pytest.mark.parametrize("removed", [0, 5], ids=["the first frame", "the last frame"])
def test_frame_removed_before_it_was_read_is_told(sequenceNode, logic, bundle, removed):  # noqa: F811
    remove = once(lambda: sequenceNode.RemoveDataNodeAtValue(sequenceNode.GetNthIndexValue(removed)))

    with pytest.raises(InputError, match="the input sequence 'Cine' was changed before all of it was read"):
        logic.segment(sequenceNode, model=bundle, device="cpu", progress=remove)

    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []


def test_frame_moved_meanwhile_is_named(sequenceNode, logic, bundle):  # noqa: F811
    move = once(lambda: sequenceNode.GetNthDataNode(0).SetOrigin(300.0, 0.0, 0.0))

    with pytest.raises(InputError, match=r"frame 0 \(.*\) of 'Cine' was moved or resized after it was read"):
        logic.segment(sequenceNode, model=bundle, device="cpu", progress=move)

    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []


CHANGES = {
    "removed": (lambda scene, node: scene.RemoveNode(node), "the input 'Cine' was removed after the run had begun"),
    "moved": (
        lambda _scene, node: node.GetNthDataNode(1).SetOrigin(300.0, 0.0, 0.0),
        r"frame 1 \(.*\) of 'Cine' was moved or resized after it was read",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_unfinished_frames_are_not_added_where_their_input_lay(
    scene,
    sequenceNode,
    logic,  # noqa: F811
    bundle,
    change,
    message,
):
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        logic.segment(sequenceNode, model=bundle, device="cpu", cancelled=lambda: next(answers))
    change(scene, sequenceNode)
    before = nodesOf(scene)

    with pytest.raises(InputError, match=message):
        logic.unfinished.publish()

    assert nodesOf(scene) == before


def test_nothing_is_added_while_the_browser_records(scene, sequenceNode, browserNode, logic, bundle):  # noqa: F811
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        logic.segment(sequenceNode, model=bundle, device="cpu", cancelled=lambda: next(answers))
    browserNode.SetRecordingActive(True)
    before = nodesOf(scene)

    with pytest.raises(InputError, match="is recording: stop the recording"):
        logic.unfinished.publish()

    assert nodesOf(scene) == before
    browserNode.SetRecordingActive(False)
    assert logic.unfinished.publish().GetNumberOfDataNodes() > 0


def test_output_that_the_browser_plays_already_is_replaced_while_it_records(
    sequenceNode,
    browserNode,
    logic,  # noqa: F811
    bundle,
    phantom,
):
    oldNode = finishedOutput(sequenceNode, phantom, [0]).publish()
    browserNode.SetRecordingActive(True)

    assert logic.segment(sequenceNode, model=bundle, output=oldNode, device="cpu") is oldNode

    assert oldNode.GetNumberOfDataNodes() == 6
