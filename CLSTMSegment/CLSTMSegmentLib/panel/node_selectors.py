"""The node selectors of the panel: what they offer, what is suggested, and what happens when a node is removed."""

import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError
from ..scene.inputs import holds, resolveInput
from .parameter_node import CLSTMSegmentParameterNode

SELECTED_NODES = ("inputSequence", "outputSequence", "roi", "annotationSequence")
"""The parameters that are nodes."""


def hideUnfitNodes(ui: object) -> None:
    """Offer only sequences of volumes as input, and only sequences of segmentations as output and annotation."""
    unfit = {"vtkMRMLScalarVolumeNode": [], "vtkMRMLSegmentationNode": []}
    for node in _sequences():
        for kind, nodeIDs in unfit.items():
            if not holds(node, kind):
                nodeIDs.append(node.GetID())
    ui.inputSelector.sortFilterProxyModel().hiddenNodeIDs = unfit["vtkMRMLScalarVolumeNode"]
    for selector in (ui.outputSelector, ui.annotationSelector):
        selector.sortFilterProxyModel().hiddenNodeIDs = unfit["vtkMRMLSegmentationNode"]


def suggestInput(parameters: CLSTMSegmentParameterNode) -> None:
    """Choose the sequence that the user is looking at, or the only one, unless one is chosen."""
    if parameters.inputSequence is not None:
        return
    selectionNode = slicer.app.applicationLogic().GetSelectionNode()
    activeVolume = slicer.mrmlScene.GetNodeByID(selectionNode.GetActiveVolumeID() or "")
    if activeVolume is not None:
        try:
            parameters.inputSequence = resolveInput(activeVolume).sequenceNode
            return
        except InputError:
            pass  # a volume that is in no sequence
    sequences = [node for node in _sequences() if holds(node, "vtkMRMLScalarVolumeNode")]
    if len(sequences) == 1:
        parameters.inputSequence = sequences[0]


def deselect(parameters: CLSTMSegmentParameterNode, node: slicer.vtkMRMLNode) -> None:
    """Choose nothing where a node is chosen that is about to be removed.

    A selector would choose the neighbour of the node by itself, and the next run would replace that.
    """
    for name in SELECTED_NODES:
        if parameters.getValue(name) is node:
            parameters.setValue(name, None)


def mayReplace(outputNode: slicer.vtkMRMLSequenceNode | None, allowed: set[str]) -> bool:
    """Return whether a run may replace the frames of an output; the user is asked once for each output.

    Args:
        outputNode: the output; None for a new one.
        allowed: IDs of the outputs for which the user has agreed, to which this one is added.
    """
    if outputNode is None or outputNode.GetNumberOfDataNodes() == 0 or outputNode.GetID() in allowed:
        return True
    question = _("The {count} frames of {name} will be replaced when the run has finished.")
    if not slicer.util.confirmOkCancelDisplay(
        question.format(count=outputNode.GetNumberOfDataNodes(), name=outputNode.GetName()), _("Replace the output")
    ):
        return False
    allowed.add(outputNode.GetID())
    return True


def _sequences() -> list[slicer.vtkMRMLSequenceNode]:
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")
    return [slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSequenceNode") for n in range(count)]
