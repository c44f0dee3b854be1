"""Which nodes of a scene can be the output for an input."""

import slicer

from ..core.errors import InputError
from .browsers import browserOfProxy
from .inputs import SequenceInput
from .live_output import isLive


def checkOutputFor(outputNode: slicer.vtkMRMLNode, source: SequenceInput) -> None:
    """Raise an InputError unless a node can be the output for an input.

    Args:
        outputNode: for a sequence, a segmentation sequence or an empty one; for a single volume, a segmentation.
        source: the input; it cannot be its own output.
    """
    name = outputNode.GetName()
    if outputNode in (source.node, source.sequenceNode):
        raise InputError("the output is the input itself: choose another output")
    if outputNode.GetScene() is not source.node.GetScene():
        raise InputError(f"output {name!r} is not in the scene of the input: add it there first")
    if source.isSingle:
        if not outputNode.IsA("vtkMRMLSegmentationNode"):
            raise InputError(f"output {name!r} is not a segmentation: choose one, because the input is a single volume")
        if browserOfProxy(outputNode) is not None:
            raise InputError(f"output {name!r} shows a frame of a sequence, and is no output: choose another one")
        if isLive(outputNode):
            raise InputError(f"live segmentation goes on in output {name!r}: stop it, or choose another output")
        return
    if not outputNode.IsA("vtkMRMLSequenceNode"):
        raise InputError(f"output {name!r} is not a sequence: choose a segmentation sequence")
    if any(
        not outputNode.GetNthDataNode(number).IsA("vtkMRMLSegmentationNode")
        for number in range(outputNode.GetNumberOfDataNodes())
    ):
        raise InputError(f"output {name!r} contains nodes that are not segmentations: choose another output")
