"""How long frames take that are segmented one by one."""

from collections import deque
from dataclasses import dataclass

import numpy as np

REMEMBERED = 1000
"""Number of the last frames over which latencies are reported."""


@dataclass(frozen=True)
class Latency:
    """How long it took from a frame to its labels, in seconds, over the last `REMEMBERED` frames.

    Attributes:
        newest: of the last frame.
        median, percentile_95: of these frames.
    """

    newest: float
    median: float
    percentile_95: float


class Latencies:
    """Remembers how long the last frames took."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """Add the time of the newest frame."""
        self._seconds.append(seconds)

    @property
    def latency(self) -> Latency | None:
        """Return how long the last frames took; None before the first one."""
        if not self._seconds:
            return None
        return Latency(self._seconds[-1], *map(float, np.percentile(self._seconds, [50, 95])))
