"""What a command shows on the terminal, which may be closed at any time."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import UnsupportedOperation
from typing import TYPE_CHECKING, TextIO

from ..core.plain_text import plain_text

if TYPE_CHECKING:
    from ..core.volume_curve import VolumeCurve

STANDARD_STREAMS = 3
FLAGS_SHOWN = 5


def show(text: object, file: TextIO | None = None, flush: bool = False) -> None:
    """Print a text as one line, by default on standard output; see `plain_text`."""
    print(plain_text(str(text)), file=file or sys.stdout, flush=flush)


def show_warnings(warnings: Iterable[str]) -> None:
    """Print each warning as one line on standard error."""
    for warning in warnings:
        show(f"clstm-segment: warning: {warning}", file=sys.stderr)


def show_flags(curve: "VolumeCurve") -> None:
    """Print the first quality flags of a result as one line on standard error; nothing where there are none."""
    flags = [str(flag) for flag in curve.flags]
    if flags:
        more = f"; and {len(flags) - FLAGS_SHOWN} more" if len(flags) > FLAGS_SHOWN else ""
        show(f"clstm-segment: frames to check: {'; '.join(flags[:FLAGS_SHOWN])}{more}", file=sys.stderr)


@contextmanager
def any_terminal() -> Iterator[None]:
    """While the block runs, let no output end it because it is closed, or because nobody reads it any more.

    What the block shows then is lost, its results are not. A disk that is full is an error all the same. Warnings of
    libraries are shown as `show` does.
    """
    _open_closed_streams()
    before = sys.stdout, sys.stderr
    sys.stdout = _Stream(sys.stdout or _nowhere(), (BrokenPipeError, ValueError))
    sys.stderr = _Stream(sys.stderr or _nowhere(), (OSError, ValueError))
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: show(f"clstm-segment: warning: {message}", sys.stderr)
            yield
    finally:
        with suppress(OSError):  # which the command has met already
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _open_closed_streams() -> None:
    """Give a standard stream that is closed a place to write to, which else the next file would take."""
    for number in range(STANDARD_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the smallest number that is free


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  it stays open as long as the process


class _Stream:
    """A stream that nobody may read any more.

    Args:
        stream: the stream.
        harmless: errors that do not end a command. On a terminal, which the user may have closed, all are.
    """

    def __init__(self, stream: TextIO, harmless: tuple[type[Exception], ...]):
        self._stream = stream
        with suppress(AttributeError, UnsupportedOperation, ValueError):
            stream.reconfigure(errors="backslashreplace")  # not every terminal has all characters
        is_terminal = not stream.closed and stream.isatty()
        self._harmless = (OSError, ValueError) if is_terminal else harmless

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (OSError, ValueError) as error:
            self._leave()
            if not isinstance(error, self._harmless):
                raise

    def _leave(self) -> None:
        """Lead what is written later, and what the process writes at its end, to nowhere."""
        with suppress(AttributeError, UnsupportedOperation, ValueError, OSError):
            number = self._stream.fileno()
            with _nowhere() as nowhere:
                os.dup2(nowhere.fileno(), number)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
