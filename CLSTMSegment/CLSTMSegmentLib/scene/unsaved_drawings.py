"""What the user draws in a sequence whose changes a browser does not save: it is stored before it is lost."""

from typing import NamedTuple

import slicer

from .browsers import browsersOf, othersStay, silent
from .labelmaps import binaryLabelmap, segmentsOf
from .made_frames import frameContent


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
    browserNodes = [b for b in browsersOf(sequenceNode) if not b.GetSaveChanges(sequenceNode)]
    if not browserNodes:
        return
    # all of them are read before one is stored: the application then shows the stored frames in all proxies
    found = [_unsaved(browserNode, sequenceNode) for browserNode in browserNodes]
    for browserNode in browserNodes:
        with silent(browserNode):  # the application would show the stored frame again, without the drawing
            browserNode.SetSaveChanges(sequenceNode, True)
    drawings = sorted((one for one in found if one is not None), key=lambda one: one.drawnAt)
    with othersStay(sequenceNode):
        for drawing in drawings:
            sequenceNode.GetDataNodeAtValue(drawing.indexValue).GetSegmentation().DeepCopy(drawing.segmentation)
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
    if storedNode is None or _drawnAt(proxyNode) <= _drawnAt(storedNode):
        return None
    if frameContent(proxyNode) == frameContent(storedNode):
        return None
    segmentation = slicer.vtkSegmentation()
    segmentation.DeepCopy(proxyNode.GetSegmentation())
    return _Drawing(_drawnAt(proxyNode), value, segmentation)


def _drawnAt(node: slicer.vtkMRMLSegmentationNode) -> int:
    """Return a number that is the larger, the later the segments of a node were added, removed or drawn."""
    segments = [segment for _id, segment in segmentsOf(node)]
    labelmaps = [segment.GetRepresentation(binaryLabelmap()) for segment in segments]
    drawn = [one for one in [node.GetSegmentation(), *segments, *labelmaps] if one is not None]
    return max(one.GetMTime() for one in drawn)
