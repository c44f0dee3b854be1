"""A segmentation sequence: built beside the scene, then put into it beside its input."""

import SimpleITK as sitk
import slicer

from ..core.errors import InputError
from ..core.segment import Segment
from ..core.sequence import SegmentedFrame
from ..engine.measuring import volumes_ml
from ..model.description import Model
from .images import orientedImage
from .inputs import SequenceInput
from .volumes_plot import removeChart
from .volumes_table import volumesTable


class SegmentationOutput:
    """Collects finished frames in a sequence of its own, outside the scene until `publish` puts it in.

    Once it is in the scene, further frames show there as they are added.

    Args:
        model: says which segments every frame has.
        source: what is segmented; None for a sequence that will never be in a scene.
    """

    def __init__(self, model: Model, source: SequenceInput | None = None):
        self._model = model
        self._source = source
        self.volumes: list[tuple[str, list[float]]] = []
        """Index value, verbatim, and ml of each segment of the frames so far."""
        self.tableNode: slicer.vtkMRMLTableNode | None = None
        """Segment volumes in ml over time; made by `publish`."""
        self.sequenceNode = slicer.vtkMRMLSequenceNode()
        """The frames so far."""
        if source is not None:
            copyIndex(source.sequenceNode, self.sequenceNode)

    def add(self, result: SegmentedFrame) -> None:
        """Add one finished frame at its index value."""
        node = segmentationNode(result.labels, self._model)
        node.SetName(f"{self._model.title} {result.number}")
        self.sequenceNode.SetDataNodeAtValue(node, result.index_value)
        self.volumes.append((result.index_value, volumes_ml(result.labels, len(self._model.segments))))
        if self.sequenceNode.GetScene() is not None:
            self._show(self.sequenceNode)

    def publish(self, outputNode: slicer.vtkMRMLSequenceNode | None = None) -> slicer.vtkMRMLSequenceNode:
        """Put the sequence and its table into the input's scene, or the frames into an existing output.

        It is synchronised in the input's browser; its proxy lies under the input proxy's
        parent transform and in its subject hierarchy folder. Without a browser there is no proxy.

        Args:
            outputNode: what `checkOutput` accepts; its frames are replaced, its name stays. What
                was published before goes.

        Returns:
            The segmentation sequence node in the scene.
        """
        scene = self._source.sequenceNode.GetScene()
        if outputNode is None:
            outputNode = self.sequenceNode
            if outputNode.GetScene() is None:
                base = self._source.sequenceNode.GetName()
                outputNode.SetName(scene.GenerateUniqueName(f"{base} {self._model.title}"))
                scene.AddNode(outputNode)
        else:
            self._replaceFrames(outputNode)
            self.withdraw()
        self._show(outputNode)
        return outputNode

    def withdraw(self) -> None:
        """Take the sequence, its proxy and its table out of the scene again, if they are in it."""
        scene = self.sequenceNode.GetScene()
        if scene is None:
            return
        browserNode = self._source.browserNode
        if browserNode is not None:
            proxyNode = browserNode.GetProxyNode(self.sequenceNode)
            ownNodes = [proxyNode.GetDisplayNode(), proxyNode.GetStorageNode(), proxyNode]
            browserNode.RemoveSynchronizedSequenceNode(self.sequenceNode.GetID())
            for node in ownNodes:
                if node is not None and node.GetScene() is scene:
                    scene.RemoveNode(node)
        if self.tableNode is not None:
            removeChart(self.tableNode)
            scene.RemoveNode(self.tableNode)
            self.tableNode = None
        scene.RemoveNode(self.sequenceNode)

    def _show(self, outputNode: slicer.vtkMRMLSequenceNode) -> None:
        if self._source.browserNode is not None:
            _synchronize(self._source, outputNode)
        self.tableNode = volumesTable(outputNode, self._model, self.volumes)

    def _replaceFrames(self, outputNode: slicer.vtkMRMLSequenceNode) -> None:
        frames = self.sequenceNode
        wasModifying = outputNode.StartModify()
        outputNode.RemoveAllDataNodes()
        copyIndex(frames, outputNode)
        for number in range(frames.GetNumberOfDataNodes()):
            outputNode.SetDataNodeAtValue(frames.GetNthDataNode(number), frames.GetNthIndexValue(number))
        outputNode.EndModify(wasModifying)


def copyIndex(fromNode: slicer.vtkMRMLSequenceNode, toNode: slicer.vtkMRMLSequenceNode) -> None:
    """How frames are numbered; the tolerance too: with another one, neighbouring values could become one frame."""
    toNode.SetIndexName(fromNode.GetIndexName())
    toNode.SetIndexUnit(fromNode.GetIndexUnit())
    toNode.SetIndexType(fromNode.GetIndexType())
    toNode.SetNumericIndexValueTolerance(fromNode.GetNumericIndexValueTolerance())


