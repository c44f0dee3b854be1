"""The input of a run: a sequence, given by itself, its proxy volume or its browser, or a single volume; its frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import slicer
import vtk

from ..core.errors import InputError, sitk_cause
from ..core.same_grid import ImageGrid
from ..core.sequence import Frame, SequenceIndex
from .browsers import browserOfProxy, browserOfSequence, browsersOf, proxyIDs, seenBrowser
from .images import imageFromVolume, volumeGrid, voxelsMTime

SINGLE_VALUE = "0"
"""The index value of a single volume, and of its result."""


@dataclass(frozen=True)
class SequenceInput:
    """A sequence of scalar volumes, or a single one, as an input.

    Attributes:
        sequenceNode: the sequence; for a single volume, a sequence outside of the scene with this one frame.
        browserNode: the browser that plays it; None without one.
        proxyNode: the volume that shows the selected frame of the sequence, None without a browser; the single volume.
        isSingle: whether the input is a single volume.
    """

    sequenceNode: slicer.vtkMRMLSequenceNode
    browserNode: slicer.vtkMRMLSequenceBrowserNode | None
    proxyNode: slicer.vtkMRMLScalarVolumeNode | None
    isSingle: bool = False

    @property
    def node(self) -> slicer.vtkMRMLNode:
        """Return the node in the scene that is the input: the sequence or the single volume."""
        return self.proxyNode if self.isSingle else self.sequenceNode

    def checkUnchanged(self) -> None:
        """Raise an InputError if the input is gone, or if a result would lie beside it: a single volume was moved."""
        if self.node.GetScene() is None:
            raise InputError(
                f"the input {self.node.GetName()!r} was removed after the run had begun: load it again, and start again"
            )
        if self.isSingle and _placeOf(self.node) != _placeOf(self.sequenceNode.GetNthDataNode(0)):
            raise InputError(
                f"{self.node.GetName()!r} was moved or resized after it was read, for instance by a hardened "
                "transform: start again"
            )

    @property
    def seen(self) -> "SequenceInput":
        """Return the input with the browser that the user looks at; as it is where none can be told."""
        browsers = browsersOf(self.sequenceNode)
        browserNode = seenBrowser(self.sequenceNode, browsers) if len(browsers) > 1 else None
        if browserNode is None:
            return self
        return replace(self, browserNode=browserNode, proxyNode=browserNode.GetProxyNode(self.sequenceNode))

    @property
    def shownFrame(self) -> int | None:
        """Return the number of the frame that the browser shows; None without a browser, or if it shows none.

        A browser counts the items of its master sequence, which can be another sequence with other index values.
        """
        return self._frameAt(self.browserNode.GetSelectedItemNumber()) if self.browserNode is not None else None

    @property
    def hasOtherImage(self) -> bool:
        """Return whether a single volume got another image since it was chosen; its one frame has the former one."""
        return self.isSingle and self.node.GetImageData() is not self.sequenceNode.GetNthDataNode(0).GetImageData()

    @property
    def isBetweenFrames(self) -> bool:
        """Return whether the browser shows an item of its master at whose index value the input has no frame."""
        masterNode, item = self.browserNode.GetMasterSequenceNode(), self.browserNode.GetSelectedItemNumber()
        if masterNode is None or not 0 <= item < masterNode.GetNumberOfDataNodes():
            return False
        return self.sequenceNode.GetDataNodeAtValue(masterNode.GetNthIndexValue(item)) is None

    def showFrame(self, number: int) -> None:
        """Let the browser show a frame; nothing happens without a browser, or if none of its items shows the frame."""
        masterNode = self.browserNode.GetMasterSequenceNode() if self.browserNode is not None else None
        if masterNode is None:
            return
        item = number
        if masterNode is not self.sequenceNode:
            item = masterNode.GetItemNumberFromIndexValue(self.sequenceNode.GetNthIndexValue(number), True)
            if item < 0:  # the master has no item at this very value, but perhaps one that shows the frame before it
                items = range(masterNode.GetNumberOfDataNodes())
                item = next((n for n in items if self._frameAt(n) == number), -1)
        if item >= 0:
            self.browserNode.SetSelectedItemNumber(item)

    def _frameAt(self, item: int) -> int | None:
        """Return the frame that an item of the browser shows: the one at the index value of the item, or before it."""
        masterNode = self.browserNode.GetMasterSequenceNode()
        if masterNode is None or not 0 <= item < masterNode.GetNumberOfDataNodes():
            return None
        if masterNode is self.sequenceNode:
            return item
        number = self.sequenceNode.GetItemNumberFromIndexValue(masterNode.GetNthIndexValue(item), False)
        return number if number >= 0 else None


def resolveInput(node: slicer.vtkMRMLNode) -> SequenceInput:
    """Return the input that a node stands for: a sequence, its proxy volume, its browser, or a single volume.

    Raises:
        InputError: the node stands for no input, or the sequence is empty or has items that are not scalar volumes.
    """
    if node is None:
        raise InputError("no input: choose a sequence of volumes, or a volume")
    browserNode = None
    if node.IsA("vtkMRMLSequenceNode"):
        sequenceNode = node
    elif node.IsA("vtkMRMLSequenceBrowserNode"):
        browserNode = node
        sequenceNode = node.GetMasterSequenceNode()
        if sequenceNode is None:
            raise InputError(f"sequence browser {node.GetName()!r} plays no sequence: choose one in it first")
    else:
        browserNode = browserOfProxy(node)
        if browserNode is None and isSingleVolume(node):
            return _singleVolume(node)
        if browserNode is None:
            raise InputError(
                f"{node.GetName()!r} is neither a sequence nor a scalar volume in the scene: choose one of these"
            )
        sequenceNode = browserNode.GetSequenceNode(node)
    if browserNode is None:
        browserNode = browserOfSequence(sequenceNode)
    _checkSequence(sequenceNode)
    proxyNode = browserNode.GetProxyNode(sequenceNode) if browserNode is not None else None
    return SequenceInput(sequenceNode, browserNode, proxyNode)


def isSingleVolume(node: slicer.vtkMRMLNode, proxies: set[str] | None = None) -> bool:
    """Return whether a node is a scalar volume in a scene that no browser shows; a labelmap does not count.

    Args:
        node: any node.
        proxies: what `proxyIDs` returns, from a caller who asks about many nodes.
    """
    return (
        node.IsA("vtkMRMLScalarVolumeNode")
        and not node.IsA("vtkMRMLLabelMapVolumeNode")
        and node.GetScene() is not None
        and node.GetID() not in (proxyIDs(node.GetScene()) if proxies is None else proxies)
    )


def _singleVolume(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> SequenceInput:
    """Return a single volume as an input; its voxels are not copied."""
    checkVolume(volumeNode, f"volume {volumeNode.GetName()!r}")
    geometry = slicer.vtkMRMLScalarVolumeNode()
    geometry.CopyOrientation(volumeNode)
    source = singleInput(volumeNode, geometry)
    source.sequenceNode.GetNthDataNode(0).SetAndObserveImageData(volumeNode.GetImageData())
    return source


def singleInput(node: slicer.vtkMRMLNode, frameNode: slicer.vtkMRMLScalarVolumeNode) -> SequenceInput:
    """Return a node as an input of one frame.

    Args:
        node: the single volume, or what stands for it.
        frameNode: the frame, of which a copy is kept.
    """
    sequenceNode = slicer.vtkMRMLSequenceNode()
    sequenceNode.SetName(node.GetName())
    sequenceNode.SetIndexName("frame")
    sequenceNode.SetIndexUnit("")
    sequenceNode.SetDataNodeAtValue(frameNode, SINGLE_VALUE)
    return SequenceInput(sequenceNode, None, node, isSingle=True)


def _placeOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> tuple:
    """Return the grid of a volume in its own coordinates, and its size."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    imageData = volumeNode.GetImageData()
    size = imageData.GetDimensions() if imageData is not None else ()
    return slicer.util.arrayFromVTKMatrix(matrix).tolist(), size


