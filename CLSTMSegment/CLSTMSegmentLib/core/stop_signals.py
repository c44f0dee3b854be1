"""Signals that ask a process to end: they end a command as Ctrl-C does, so that no part of an output stays behind."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGXCPU", "SIGBREAK")
"""A system has only some of them."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """While the block runs, raise a KeyboardInterrupt at the first of these signals, and ignore further ones.

    A signal that the caller ignores, as `nohup` does, stays ignored.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():  # only this thread may set handlers
        signals = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
        before = {one: signal.getsignal(one) for one in signals if signal.getsignal(one) is not signal.SIG_IGN}

    def stop(number: int, frame: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)  # so that nothing interrupts the clearing up
        raise KeyboardInterrupt

    for one in before:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def stopped_after_this() -> Iterator[None]:
    """Let Ctrl-C and the other signals take effect only when the block has ended, in which they would do harm."""
    came: list[tuple[int, FrameType | None]] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        signals = [getattr(signal, name) for name in ("SIGINT", *NAMES) if hasattr(signal, name)]
        before = {one: handler for one in signals if callable(handler := signal.getsignal(one))}
    for one in before:
        signal.signal(one, lambda *given: came.append(given))
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    for number, frame in came:
        before[number](number, frame)
