"""The list of the annotated frames, in which the user says how complete each annotation is."""

from collections.abc import Iterable

import qt
import slicer
from slicer.i18n import tr as _

from ..scene.annotations import annotatedNumbers
from ..scene.inputs import holds
from ..scene.unsaved_drawings import saveChanges


class AnnotatedFramesList:
    """The list of annotated frames with a box for each, and the choice for frames whose box is not checked.

    Args:
        ui: the panel's widgets.

    Attributes:
        frames: numbers of the frames in the list.
    """

    def __init__(self, ui: object):
        self._ui = ui
        self._nodes: tuple[str, ...] = ()
        self._values: list[str] = []
        self.frames: list[int] = []
        for text, mark in (
            (_("Each drawn segment is complete"), "drawn"),
            (_("Complete in each slice with a drawing"), "slices"),
            (_("Only parts of the segments are drawn"), "partly"),
        ):
            ui.markComboBox.addItem(text, mark)

    def show(
        self, annotationNode: slicer.vtkMRMLSequenceNode | None, inputNode: slicer.vtkMRMLSequenceNode | None
    ) -> None:
        """Show the frames of an input that are annotated; None for no annotation or no input.

        A box stays checked as long as annotation and input are the same, and the frame has the same index value.
        """
        frames, nodes = [], tuple(node.GetID() for node in (annotationNode, inputNode) if node is not None)
        if annotationNode is not None and holds(annotationNode, "vtkMRMLSegmentationNode") and inputNode is not None:
            saveChanges(annotationNode)
            frames = annotatedNumbers(annotationNode, inputNode)
        values = [inputNode.GetNthIndexValue(number) for number in frames]
        if (frames, values, nodes) == (self.frames, self._values, self._nodes):
            return
        checked = {self._values[self.frames.index(n)] for n in self._checked()} if nodes == self._nodes else set()
        self._nodes, self._values, self.frames = nodes, values, frames
        self._ui.annotatedFramesList.clear()
        for number, value in zip(frames, values, strict=True):
            item = qt.QListWidgetItem(_("frame {number} is fully annotated").format(number=number))
            item.setCheckState(qt.Qt.Checked if value in checked else qt.Qt.Unchecked)
            self._ui.annotatedFramesList.addItem(item)

    def marks(self, annotated: Iterable[int]) -> dict[int, str]:
        """Return how complete the annotation of each of these frames is, see `AnnotatedFrame.mark`."""
        return dict.fromkeys(annotated, self._ui.markComboBox.currentData) | dict.fromkeys(self._checked(), "whole")

    def _checked(self) -> list[int]:
        items = (self._ui.annotatedFramesList.item(row) for row in range(self._ui.annotatedFramesList.count))
        return [n for n, item in zip(self.frames, items, strict=True) if item.checkState() == qt.Qt.Checked]