def _checkSequence(sequenceNode: slicer.vtkMRMLSequenceNode) -> None:
    name = sequenceNode.GetName()
    if sequenceNode.GetNumberOfDataNodes() == 0:
        raise InputError(f"sequence {name!r} has no frames: load or record some first")
    for number in range(sequenceNode.GetNumberOfDataNodes()):
        value = sequenceNode.GetNthIndexValue(number)
        frame = f"frame {number} ({value}) of sequence {name!r}"
        if sequenceNode.GetIndexType() == sequenceNode.NumericIndex and value.strip().lower().lstrip("+-")[:3] == "nan":
            # MRML would look for it without end
            raise InputError(f"{frame} has an index value that is no number: correct it in the module Sequences")
        checkVolume(sequenceNode.GetNthDataNode(number), frame)


def checkVolume(volumeNode: slicer.vtkMRMLNode | None, name: str) -> None:
    """Raise an InputError with this name unless the node is a scalar volume with voxels."""
    if volumeNode is None or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        kind = f"a {volumeNode.GetNodeTagName()} node" if volumeNode is not None else "missing"
        raise InputError(f"{name} is {kind}: only scalar volumes can be segmented")
    imageData = volumeNode.GetImageData()
    if imageData is None or imageData.GetNumberOfPoints() == 0 or imageData.GetPointData().GetScalars() is None:
        raise InputError(f"{name} has no image data: load it again, or remove it")
    if imageData.GetNumberOfScalarComponents() != 1:
        raise InputError(f"{name} is a colour (vector) volume: only scalar volumes can be segmented")
    if imageData.GetPointData().GetScalars().GetNumberOfTuples() != imageData.GetNumberOfPoints():
        size = " x ".join(map(str, imageData.GetDimensions()))
        raise InputError(f"{name} is damaged: it does not have the voxels of its size {size}: load it again")


