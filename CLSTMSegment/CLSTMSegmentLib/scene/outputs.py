"""A segmentation sequence: collected outside the scene, then added to it beside its input."""

from collections.abc import Sequence

import slicer

from ..core.sequence import SegmentedFrame, SequenceIndex
from ..core.structure import SegmentSet
from ..core.volume_curve import Flag, FrameVolumes, VolumeCurve
from ..engine.quality import measure_frame
from ..model.description import Model
from .beside_input import checkNotRecording, copyIndex, playBeside, replaceFrames
from .browsers import othersStay
from .edited_frames import editState
from .inputs import SequenceFrames, SequenceInput
from .made_frames import FLAGGED, MODEL, PROPAGATED, rememberDrawn, rememberMade
from .measured_frames import MeasuredFrames
from .segmentation_nodes import drawnSegmentation, segmentationNode
from .unsaved_drawings import saveChanges
from .volumes_plot import removeChart
from .volumes_table import takeColumns


class SegmentationOutput(MeasuredFrames):
    """Collects finished frames in a segmentation sequence, which is outside the scene until `publish` adds it.

    Once the sequence is in the scene, frames that are added later are shown at once, and what the user edits in a frame
    stays there. The input's browser plays both.

    Args:
        model: the model that segments, or the segments of a result without a model; every frame gets all of them.
        source: the input that is segmented; None for a sequence that is never published.
        frames: the frames of the input, by which they are read; None for an output whose frames nobody reads.

    Attributes:
        source: the input that is segmented.
        curve: segment volumes and quality flags of the frames so far.
        sequenceNode: the frames so far; once they have replaced those of an existing output, that output.
        tableNode: the table of the curve; None before `publish`.
    """

    def __init__(
        self, model: Model | SegmentSet, source: SequenceInput | None = None, frames: SequenceFrames | None = None
    ):
        super().__init__()
        self._model = model
        self.source = source
        self._frames = frames
        self.tableNode: slicer.vtkMRMLTableNode | None = None
        self._proxyNode: slicer.vtkMRMLSegmentationNode | None = None
        self.sequenceNode = slicer.vtkMRMLSequenceNode()
        index = SequenceIndex([])
        if source is not None:
            copyIndex(source.sequenceNode, self.sequenceNode)
            index = SequenceFrames(source.sequenceNode).index
        self.curve = VolumeCurve(model.segments, index)

    @property
    def outputNode(self) -> slicer.vtkMRMLNode | None:
        """Return the node that is the output; it may be in no scene."""
        return self.sequenceNode

    @property
    def shownNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        """Return the segmentation that shows the output, or its current frame; None where nothing shows it."""
        browserNode = self.source.browserNode
        return browserNode.GetProxyNode(self.sequenceNode) if browserNode is not None else None

    def add(self, frame: SegmentedFrame, maker: str = MODEL, flags: Sequence[Flag] = ()) -> None:
        """Add a finished frame at its index value, and measure it.

        Args:
            maker: the program that made the frame, see `made_frames`.
            flags: quality flags beside those that are found in the labels.
        """
        node = segmentationNode(frame.labels, self._model)
        rememberMade(node, maker)
        self._add(frame, node, flags)

    def _add(self, frame: SegmentedFrame, node: slicer.vtkMRMLSegmentationNode, flags: Sequence[Flag]) -> None:
        volumes, found = measure_frame(frame, self.curve.segments)
        self.addMeasured(node, volumes, [*found, *flags])

    def addMeasured(self, node: slicer.vtkMRMLSegmentationNode, volumes: FrameVolumes, flags: list[Flag]) -> None:
        """Add the segmentation of a frame, which was measured already, at its index value."""
        segmentation = node.GetSegmentation()
        node.SetAndObserveSegmentation(None)  # the sequence would copy the labelmaps
        node.SetName(f"{self._model.title} {volumes.number}")
        saveChanges(self.sequenceNode)
        with othersStay(self.sequenceNode):
            node = self.sequenceNode.SetDataNodeAtValue(node, volumes.index_value)
            node.SetAndObserveSegmentation(segmentation)
            self._nodes[volumes.number], self._measured[volumes.number] = node, editState(node)
            self.curve.rename([segment.name for segment in self._model.segments])  # those of the new frame
            self.curve.add(volumes, flags)
            if self.sequenceNode.GetScene() is not None:
                self._show(self.sequenceNode)

    def addPropagated(
        self, frame: SegmentedFrame, flags: Sequence[Flag], drawn: slicer.vtkMRMLSegmentationNode | None
    ) -> None:
        """Add a frame to which annotations were propagated, or an annotated one.

        Args:
            flags: the quality flags of the propagation.
            drawn: what the user drew in an annotated frame, which is kept as it is; None for another frame.
        """
        if drawn is None:
            self.add(frame, FLAGGED if flags else PROPAGATED, flags)
        else:
            node = drawnSegmentation(drawn, frame.labels, self._model)
            rememberDrawn(node)
            self._add(frame, node, flags)

    def checkPlaces(self) -> None:
        """Raise an InputError if the input is gone, or if its frames do not lie where they were when they were read."""
        self.source.checkUnchanged()
        for number in self.curve.numbers if self._frames is not None else ():
            self._frames.checkPlace(number)

    def publish(self, outputNode: slicer.vtkMRMLSequenceNode | None = None) -> slicer.vtkMRMLSequenceNode:
        """Add the sequence and its table to the scene of the input, or move the frames into an existing output.

        The input's browser plays the output beside the input. The output's proxy gets the parent transform of the
        input's proxy, and a new proxy its subject hierarchy folder. Without a browser, the output has no proxy.

        Args:
            outputNode: output that `checkOutputFor` accepts. Its frames are replaced, its name stays, and the sequence
                that an earlier call added is removed from the scene.

        Returns:
            The segmentation sequence node in the scene.

        Raises:
            InputError: see `checkPlaces` and `checkNotRecording`; nothing is changed.
        """
        self.checkPlaces()
        checkNotRecording(self.source, self.sequenceNode if outputNode is None else outputNode)
        scene, isReplaced, interim = self.source.sequenceNode.GetScene(), outputNode is not None, self.tableNode
        if outputNode is None:
            outputNode = self.sequenceNode
            if outputNode.GetScene() is None:
                base = self.source.sequenceNode.GetName()
                outputNode.SetName(scene.GenerateUniqueName(f"{base} {self._model.title}"))
                scene.AddNode(outputNode)
        else:
            saveChanges(self.sequenceNode)
            with othersStay(outputNode):
                replaceFrames(outputNode, self.sequenceNode)
            self.withdraw()
            self.sequenceNode = outputNode
            self._nodes = {frame.number: self._frameNode(frame.index_value) for frame in self.curve.frames}
        self._show(outputNode, isReplaced)
        if interim is not None and interim is not self.tableNode:
            takeColumns(self.tableNode, interim, self.curve)
        return outputNode

    @property
    def drawnElsewhere(self) -> int | None:
        """Return the number of the shown frame if the user has just drawn in it, though the output does not have it."""
        number, shown = self.source.shownFrame, self.shownNode
        if number is None or shown is None or shown.GetSegmentation().GetNumberOfSegments() == 0:
            return None
        value = self.source.sequenceNode.GetNthIndexValue(number)
        return number if self.sequenceNode.GetDataNodeAtValue(value) is None else None

    def addDrawn(self, number: int) -> None:
        """Add a frame that `drawnElsewhere` tells; do not measure it.

        At the end of the event that tells of it, MRML shows nothing in such a frame again, unless it was added before.
        """
        saveChanges(self.sequenceNode)
        with othersStay(self.sequenceNode):
            self.sequenceNode.SetDataNodeAtValue(self.shownNode, self.source.sequenceNode.GetNthIndexValue(number))

    def becomes(self, other: "SegmentationOutput") -> None:
        """Be what another output is, which was read from the same result later."""
        self._model, self.curve, self.tableNode = other._model, other.curve, other.tableNode
        self._nodes, self._measured, self.tableContent = other._nodes, other._measured, other.tableContent

    def withdraw(self) -> None:
        """Remove the sequence, its proxy, its table and its chart from the scene, if they are in it."""
        scene = self.sequenceNode.GetScene()
        if scene is None:
            return
        proxyNode, self._proxyNode = self._proxyNode, None
        if proxyNode is not None:
            ownNodes = [proxyNode.GetDisplayNode(), proxyNode.GetStorageNode(), proxyNode]
            with othersStay(self.sequenceNode):
                if self.source.browserNode.GetScene() is scene:
                    self.source.browserNode.RemoveSynchronizedSequenceNode(self.sequenceNode.GetID())
                for node in ownNodes:
                    if node is not None and node.GetScene() is scene:
                        scene.RemoveNode(node)
        if self.tableNode is not None:
            removeChart(self.tableNode)
            scene.RemoveNode(self.tableNode)
            self.tableNode = None
        scene.RemoveNode(self.sequenceNode)

    def _show(self, outputNode: slicer.vtkMRMLSequenceNode, isReplaced: bool = False) -> None:
        browserNode = self.source.browserNode
        with othersStay(outputNode, browserNode):
            if browserNode is not None and browserNode.GetScene() is not None:  # the user may have removed it
                playBeside(self.source, outputNode, isReplaced)
                self._proxyNode = browserNode.GetProxyNode(outputNode)  # it stays when the browser is removed
            self._fillTable()