def checkOutput(outputNode: slicer.vtkMRMLNode, source: SequenceInput) -> None:
    """Raise an InputError unless the node is a segmentation sequence, or an empty one, and not the input itself."""
    name = outputNode.GetName()
    if not outputNode.IsA("vtkMRMLSequenceNode"):
        raise InputError(f"output {name!r} is not a sequence: choose a segmentation sequence")
    if outputNode is source.sequenceNode:
        raise InputError("the output is the input itself: choose another output")
    if outputNode.GetScene() is not source.sequenceNode.GetScene():
        raise InputError(f"output {name!r} is not in the scene of the input: add it there first")
    if any(
        not outputNode.GetNthDataNode(number).IsA("vtkMRMLSegmentationNode")
        for number in range(outputNode.GetNumberOfDataNodes())
    ):
        raise InputError(f"output {name!r} does not hold segmentations: choose another output")


def _synchronize(source: SequenceInput, sequenceNode: slicer.vtkMRMLSequenceNode) -> None:
    """Have the input's browser play the output beside the input, at the item that is selected."""
    browserNode = source.browserNode
    selectedItem, playing = browserNode.GetSelectedItemNumber(), browserNode.GetPlaybackActive()
    if not browserNode.IsSynchronizedSequenceNode(sequenceNode, True):
        wasModifying = browserNode.StartModify()
        browserNode.AddSynchronizedSequenceNode(sequenceNode)
        # a frame that was not segmented shows nothing, and never becomes an item of its own
        browserNode.SetMissingItemMode(sequenceNode, slicer.vtkMRMLSequenceBrowserNode.MissingItemSetToDefault)
        browserNode.EndModify(wasModifying)
    # the application's own logic does this too, at its next turn: the caller gets the proxy now
    slicer.vtkSlicerSequencesLogic().UpdateProxyNodesFromSequences(browserNode)
    proxyNode = browserNode.GetProxyNode(sequenceNode)
    placeBeside(source, proxyNode)
    browserNode.SetSelectedItemNumber(selectedItem)
    browserNode.SetPlaybackActive(playing)


def placeBeside(source: SequenceInput, proxyNode: slicer.vtkMRMLSegmentationNode) -> None:
    """Give a proxy the transform, reference geometry and subject hierarchy folder of the input's."""
    if source.proxyNode is not None:
        proxyNode.SetAndObserveTransformNodeID(source.proxyNode.GetTransformNodeID())
        proxyNode.SetNodeReferenceID(proxyNode.GetReferenceImageGeometryReferenceRole(), source.proxyNode.GetID())
        _moveToFolderOf(source.proxyNode, proxyNode)


def _moveToFolderOf(neighbour: slicer.vtkMRMLNode, node: slicer.vtkMRMLNode) -> None:
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


def emptySegmentation(geometry: slicer.vtkOrientedImageData) -> slicer.vtkMRMLSegmentationNode:
    """A segmentation without segments, of binary labelmaps with this reference geometry."""
    node = slicer.vtkMRMLSegmentationNode()
    segmentation = node.GetSegmentation()
    converter = slicer.vtkSegmentationConverter
    segmentation.SetSourceRepresentationName(converter.GetBinaryLabelmapRepresentationName())
    segmentation.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(geometry)
    )
    return node


def segmentationNode(labels: sitk.Image, model: Model) -> slicer.vtkMRMLSegmentationNode:
    """A segmentation of one frame: every segment of the model, empty ones too, as binary labelmap only.

    Args:
        labels: uint8, n for the model's n-th segment; its geometry becomes the reference geometry.
    """
    labelmap = orientedImage(labels)
    node = emptySegmentation(labelmap)
    segmentation = node.GetSegmentation()
    binaryLabelmap = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    for value, description in enumerate(model.segments, start=1):
        segment = slicer.vtkSegment()
        segment.SetName(description.name)
        segment.SetColor(*description.color)
        segment.SetLabelValue(value)
        if description.terminology:
            segment.SetTag(segment.GetTerminologyEntryTagName(), terminologyEntry(description))
        segment.AddRepresentation(binaryLabelmap, labelmap)  # one labelmap shared by all segments
        segmentation.AddSegment(segment, description.id)
    return node


def terminologyEntry(segment: Segment) -> str:
    """A segment's terminology in the form in which Slicer stores it with segments."""

    def code(key: str) -> str:
        return "^".join(segment.terminology.get(key, ["", "", ""]))

    region = code("region")
    regionContext = "Anatomic codes - DICOM master list" if "region" in segment.terminology else ""
    context = "Segmentation category and type - DICOM master list"
    return f"{context}~{code('category')}~{code('type')}~^^~{regionContext}~{region}~^^"
