"""What the user draws in a sequence whose changes a browser does not save: it is stored before it is lost."""

from typing import NamedTuple

import slicer

from .browsers import browsersOf, othersStay, silent
from .labelmaps import binaryLabelmap, drawnSegments, segmentsOf
from .made_frames import frameContent, isDrawnAs


class _Drawing(NamedTuple):
    drawnAt: int
    indexValue: str
    segmentation: slicer.vtkSegmentation


def saveChanges(sequenceNode: slicer.vtkMRMLNode) -> None:
    """Make the browsers of a segmentation sequence save changes, and store what the user has drawn in it just now.

    Otherwise a drawing is shown until the next change of frames, but it is nowhere in the sequence. Call this before
    you change a sequence that is in the scene, read what is drawn in it, or ask whether anything is. A frame that was
    changed after its proxy stays as it is. Of two proxies of one frame, the one that was changed last counts.

    Args:
        sequenceNode: the sequence. A segmentation, as the result of a single volume is, stays as it is: what the user
            draws in it is in it.
    """
    if not sequenceNode.IsA("vtkMRMLSequenceNode"):
        return
    # the proxy of a sequence that a browser does not play now may show any frame
    browserNodes = [
        b for b in browsersOf(sequenceNode) if b.GetPlayback(sequenceNode) and not b.GetSaveChanges(sequenceNode)
    ]
    if not browserNodes:
        return
    # all of them are read before one is stored: the application then shows the stored frames in all proxies
    found = [_unsaved(browserNode, sequenceNode) for browserNode in browserNodes]
    for browserNode in browserNodes:
        with silent(browserNode):  # the application would show the stored frame again, without the drawing
            browserNode.SetSaveChanges(sequenceNode, True)
            if browserNode.GetMissingItemMode(sequenceNode) == browserNode.MissingItemCreateFromPrevious:
                # else what is drawn in one frame would be stored in each frame that is shown next
                browserNode.SetMissingItemMode(sequenceNode, browserNode.MissingItemCreateFromDefault)
    drawings = sorted((one for one in found if one is not None), key=lambda one: one.drawnAt)
    with othersStay(sequenceNode):
        for drawing in drawings:
            storedNode = sequenceNode.GetDataNodeAtValue(drawing.indexValue)
            if storedNode is None:
                storedNode = sequenceNode.SetDataNodeAtValue(slicer.vtkMRMLSegmentationNode(), drawing.indexValue)
            storedNode.GetSegmentation().DeepCopy(drawing.segmentation)
        for browserNode in browserNodes if drawings else []:
            slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)


def _unsaved(
    browserNode: slicer.vtkMRMLSequenceBrowserNode, sequenceNode: slicer.vtkMRMLSequenceNode
) -> _Drawing | None:
    """Return a copy of what is drawn in the proxy of a sequence, but not in the frame that it shows; None for none."""
    proxyNode, masterNode = browserNode.GetProxyNode(sequenceNode), browserNode.GetMasterSequenceNode()
    if proxyNode is None or masterNode is None:
        return None
    value = masterNode.GetNthIndexValue(browserNode.GetSelectedItemNumber())
    storedNode = sequenceNode.GetDataNodeAtValue(value)
    if storedNode is None:
        if not _isDrawnAnew(browserNode, sequenceNode, value):
            return None
    elif _drawnAt(proxyNode) <= _drawnAt(storedNode) or frameContent(proxyNode) == frameContent(storedNode):
        return None
    segmentation = slicer.vtkSegmentation()
    segmentation.DeepCopy(proxyNode.GetSegmentation())
    return _Drawing(_drawnAt(proxyNode), value, segmentation)


def _isDrawnAnew(
    browserNode: slicer.vtkMRMLSequenceBrowserNode, sequenceNode: slicer.vtkMRMLSequenceNode, indexValue: str
) -> bool:
    """Return whether something is drawn in the proxy of a sequence that has no frame at the selected index value."""
    proxyNode, mode = browserNode.GetProxyNode(sequenceNode), browserNode.GetMissingItemMode(sequenceNode)
    if mode in (browserNode.MissingItemIgnore, browserNode.MissingItemDisplayHidden):  # it shows another frame still
        return False
    isCopied = mode == browserNode.MissingItemCreateFromPrevious
    before = sequenceNode.GetDataNodeAtValue(indexValue, False) if isCopied else None
    return bool(drawnSegments(proxyNode)) and (before is None or not isDrawnAs(proxyNode, before))


def _drawnAt(node: slicer.vtkMRMLSegmentationNode) -> int:
    """Return a number that is the larger, the later the segments of a node were added, removed or drawn."""
    segments = [segment for _id, segment in segmentsOf(node)]
    labelmaps = [segment.GetRepresentation(binaryLabelmap()) for segment in segments]
    drawn = [one for one in [node.GetSegmentation(), *segments, *labelmaps] if one is not None]
    return max(one.GetMTime() for one in drawn)
