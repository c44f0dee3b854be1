"""The list of the annotated frames, in which the user says how complete each annotation is."""

from collections.abc import Iterable

import qt
import slicer
from slicer.i18n import tr as _

from ..scene.annotations import annotatedNumbers
from ..scene.inputs import holds


class AnnotatedFramesList:
    """The list of annotated frames with a box for each, and the choice for frames whose box is not checked.

    Args:
        ui: the panel's widgets.

    Attributes:
        frames: numbers of the frames in the list.
    """

    def __init__(self, ui: object):
        self._ui = ui
        self._annotationNode: slicer.vtkMRMLSequenceNode | None = None
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
        """Show the frames of an input that are annotated; None for no annotation or no input."""
        frames = []
        if annotationNode is not None and holds(annotationNode, "vtkMRMLSegmentationNode") and inputNode is not None:
            frames = annotatedNumbers(annotationNode, inputNode)
        if frames == self.frames and annotationNode is self._annotationNode:
            return
        checked = set(self._checked()) if annotationNode is self._annotationNode else set()
        self._annotationNode = annotationNode
        self.frames = frames
        self._ui.annotatedFramesList.clear()
        for number in frames:
            item = qt.QListWidgetItem(_("frame {number} is fully annotated").format(number=number))
            item.setCheckState(qt.Qt.Checked if number in checked else qt.Qt.Unchecked)
            self._ui.annotatedFramesList.addItem(item)

    def marks(self, annotated: Iterable[int]) -> dict[int, str]:
        """Return how complete the annotation of each of these frames is, see `AnnotatedFrame.mark`."""
        return dict.fromkeys(annotated, self._ui.markComboBox.currentData) | dict.fromkeys(self._checked(), "whole")

    def _checked(self) -> list[int]:
        items = (self._ui.annotatedFramesList.item(row) for row in range(self._ui.annotatedFramesList.count))
        return [n for n, item in zip(self.frames, items, strict=True) if item.checkState() == qt.Qt.Checked]
