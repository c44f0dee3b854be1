"""What a live segmentation records: the frames that were segmented and their labels, as two synchronised sequences."""

import numpy as np
import slicer
import vtk

from ..core.boxes import Box
from ..core.volume_curve import FrameVolumes
from ..model.description import Model
from .beside_input import moveToFolderOf
from .images import volumeGeometry
from .inputs import SequenceFrames, SequenceInput, resolveInput
from .labelmaps import namesInAll
from .live_output import labelmapOf
from .made_frames import MODEL, rememberMade
from .outputs import SegmentationOutput
from .segmentation_nodes import describeAs, segmentationFromLabelmap


class LiveRecording:
    """Collects frames outside of the scene, until `publish` adds them to it.

    Args:
        model: the model that segments.
        volumeNode: the input.
    """

    def __init__(self, model: Model, volumeNode: slicer.vtkMRMLScalarVolumeNode):
        self._model = model
        self._volumeNode = volumeNode
        self._scene = volumeNode.GetScene()
        self._imagesNode = slicer.vtkMRMLSequenceNode()
        self._imagesNode.SetName(f"{volumeNode.GetName()} recorded")
        self._imagesNode.SetIndexName("time")
        self._imagesNode.SetIndexUnit("ms")
        self._output = SegmentationOutput(model, SequenceInput(self._imagesNode, None, None))

    @property
    def count(self) -> int:
        """Return the number of frames so far."""
        return self._imagesNode.GetNumberOfDataNodes()

    def add(self, image: slicer.vtkMRMLScalarVolumeNode, labels: np.ndarray, box: Box, volumes: FrameVolumes) -> None:
        """Add a frame.

        Args:
            image: the frame as `copyOf` copied it; it becomes a part of the recording.
            labels: its labels, uint8 (k, j, i), in the box.
            box: the box around all labels, along k, j and i.
            volumes: what was measured in it; its index value is its time in ms, and its number is set here.
        """
        geometry = volumeGeometry(image)
        node = segmentationFromLabelmap(labelmapOf(labels, box, geometry), geometry, self._model)
        imageData = image.GetImageData()
        image.SetAndObserveImageData(None)  # the sequence would copy the voxels
        self._imagesNode.SetDataNodeAtValue(image, volumes.index_value).SetAndObserveImageData(imageData)
        self._output.addMeasured(node, FrameVolumes(self.count - 1, volumes.index_value, volumes.ml), [])

    def publish(self, shown: slicer.vtkMRMLSegmentationNode | None) -> slicer.vtkMRMLSequenceBrowserNode | None:
        """Add both sequences, their browser and the table of volumes to the scene; without a frame, do nothing.

        Args:
            shown: the segmentation in which the user saw the frames, which gives the segments names and colours; None
                for those of the model.

        Returns:
            The browser; None without a frame.
        """
        if self.count == 0:
            return None
        scene, imagesNode = self._scene, self._imagesNode
        imagesNode.SetName(scene.GenerateUniqueName(imagesNode.GetName()))
        scene.AddNode(imagesNode)
        browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{imagesNode.GetName()} browser")
        browserNode.SetAndObserveMasterSequenceNodeID(imagesNode.GetID())
        slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
        proxyNode = browserNode.GetProxyNode(imagesNode)
        if self._volumeNode.GetScene() is scene:  # the user may have removed it
            proxyNode.SetAndObserveTransformNodeID(self._volumeNode.GetTransformNodeID())
            moveToFolderOf(self._volumeNode, proxyNode)
        self._output.source = resolveInput(imagesNode)
        self._output.curve.index = SequenceFrames(imagesNode).index
        for number in range(self.count):
            node = self._output.sequenceNode.GetNthDataNode(number)
            if shown is not None:
                describeAs(node, shown, self._model.segments)
            rememberMade(node, MODEL)
        if shown is not None:
            self._output.curve.rename(namesInAll([shown], self._model.segments))
        self._output.publish()
        return browserNode


def copyOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
    """Return a copy of the image of a volume node and of its geometry, as a node that is in no scene."""
    imageData = vtk.vtkImageData()
    imageData.DeepCopy(volumeNode.GetImageData())
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.SetName(volumeNode.GetName())
    copy.CopyOrientation(volumeNode)
    copy.SetAndObserveImageData(imageData)
    return copy
