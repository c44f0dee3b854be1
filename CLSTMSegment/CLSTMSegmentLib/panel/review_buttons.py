"""The buttons with which the user goes through the frames to check, and marks them good or bad."""

from collections.abc import Callable

from slicer.i18n import tr as _

from ..scene.frame_reviews import BAD, GOOD, frameReviews, reviewFrame
from ..scene.outputs import SegmentationOutput
from ..scene.unsaved_drawings import saveChanges
from .reported_slots import reporting


class ReviewButtons:
    """The buttons *Next to check*, *Good* and *Bad*.

    Args:
        ui: the panel's widgets.
        marked: called with the number of a frame whose mark has changed.
    """

    def __init__(self, ui: object, marked: Callable[[int], None]):
        self._ui = ui
        self._marked = marked
        self._output: SegmentationOutput | None = None
        for button, slot in (
            (ui.nextToCheckButton, self._onNext),
            (ui.goodButton, lambda: self._mark(GOOD)),
            (ui.badButton, lambda: self._mark(BAD)),
        ):
            button.connect("clicked()", reporting(ui.statusLabel, slot))

    def review(self, output: SegmentationOutput | None) -> None:
        """Let the user review a finished output; None for none."""
        self._output = output if output is not None and output.source.browserNode is not None else None
        for button in (self._ui.nextToCheckButton, self._ui.goodButton, self._ui.badButton):
            button.enabled = self._output is not None

    def markOf(self, indexValue: str) -> str:
        """Return the mark of a frame for people; empty for a frame without one."""
        marks = frameReviews(self._output.sequenceNode) if self._output is not None else {}
        return {GOOD: _("good"), BAD: _("bad")}.get(marks.get(indexValue), "")

    def _onNext(self) -> None:
        """Show the next frame that is flagged or marked bad, and not marked good, after the shown one."""
        output = self._output
        marks = frameReviews(output.sequenceNode)
        flagged = {flag.frame for flag in output.curve.flags}
        toCheck = [
            frame.number
            for frame in output.curve.frames
            if marks.get(frame.index_value) == BAD or (frame.number in flagged and frame.index_value not in marks)
            if output.isInInput(frame.number)
        ]
        if not toCheck:
            self._ui.statusLabel.text = _("There is no frame to check any more.")
            return
        shown = output.shownFrame
        later = [number for number in toCheck if shown is not None and number > shown]
        output.showFrame((later or toCheck)[0])

    def _mark(self, mark: str) -> None:
        output = self._output
        number = output.shownFrame
        if number not in output.curve.numbers:
            self._ui.statusLabel.text = _("The frame that is shown was not segmented: choose another one.")
            return
        saveChanges(output.sequenceNode)
        reviewFrame(output.sequenceNode, output.curve.index.values[number], mark)
        self._marked(number)
