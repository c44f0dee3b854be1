"""Work in Slicer's own process that takes longer than a moment: a busy cursor, and progress that can be seen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import qt
import slicer


@contextmanager
def busy(label: qt.QLabel) -> Iterator[Callable[[str], None]]:
    """Show a busy cursor while the block runs, in which Slicer does not react to the user.

    Args:
        label: where the progress is shown.

    Yields:
        A function that shows a text in the label at once.
    """

    def show(text: str) -> None:
        label.text = text
        slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)

    slicer.app.setOverrideCursor(qt.Qt.WaitCursor)
    try:
        yield show
    finally:
        slicer.app.restoreOverrideCursor()
