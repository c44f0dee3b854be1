"""Slots whose errors reach the panel; PythonQt only prints an exception in a slot."""

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


def unexpected(error: Exception) -> str:
    """Return the message about an exception that is a fault in the program."""
    return _("Unexpected error: {error}. The Python console says more.").format(error=error or type(error).__name__)
