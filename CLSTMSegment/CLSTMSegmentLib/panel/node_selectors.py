"""The node selectors of the panel: what they offer, what is suggested, and what happens when a node is removed."""

import slicer

from ..core.errors import InputError
from ..scene.browsers import proxyIDs
from ..scene.inputs import holds, isSingleVolume, resolveInput
from .parameter_node import CLSTMSegmentParameterNode

SELECTED_NODES = ("inputSequence", "outputSequence", "roi", "annotationSequence", "liveVolume")
"""The parameters that are nodes."""


def hideUnfitNodes(ui: object, single: bool) -> None:
    """Offer only sequences of volumes, and volumes, as input; and only what can be replaced as output and annotation.

    Args:
        ui: the panel's widgets.
        single: whether the input is a single volume, the output of which is a segmentation.
    """
    volumes, segmentations = "vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"
    sequences, proxies = _nodes("vtkMRMLSequenceNode"), proxyIDs(slicer.mrmlScene)
    withoutVolumes = [node.GetID() for node in sequences if not holds(node, volumes)]
    withoutSegmentations = [node.GetID() for node in sequences if not holds(node, segmentations)]
    otherVolumes = [node.GetID() for node in _nodes(volumes) if not isSingleVolume(node, proxies)]
    ui.inputSelector.sortFilterProxyModel().hiddenNodeIDs = withoutVolumes + otherVolumes
    ui.annotationSelector.sortFilterProxyModel().hiddenNodeIDs = withoutSegmentations
    notReplaced = [node.GetID() for node in _nodes(segmentations) if not single or node.GetID() in proxies]
    ui.outputSelector.sortFilterProxyModel().hiddenNodeIDs = notReplaced + (
        [node.GetID() for node in sequences] if single else withoutSegmentations
    )


def hideLabelmaps(selector: object) -> None:
    """Offer no labelmaps, which are volumes too; a colour volume is offered, and the user is told what is wrong."""
    selector.sortFilterProxyModel().hiddenNodeIDs = [node.GetID() for node in _nodes("vtkMRMLLabelMapVolumeNode")]


def suggestInput(parameters: CLSTMSegmentParameterNode) -> None:
    """Choose the sequence that the user looks at, or the only one, or else the volume; unless an input is chosen."""
    if parameters.inputSequence is not None:
        return
    selectionNode = slicer.app.applicationLogic().GetSelectionNode()
    activeVolume = slicer.mrmlScene.GetNodeByID(selectionNode.GetActiveVolumeID() or "")
    if activeVolume is not None:
        try:
            source = resolveInput(activeVolume)
            if not source.isSingle:
                parameters.inputSequence = source.node
                return
        except InputError:
            activeVolume = None  # it cannot be segmented
    sequences = [node for node in _nodes("vtkMRMLSequenceNode") if holds(node, "vtkMRMLScalarVolumeNode")]
    if len(sequences) == 1:
        parameters.inputSequence = sequences[0]
    elif not sequences:
        parameters.inputSequence = activeVolume


def deselect(parameters: CLSTMSegmentParameterNode, node: slicer.vtkMRMLNode) -> None:
    """Choose nothing where a node is chosen that is about to be removed.

    A selector would choose the neighbour of the node by itself, and the next run would replace that.
    """
    for name in SELECTED_NODES:
        if parameters.getValue(name) is node:
            parameters.setValue(name, None)


def _nodes(nodeClass: str) -> list[slicer.vtkMRMLNode]:
    count = slicer.mrmlScene.GetNumberOfNodesByClass(nodeClass)
    return [slicer.mrmlScene.GetNthNodeByClass(n, nodeClass) for n in range(count)]
