"""The volumes of a result and its table follow what the user edits in its frames, and the index values they give."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isnan

import slicer

from ..core.errors import InputError
from ..core.volume_curve import FrameVolumes
from .edited_frames import editState, measureEdited
from .frame_reviews import renameReviews
from .labelmaps import namesInAll, otherSegments
from .made_frames import isAsMade
from .renamed_frames import indexNow
from .run_frames import RunFrames
from .volumes_table import filledWith, volumesTable


class MeasuredFrames(RunFrames):
    """Measures the frames of a result again once they were edited.

    Attributes:
        outputNode: the result, which may be in no scene.
        sequenceNode: the sequence of its frames.
        tableNode: the table of the curve; None before there is one.
        tableContent: what `filledWith` returned for the table when this object filled or read it.
    """

    outputNode: slicer.vtkMRMLNode | None
    sequenceNode: slicer.vtkMRMLSequenceNode
    tableNode: slicer.vtkMRMLTableNode | None
    tableContent: tuple[list[str], list[str]]

    def __init__(self):
        self._nodes: dict[int, slicer.vtkMRMLSegmentationNode | None] = {}
        self._measured: dict[int, tuple | None] = {}

    def measureAgain(self, number: int) -> bool:
        """Measure a frame once more if it was edited, and show its new volumes in the table.

        Args:
            number: number of a frame; one that is not in the output is not edited.

        Returns:
            Whether it was edited since it was measured.
        """
        if number not in self._measured:
            return False
        value = self.curve.index.values[number]
        node = self._frameNode(value)
        if node is None or editState(node) == self._measured[number]:
            return False
        self._measure(number, node)
        measured = [self._frameNode(frame.index_value) for frame in self.curve.frames]
        self.curve.rename(namesInAll([one for one in measured if one is not None], self.curve.segments))
        self._fillTable()
        return True

    def followIndex(self) -> bool:
        """Take over the index values, the name and the unit of the index that the user has given to the result.

        The marks of the user, and what they have added to the table, stay with their frames.

        Returns:
            Whether they are other ones than before.
        """
        before = self.curve.index
        self.curve.index = indexNow(before, self._nodes, self.sequenceNode, self._valuesNow())
        if self.tableNode is None or self.curve.index == before:
            return False
        new = dict(zip(before.values, self.curve.index.values, strict=True))
        frames = self.curve.frames
        self.curve.frames = [replace(frame, index_value=new[frame.index_value]) for frame in frames]
        renameReviews(self.outputNode, new)
        self._fillTable({new[frame.index_value]: frame.index_value for frame in frames})
        return True

    def _fillTable(self, renamed: Mapping[str, str] | None = None) -> None:
        self.tableNode = volumesTable(self.outputNode, self.curve, renamed)
        self.tableContent = filledWith(self.tableNode)

    def measureAll(self, new: Mapping[str, str | None]) -> None:
        """Measure all frames once more, and fill the table: it was damaged, or the frames have other index values.

        A frame that cannot be measured has no volumes until `measureAgain` tells why. A frame is left out if it was
        removed from the result and the table does not have its volumes.

        Args:
            new: the index values of the frames by those in the table; None for a frame that is gone.
        """
        nodes = {frame.number: self._frameNode(frame.index_value) for frame in self.curve.frames}
        frames = self.curve.frames
        self.curve.frames = [one for one in frames if nodes[one.number] is not None or not any(map(isnan, one.ml))]
        for number, node in nodes.items():
            self._measured[number] = None
            if node is not None:
                with suppress(InputError):
                    self._measure(number, node)
        renameReviews(self.outputNode, new)
        self._fillTable({now: before for before, now in new.items() if now is not None})

    def _measure(self, number: int, node: slicer.vtkMRMLSegmentationNode) -> None:
        value = self.curve.index.values[number]
        self.curve.replace(*measureEdited(node, number, value, self.curve.segments))
        self._nodes[number], self._measured[number] = node, editState(node)

    def unmeasured(self, number: int) -> list[str]:
        """Return the names of the segments that the user has added to a frame: they are not measured."""
        value = self.curve.index.values[number]
        return otherSegments(self._frameNode(value), self.curve.segments, f"frame {number} ({value})")

    def takeOver(
        self,
        outputNode: slicer.vtkMRMLNode,
        tableNode: slicer.vtkMRMLTableNode,
        frames: Sequence[FrameVolumes],
        earlier: "MeasuredFrames | None" = None,
    ) -> None:
        """Go on with a result that is in the scene already.

        Args:
            outputNode: the result.
            tableNode: its table, which may not know of what was edited while nobody watched.
            frames: the volumes in the table.
            earlier: this result as it was before another run went on with it; frames that it has measured are known.
        """
        self._setOutputNode(outputNode)
        self.tableContent = filledWith(tableNode)
        segments = self.curve.segments
        self.tableNode, known = tableNode, {}
        if earlier is not None and [one.id for one in earlier.curve.segments] == [one.id for one in segments]:
            measured = [(earlier._nodes[one.number], one) for one in earlier.curve.frames]
            known = {node: (earlier._measured[one.number], one.ml) for node, one in measured if node is not None}
        for frame in frames:
            node = self._nodes[frame.number] = self._frameNode(frame.index_value)
            if node in known:
                self._measured[frame.number], ml = known[node]
            else:
                isKnown, ml = node is not None and isAsMade(node), frame.ml
                self._measured[frame.number] = editState(node) if isKnown else None
            self.curve.add(replace(frame, ml=ml))
        if self.curve.frames != list(frames):
            self._fillTable()

    def _setOutputNode(self, outputNode: slicer.vtkMRMLNode) -> None:
        self.sequenceNode = outputNode

    def _frameNode(self, value: str) -> slicer.vtkMRMLSegmentationNode | None:
        """Return the segmentation at an index value of the output; None where it was removed."""
        return self.sequenceNode.GetDataNodeAtValue(value)
