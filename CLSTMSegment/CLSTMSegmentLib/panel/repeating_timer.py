"""A timer that keeps nothing alive once it is stopped."""

from collections.abc import Callable

import qt


class RepeatingTimer:
    """Calls a function again and again between `start` and `stop`.

    PythonQt holds a connected function strongly, where Python's garbage collector cannot see it. A timer that stays
    connected to a method of its owner would keep the owner, and all that the owner refers to, for ever.

    Args:
        interval_ms: time between two calls.
        function: the function.
    """

    def __init__(self, interval_ms: int, function: Callable[[], None]):
        self._function = function
        self._timer = qt.QTimer()
        self._timer.interval = interval_ms

    def start(self) -> None:
        """Call the function from now on; to start a timer that runs already does nothing."""
        if not self._timer.active:
            self._timer.connect("timeout()", self._function)
            self._timer.start()

    def stop(self) -> None:
        """Call the function no more."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self._function)
