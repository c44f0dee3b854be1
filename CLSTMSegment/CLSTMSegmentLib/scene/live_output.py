"""The result of a live segmentation: one segmentation node, whose segments follow the input."""

from weakref import WeakSet

import numpy as np
import slicer

from ..core.boxes import Box
from ..model.description import Model
from .beside_input import placeBeside
from .edited_frames import editState
from .images import withVoxels
from .inputs import SequenceInput
from .labelmaps import binaryLabelmap, namesInAll, segmentsFor
from .segmentation_nodes import segmentationFromLabelmap

_live: WeakSet["LiveOutput"] = WeakSet()
"""The outputs of the live segmentations that go on."""


def isLive(node: slicer.vtkMRMLNode) -> bool:
    """Return whether a live segmentation goes on in a node."""
    return any(output.node is node for output in _live)


class LiveOutput:
    """A segmentation node beside a volume; it is added to the scene with the first labels.

    Args:
        model: the model that segments.
        volumeNode: the input.
        earlier: the output of an earlier live segmentation, which goes on in its node if it has the same input and
            model and the user has not edited it; None for a new node.

    Attributes:
        node: the segmentation; None before the first labels.
    """

    def __init__(self, model: Model, volumeNode: slicer.vtkMRMLScalarVolumeNode, earlier: "LiveOutput | None" = None):
        self._model = model
        self._volumeNode = volumeNode
        self.node: slicer.vtkMRMLSegmentationNode | None = None
        self._labelmap: slicer.vtkOrientedImageData | None = None
        self._state: tuple = ()
        if earlier is not None and earlier._canGoOn(model, volumeNode):
            self.node, self._labelmap, self._state = earlier.node, earlier._labelmap, earlier._state
        _live.add(self)

    def end(self) -> None:
        """Tell that the live segmentation does not go on in the node."""
        _live.discard(self)

    @property
    def names(self) -> list[str]:
        """Return the names of the model's segments as the user sees them."""
        return namesInAll([] if self.node is None else [self.node], self._model.segments)

    @property
    def isRemoved(self) -> bool:
        """Return whether the node was in the scene and is not any more."""
        return self.node is not None and self.node.GetScene() is None

    def _canGoOn(self, model: Model, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> bool:
        same = self._volumeNode is volumeNode and self._model.segments == model.segments
        return same and self.node is not None and not self.isRemoved and editState(self.node) == self._state

    def show(self, labels: np.ndarray, box: Box, geometry: slicer.vtkOrientedImageData) -> None:
        """Show the labels of a frame in the place of those before.

        Args:
            labels: uint8 (k, j, i), n for the model's n-th segment, in the box.
            box: the box around all labels, along k, j and i.
            geometry: geometry of the whole frame.

        Raises:
            InputError: two segments have one name, so that nobody knows where the labels belong.
        """
        labelmap = labelmapOf(labels, box, geometry)
        if self.node is None:
            self._publish(labelmap, geometry)
        else:
            self._replace(labelmap, geometry)
        self._state = editState(self.node)

    def _publish(self, labelmap: slicer.vtkOrientedImageData, geometry: slicer.vtkOrientedImageData) -> None:
        scene = self._volumeNode.GetScene()
        self.node = segmentationFromLabelmap(labelmap, geometry, self._model)
        self.node.SetName(scene.GenerateUniqueName(f"{self._volumeNode.GetName()} live"))
        scene.AddNode(self.node)
        self.node.CreateDefaultDisplayNodes()
        placeBeside(SequenceInput(None, None, self._volumeNode, isSingle=True), self.node)
        self._labelmap = labelmap

    def _replace(self, labelmap: slicer.vtkOrientedImageData, geometry: slicer.vtkOrientedImageData) -> None:
        """Change the labelmap in place: the segments keep what the user has chosen for their display."""
        segments = segmentsFor(self.node, self._model.segments, self.node.GetName())
        segmentation, converter = self.node.GetSegmentation(), slicer.vtkSegmentationConverter
        wasModifying = self.node.StartModify()
        segmentation.SetConversionParameter(
            converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(geometry)
        )
        self._labelmap.ShallowCopy(labelmap)
        for value, segment in enumerate(segments, start=1):
            if segment is None:  # the user has removed it
                continue
            if segment.GetLabelValue() != value:
                segment.SetLabelValue(value)
            # the user may have edited it, and so given it a labelmap of its own
            if segment.GetRepresentation(binaryLabelmap()) is not self._labelmap:
                segment.AddRepresentation(binaryLabelmap(), self._labelmap)
        self._labelmap.Modified()
        if self.node.GetTransformNodeID() != self._volumeNode.GetTransformNodeID():
            self.node.SetAndObserveTransformNodeID(self._volumeNode.GetTransformNodeID())
        self.node.EndModify(wasModifying)


def labelmapOf(labels: np.ndarray, box: Box, geometry: slicer.vtkOrientedImageData) -> slicer.vtkOrientedImageData:
    """Return labels in a box of a frame as a labelmap; for the arguments see `LiveOutput.show`."""
    labelmap = slicer.vtkOrientedImageData()
    labelmap.ShallowCopy(geometry)
    return withVoxels(labelmap, labels, box)
