"""An output is placed beside its input: its index, browser, transform, geometry and folder are those of the input."""

from itertools import pairwise

import slicer

from ..core.errors import InputError
from .frame_reviews import REVIEWS_ATTRIBUTE
from .inputs import SequenceFrames, SequenceInput


def copyIndex(fromNode: slicer.vtkMRMLSequenceNode, toNode: slicer.vtkMRMLSequenceNode) -> None:
    """Copy name, unit, type and tolerance of the index from one sequence node to another.

    The tolerance becomes smaller where frames of neighbouring values would become one frame in the other node. Values
    that are not different numbers are texts there: as numbers, MRML would take ED and ES for one value.
    """
    tolerance, index = fromNode.GetNumericIndexValueTolerance(), SequenceFrames(fromNode).index
    toNode.SetIndexName(index.name)
    toNode.SetIndexUnit(index.unit)
    toNode.SetIndexTypeFromString(index.type)
    if index.is_numeric:
        numbers = sorted(map(float, index.values))
        tolerance = min([tolerance, *((b - a) / 2 for a, b in pairwise(numbers))])
    toNode.SetNumericIndexValueTolerance(tolerance)


def checkNotRecording(source: SequenceInput, sequenceNode: slicer.vtkMRMLSequenceNode) -> None:
    """Raise an InputError if the input's browser is recording, so that it cannot begin to show an output.

    Args:
        source: the input.
        sequenceNode: the output.
    """
    browserNode = source.browserNode
    isThere = browserNode is not None and browserNode.GetScene() is not None
    if isThere and browserNode.GetRecordingActive() and browserNode.GetProxyNode(sequenceNode) is None:
        raise InputError(f"{browserNode.GetName()!r} is recording: stop the recording, then start again")


def playBeside(source: SequenceInput, sequenceNode: slicer.vtkMRMLSequenceNode, isReplaced: bool = False) -> None:
    """Make the input's browser play the output beside the input; the selected item and playback stay as they are.

    The proxy is placed beside that of the input when it is made, and not again: the user may put it elsewhere then.
    The browser changes, so call this in a block of `browsers.othersStay`.

    Args:
        source: the input.
        sequenceNode: the output.
        isReplaced: whether the output was there before, and has just got other frames, which lie on the input.
    """
    browserNode = source.browserNode
    isNew = browserNode.GetProxyNode(sequenceNode) is None
    selectedItem, playing = browserNode.GetSelectedItemNumber(), browserNode.GetPlaybackActive()
    if not browserNode.IsSynchronizedSequenceNode(sequenceNode, True):
        wasModifying = browserNode.StartModify()
        browserNode.AddSynchronizedSequenceNode(sequenceNode)
        browserNode.EndModify(wasModifying)
    # for a frame that was not segmented nothing is shown, and no item is added to the output
    browserNode.SetMissingItemMode(sequenceNode, slicer.vtkMRMLSequenceBrowserNode.MissingItemSetToDefault)
    # without this, what the user edits is thrown away at the next change of frames, with the visibility of segments
    browserNode.SetSaveChanges(sequenceNode, True)
    # the application does this later by itself, but the proxy is needed now
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
    proxyNode = browserNode.GetProxyNode(sequenceNode)
    if isNew:
        placeBeside(source, proxyNode)
    elif isReplaced:
        layOn(source, proxyNode)
    browserNode.SetSelectedItemNumber(selectedItem)
    browserNode.SetPlaybackActive(playing)


def placeBeside(source: SequenceInput, proxyNode: slicer.vtkMRMLSegmentationNode) -> None:
    """Give a proxy the parent transform, reference geometry and subject hierarchy folder of the input's proxy."""
    if source.proxyNode is not None:
        layOn(source, proxyNode)
        moveToFolderOf(source.proxyNode, proxyNode)


def layOn(source: SequenceInput, proxyNode: slicer.vtkMRMLSegmentationNode) -> None:
    """Give a proxy the parent transform and the reference geometry of the input's proxy."""
    if source.proxyNode is not None:
        proxyNode.SetAndObserveTransformNodeID(source.proxyNode.GetTransformNodeID())
        proxyNode.SetNodeReferenceID(proxyNode.GetReferenceImageGeometryReferenceRole(), source.proxyNode.GetID())


def moveToFolderOf(neighbour: slicer.vtkMRMLNode, node: slicer.vtkMRMLNode) -> None:
    """Move a node into the subject hierarchy folder of another one."""
    hierarchyNode = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    neighbourItem = hierarchyNode.GetItemByDataNode(neighbour)
    if not neighbourItem:
        return
    parentItem = hierarchyNode.GetItemParent(neighbourItem)
    item = hierarchyNode.GetItemByDataNode(node)
    if item:
        hierarchyNode.SetItemParent(item, parentItem)
    else:
        hierarchyNode.CreateItem(parentItem, node)


def replaceFrames(outputNode: slicer.vtkMRMLSequenceNode, frames: slicer.vtkMRMLSequenceNode) -> None:
    """Replace the frames of a result, their index and the marks of the user by those of another sequence."""
    wasModifying = outputNode.StartModify()
    outputNode.RemoveAllDataNodes()
    outputNode.SetAttribute(REVIEWS_ATTRIBUTE, frames.GetAttribute(REVIEWS_ATTRIBUTE))  # what was marked meanwhile
    copyIndex(frames, outputNode)
    for number in range(frames.GetNumberOfDataNodes()):
        outputNode.SetDataNodeAtValue(frames.GetNthDataNode(number), frames.GetNthIndexValue(number))
    outputNode.EndModify(wasModifying)
