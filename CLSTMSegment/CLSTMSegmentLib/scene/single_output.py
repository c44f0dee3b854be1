"""The result of a run on a single volume: a segmentation node beside the volume."""

import slicer

from ..core.structure import SegmentSet
from ..model.description import Model
from .beside_input import layOn, placeBeside
from .edited_frames import editState
from .inputs import SequenceFrames, SequenceInput
from .made_frames import MADE_ATTRIBUTE, MODEL, rememberMade
from .outputs import SegmentationOutput
from .volumes_plot import removeChart
from .volumes_table import takeColumns


class SingleOutput(SegmentationOutput):
    """Collects the one finished frame; see `SegmentationOutput`.

    Args:
        model: the model that segments.
        source: a single volume.
        frames: its one frame, see `SegmentationOutput`.
    """

    def __init__(self, model: Model | SegmentSet, source: SequenceInput, frames: SequenceFrames | None = None):
        super().__init__(model, source, frames)
        self._segmentationNode: slicer.vtkMRMLSegmentationNode | None = None

    @property
    def outputNode(self) -> slicer.vtkMRMLNode | None:
        """Return the segmentation node; None before `publish`."""
        return self._segmentationNode

    shownNode = outputNode

    @property
    def shownFrame(self) -> int:
        """Return the number of the one frame."""
        return 0

    def publish(self, outputNode: slicer.vtkMRMLSegmentationNode | None = None) -> slicer.vtkMRMLSegmentationNode:
        """Add a segmentation node and its table to the scene of the volume, or replace the segments of an existing one.

        Args:
            outputNode: output that `checkSingleOutput` accepts. Its segments are replaced, and the node that an earlier
                call added is removed from the scene.

        Returns:
            The segmentation node in the scene.

        Raises:
            InputError: see `checkPlaces`; nothing is changed.
        """
        self.checkPlaces()
        interim, shown, isNew = self.tableNode, self._segmentationNode, self._segmentationNode is None
        # what was shown before has what the user has drawn in it since
        content = self.sequenceNode.GetNthDataNode(0) if isNew else shown
        isMeasured = isNew or self._measured[0] == editState(shown)
        if outputNode is not None:
            self.withdraw()
            self._segmentationNode = outputNode
            layOn(self.source, outputNode)
        elif isNew:
            scene = self.source.node.GetScene()
            name = scene.GenerateUniqueName(f"{self.source.node.GetName()} {self._model.title}")
            outputNode = self._segmentationNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
            outputNode.CreateDefaultDisplayNodes()
            placeBeside(self.source, outputNode)
        else:
            outputNode = shown
        if outputNode is not shown:
            wasModifying = outputNode.StartModify()
            outputNode.GetSegmentation().DeepCopy(content.GetSegmentation())
            if isNew:
                rememberMade(outputNode, MODEL)
            else:
                outputNode.SetAttribute(MADE_ATTRIBUTE, shown.GetAttribute(MADE_ATTRIBUTE))
            outputNode.EndModify(wasModifying)
            self._nodes[0], self._measured[0] = outputNode, editState(outputNode) if isMeasured else None
        self._fillTable()
        if interim is not None and interim is not self.tableNode:
            takeColumns(self.tableNode, interim, self.curve)
        return outputNode

    def _setOutputNode(self, outputNode: slicer.vtkMRMLNode) -> None:
        self._segmentationNode = outputNode

    def _frameNode(self, value: str) -> slicer.vtkMRMLSegmentationNode | None:
        return self._segmentationNode

    def withdraw(self) -> None:
        """Remove the segmentation, its table and its chart from the scene, if they are in it."""
        node, self._segmentationNode = self._segmentationNode, None
        if node is None or node.GetScene() is None:
            return
        scene = node.GetScene()
        if self.tableNode is not None:
            removeChart(self.tableNode)
            scene.RemoveNode(self.tableNode)
            self.tableNode = None
        for one in (node.GetDisplayNode(), node.GetStorageNode(), node):
            if one is not None:
                scene.RemoveNode(one)


def outputFor(
    model: Model | SegmentSet, source: SequenceInput, frames: SequenceFrames | None = None
) -> SegmentationOutput:
    """Return what collects the finished frames of a run on an input; for the arguments see `SegmentationOutput`."""
    return (SingleOutput if source.isSingle else SegmentationOutput)(model, source, frames)
