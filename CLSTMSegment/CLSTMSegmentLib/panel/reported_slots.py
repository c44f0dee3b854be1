"""Lines that the user reads in the panel, and slots whose errors are among them; PythonQt only prints an exception."""

import html
from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ..core.errors import InputError, RunFailed


def reporting(label: qt.QLabel, slot: Callable) -> Callable:
    """Return a slot that calls another one, and shows what went wrong.

    Args:
        label: the label in which the user reads it.
        slot: raises InputError, RunFailed or OSError for what the user can mend. Another exception is a fault in the
            program, which is also printed.
    """

    def call(*arguments: object) -> None:
        try:
            slot(*arguments)
        except (InputError, RunFailed, OSError) as error:
            label.text = str(error)
        except Exception as error:
            label.text = unexpected(error)
            raise

    return call


def telling(label: qt.QLabel) -> Callable[[str], None]:
    """Return a function that shows a line of text in a label."""

    def tell(text: str) -> None:
        label.text = text

    return tell


def plain(text: str) -> str:
    """Return a text as a tool tip or a message box shows it as it is: these take a name that looks like HTML for it."""
    escaped = html.escape(text, quote=False)
    return text if escaped == text else f"<qt>{escaped}</qt>".replace("\n", "<br>")


def unexpected(error: Exception) -> str:
    """Return the message about an exception that is a fault in the program."""
    return _("Unexpected error: {error}. The Python console says more.").format(error=error or type(error).__name__)
