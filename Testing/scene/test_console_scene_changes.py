"""The scene changes while a run of the Python console lets the application work."""

import pytest
import slicer
from CLSTMSegmentLib.core.errors import InputError

from scene.segmentations import finishedOutput
from scene.test_edited_frames import CORRECTION, edit, voxelsOf
from scene.test_logic import logic  # noqa: F401


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

    with pytest.raises(InputError, match="the input was removed during the run"):
        logic.segment(sequenceNode, model=bundle, device="cpu", progress=remove)

    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []


def test_frame_moved_meanwhile_is_named(sequenceNode, logic, bundle):  # noqa: F811
    move = once(lambda: sequenceNode.GetNthDataNode(0).SetOrigin(300.0, 0.0, 0.0))

    with pytest.raises(InputError, match=r"frame 0 \(.*\) of 'Cine' was moved or resized during the run"):
        logic.segment(sequenceNode, model=bundle, device="cpu", progress=move)

    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []
