"""Signals that ask a process to end: they end a command as Ctrl-C does, so that no part of an output stays behind."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGXCPU", "SIGBREAK")
"""A system has only some of them."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """While the block runs, raise a KeyboardInterrupt at the first of these signals, and ignore further ones.

    A signal that the caller ignores, as `nohup` does, stays ignored.
    """
    before = {one: handler for one, handler in _handlers(NAMES).items() if handler is not signal.SIG_IGN}

    def stop(number: int, frame: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)  # so that nothing interrupts the clearing up
        raise KeyboardInterrupt

    with _handled_by(stop, before):
        yield


@contextmanager
def stopped_after_this() -> Iterator[None]:
    """Let Ctrl-C and the other signals take effect only when the block has ended, in which they would do harm."""
    came: list[tuple[int, FrameType | None]] = []
    before = {one: handler for one, handler in _handlers(("SIGINT", *NAMES)).items() if callable(handler)}
    with _handled_by(lambda *given: came.append(given), before):
        yield
    for number, frame in came:
        before[number](number, frame)


def _handlers(names: Iterable[str]) -> dict[int, object]:
    """Return the handlers of the signals of this system; none outside of the main thread, which alone sets any."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {one: signal.getsignal(one) for name in names if (one := getattr(signal, name, None)) is not None}


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], object], before: Mapping[int, object]) -> Iterator[None]:
    """Let one handler take the place of others while the block runs."""
    for one in before:
        signal.signal(one, handler)
    try:
        yield
    finally:
        for one, former in before.items():
            signal.signal(one, former)
