"""A segmentation sequence: built beside the scene, then put into it beside its input."""

import SimpleITK as sitk
import slicer

from ..engine.bundle import Model, Segment
from ..engine.errors import InputError
from ..engine.measurements import volumes_ml
from ..engine.segmenter import SegmentedFrame
from .images import orientedImage
from .inputs import SequenceInput
from .tables import volumesTable


class SegmentationOutput:
    """Collects finished frames in a sequence outside the scene; `publish` puts it in.

    Args:
        source: what is segmented; None for a sequence that will never be in a scene.
        model: says which segments every frame has.
        outputNode: an existing segmentation sequence to replace on `publish`; None for a new one.

    Raises:
        InputError: an output that is not a segmentation sequence, or is the input itself.
    """

    def __init__(
        self,
        model: Model,
        source: SequenceInput | None = None,
        outputNode: slicer.vtkMRMLSequenceNode | None = None,
    ):
        if outputNode is not None:
            _checkOutput(outputNode, source)
        self._model = model
        self._source = source
        self._outputNode = outputNode
        self._volumes: list[tuple[str, list[float]]] = []
        self.tableNode: slicer.vtkMRMLTableNode | None = None
        """Segment volumes in ml over time; made by `publish`."""
        self.sequenceNode = slicer.vtkMRMLSequenceNode()
        """The frames so far; before `publish` in no scene."""
        if source is not None:
            # the tolerance too: with another one, neighbouring index values could become one frame
            self.sequenceNode.SetIndexName(source.sequenceNode.GetIndexName())
            self.sequenceNode.SetIndexUnit(source.sequenceNode.GetIndexUnit())
            self.sequenceNode.SetIndexType(source.sequenceNode.GetIndexType())
            self.sequenceNode.SetNumericIndexValueTolerance(source.sequenceNode.GetNumericIndexValueTolerance())

    def add(self, result: SegmentedFrame) -> None:
        """Add one finished frame at its index value."""
        node = segmentationNode(result.labels, self._model)
        node.SetName(f"{self._model.title} {result.number}")
        self.sequenceNode.SetDataNodeAtValue(node, result.index_value)
        self._volumes.append((result.index_value, volumes_ml(result.labels, len(self._model.segments))))

    def publish(self) -> slicer.vtkMRMLSequenceNode:
        """Put the sequence and its table into the input's scene, or the frames into the existing output.

        A new one is synchronised in the input's browser; its proxy lies under the input proxy's
        parent transform and in its subject hierarchy folder. Without a browser there is no proxy.

        Returns:
            The segmentation sequence node in the scene.
        """
        source, scene = self._source, self._source.sequenceNode.GetScene()
        if self._outputNode is not None:
            self._replaceOutput()
        elif self.sequenceNode.GetScene() is None:
            base = source.sequenceNode.GetName()
            self.sequenceNode.SetName(scene.GenerateUniqueName(f"{base} {self._model.title}"))
            scene.AddNode(self.sequenceNode)
            self._outputNode = self.sequenceNode
        if source.browserNode is not None:
            _synchronize(source, self._outputNode)
        self.tableNode = volumesTable(self._outputNode, self._model, self._volumes)
        return self._outputNode

    def _replaceOutput(self) -> None:
        """Give the existing output the new frames; its name, display and place stay."""
        output, frames = self._outputNode, self.sequenceNode
        wasModifying = output.StartModify()
        output.RemoveAllDataNodes()
        output.SetIndexName(frames.GetIndexName())
        output.SetIndexUnit(frames.GetIndexUnit())
        output.SetIndexType(frames.GetIndexType())
        output.SetNumericIndexValueTolerance(frames.GetNumericIndexValueTolerance())
        for number in range(frames.GetNumberOfDataNodes()):
            output.SetDataNodeAtValue(frames.GetNthDataNode(number), frames.GetNthIndexValue(number))
        output.EndModify(wasModifying)


def _checkOutput(outputNode: slicer.vtkMRMLSequenceNode, source: SequenceInput | None) -> None:
    if not outputNode.IsA("vtkMRMLSequenceNode"):
        raise InputError(f"output {outputNode.GetName()!r} is not a sequence: choose a segmentation sequence")
    if source is not None and outputNode is source.sequenceNode:
        raise InputError("the output is the input itself: choose another output")
    if outputNode.GetNumberOfDataNodes() > 0 and not outputNode.GetNthDataNode(0).IsA("vtkMRMLSegmentationNode"):
        raise InputError(f"output {outputNode.GetName()!r} does not hold segmentations: choose another output")


def _synchronize(source: SequenceInput, sequenceNode: slicer.vtkMRMLSequenceNode) -> None:
    """Have the input's browser play the output; the Sequences logic makes its proxy at once."""
    browserNode = source.browserNode
    selectedItem, playing = browserNode.GetSelectedItemNumber(), browserNode.GetPlaybackActive()
    if not browserNode.IsSynchronizedSequenceNode(sequenceNode, True):
        wasModifying = browserNode.StartModify()
        browserNode.AddSynchronizedSequenceNode(sequenceNode)
        # a frame that was not segmented shows nothing, and never becomes an item of its own
        browserNode.SetMissingItemMode(sequenceNode, slicer.vtkMRMLSequenceBrowserNode.MissingItemSetToDefault)
        browserNode.EndModify(wasModifying)
    proxyNode = browserNode.GetProxyNode(sequenceNode)
    if source.proxyNode is not None:
        proxyNode.SetAndObserveTransformNodeID(source.proxyNode.GetTransformNodeID())
        proxyNode.SetNodeReferenceID(proxyNode.GetReferenceImageGeometryReferenceRole(), source.proxyNode.GetID())
        _moveToFolderOf(source.proxyNode, proxyNode)
    browserNode.SetSelectedItemNumber(selectedItem)
    browserNode.SetPlaybackActive(playing)


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


def segmentationNode(labels: sitk.Image, model: Model) -> slicer.vtkMRMLSegmentationNode:
    """A segmentation of one frame: every segment of the model, empty ones too, as binary labelmap only.

    Args:
        labels: uint8, n for the model's n-th segment; its geometry becomes the reference geometry.
    """
    labelmap = orientedImage(labels)
    node = slicer.vtkMRMLSegmentationNode()
    segmentation = node.GetSegmentation()
    converter = slicer.vtkSegmentationConverter
    binaryLabelmap = converter.GetBinaryLabelmapRepresentationName()
    segmentation.SetSourceRepresentationName(binaryLabelmap)
    segmentation.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(labelmap)
    )
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