def holds(sequenceNode: slicer.vtkMRMLSequenceNode, nodeClass: str) -> bool:
    """Return whether the first item of a sequence is a node of a class; a labelmap does not count as a volume."""
    if sequenceNode.GetNumberOfDataNodes() == 0:
        return False
    dataNode = sequenceNode.GetNthDataNode(0)
    return dataNode is not None and dataNode.IsA(nodeClass) and not dataNode.IsA("vtkMRMLLabelMapVolumeNode")


@dataclass(frozen=True)
class _ReadFrame:
    """What a frame was when it was read: its index value in the sequence, its grid, and when its voxels were set."""

    indexValue: str
    grid: ImageGrid
    voxelsMTime: int


class SequenceFrames(Sequence):
    """The frames of a sequence node as the engine reads them; each frame is converted when it is read."""

    def __init__(self, sequenceNode: slicer.vtkMRMLSequenceNode):
        self._sequenceNode = sequenceNode
        self._valuesAtFirst: list[str] = []
        self._read: dict[int, _ReadFrame] = {}

    def __len__(self) -> int:
        return self._sequenceNode.GetNumberOfDataNodes()

    @property
    def index(self) -> SequenceIndex:
        """Return how the frames are indexed: values, name, unit and type, such that each frame has its own value."""
        return self._distinctIndex()[0]

    @property
    def warnings(self) -> list[str]:
        """Return texts for people about what is odd in the index values."""
        return self._distinctIndex()[1]

    def _distinctIndex(self) -> tuple[SequenceIndex, list[str]]:
        node = self._sequenceNode
        index = SequenceIndex(self._valuesNow(), node.GetIndexName(), node.GetIndexUnit(), node.GetIndexTypeAsString())
        return index.distinct()

    def _valuesNow(self) -> list[str]:
        return [self._sequenceNode.GetNthIndexValue(number) for number in range(len(self))]

    def __getitem__(self, number: int) -> Frame:
        values, name = self._valuesNow(), self._sequenceNode.GetName()
        self._valuesAtFirst = self._valuesAtFirst or values
        if not 0 <= number < len(self._valuesAtFirst):
            raise IndexError(number)
        if values[number : number + 1] != self._valuesAtFirst[number : number + 1]:
            raise InputError(f"the input sequence {name!r} was changed before all of it was read: start again")
        value, volumeNode = self.index.values[number], self._sequenceNode.GetNthDataNode(number)
        try:
            frame = Frame(imageFromVolume(volumeNode), value)
        except RuntimeError as error:
            raise InputError(f"frame {number} ({value}) cannot be read as an image: {sitk_cause(error)}") from error
        read = _ReadFrame(self._sequenceNode.GetNthIndexValue(number), volumeGrid(volumeNode), voxelsMTime(volumeNode))
        self._read.setdefault(number, read)
        return frame

    def checkPlace(self, number: int) -> None:
        """Raise an InputError if a frame was moved or resized since it was first read, so that labels lie beside it.

        A frame that was not read, or that was removed since, is not looked at.
        """
        read, volumeNode = self._read.get(number), self._nodeNow(number)
        if volumeNode is not None and not volumeGrid(volumeNode).is_same(read.grid):
            raise InputError(
                f"frame {number} ({read.indexValue}) of {self._sequenceNode.GetName()!r} was moved or resized after "
                "it was read, for instance by a hardened transform: start again"
            )

    def edited(self) -> list[int]:
        """Return the numbers of the frames that got other voxels since they were first read."""
        now = {number: self._nodeNow(number) for number in self._read}
        return [n for n, node in now.items() if node is not None and voxelsMTime(node) != self._read[n].voxelsMTime]

    def _nodeNow(self, number: int) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Return the volume of a frame that was read; None if it was not read, or was removed since."""
        read = self._read.get(number)
        node = self._sequenceNode.GetDataNodeAtValue(read.indexValue) if read is not None else None
        return node if node is not None and node.GetImageData() is not None else None
