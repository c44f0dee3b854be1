"""The intensity window of a stream, whose later frames are not known yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from ..model.rules import IntensityRule
from .intensity_window import IntensityWindow, find_intensity_window

ADAPTATION = 0.02
"""Part of the way from the window to that of the newest frame by which the window moves at each frame."""

MOST_ADAPTATION = 0.25
"""Largest distance of an end of the window from where it was after the first frames, as a fraction of its width."""


@dataclass(frozen=True)
class LiveWindow:
    """The intensity window of a stream: found from the first frames, then slowly adapted within bounds.

    Attributes:
        rule: the intensity rule of the model.
        first_frames: number of frames from which the window is found. Until then, it is found from those that are
            there. Afterwards, it moves by `ADAPTATION` at each frame, by `MOST_ADAPTATION` at most.
        fixed: whether `now` is the window of all frames.
        now: the window after the frames so far.
        first: the windows of the first frames so far.
    """

    rule: IntensityRule
    first_frames: int
    fixed: bool
    now: IntensityWindow
    first: tuple[IntensityWindow, ...] = ()

    @classmethod
    def at_the_start(cls, rule: IntensityRule, first_frames: int, fixed: tuple[float, float] | None) -> "LiveWindow":
        """Return the window before the first frame.

        Args:
            rule, first_frames: see the attributes.
            fixed: the intensities that become 0 and 1 in all frames; None to find them.
        """
        return cls(rule, first_frames, fixed is not None, IntensityWindow(*(fixed or (0.0, 0.0)), rule))

    def after(self, array: np.ndarray) -> "LiveWindow":
        """Return the window after one more frame.

        Args:
            array: the voxels of the frame, of any shape; values that are not finite are ignored.
        """
        if self.fixed:
            return self
        newest = find_intensity_window(self.rule, [array])
        if not newest.has_contrast:  # such as a frame of a scanner that pauses: it says nothing about the others
            return self
        if len(self.first) < self.first_frames:
            first = (*self.first, newest)
            return replace(self, first=first, now=self._of_frames(first))
        found = self._of_frames(self.first)
        bound = MOST_ADAPTATION * (found.high - found.low)
        low, high = (
            float(np.clip(now + ADAPTATION * (new - now), at_first - bound, at_first + bound))
            for now, new, at_first in (
                (self.now.low, newest.low, found.low),
                (self.now.high, newest.high, found.high),
            )
        )
        return replace(self, now=IntensityWindow(low, high, self.rule))

    def _of_frames(self, windows: Sequence[IntensityWindow]) -> IntensityWindow:
        lows, highs = [window.low for window in windows], [window.high for window in windows]
        if self.rule.scale == "percentile":
            return IntensityWindow(median(lows), median(highs), self.rule)
        return IntensityWindow(min(lows), max(highs), self.rule)
