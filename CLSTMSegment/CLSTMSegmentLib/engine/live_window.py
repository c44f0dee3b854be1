"""The intensity window of a stream, whose later frames are not known yet."""

from statistics import median

import numpy as np

from ..model.rules import IntensityRule
from .intensity_window import IntensityWindow, find_intensity_window

ADAPTATION = 0.02
"""Part of the way from the window to that of the newest frame by which the window moves at each frame."""

MOST_ADAPTATION = 0.25
"""Largest distance of an end of the window from where it was after the first frames, as a fraction of its width."""


class LiveWindow:
    """The intensity window of a stream: found from the first frames, then slowly adapted within bounds.

    Args:
        rule: the intensity rule of the model.
        first_frames: number of frames from which the window is found. Until then, it is found from those that are
            there. Afterwards, it moves by `ADAPTATION` at each frame, by `MOST_ADAPTATION` at most.
        fixed: the intensities that become 0 and 1 in all frames; None to find them.
    """

    def __init__(self, rule: IntensityRule, first_frames: int, fixed: tuple[float, float] | None):
        self._rule = rule
        self._first_frames = first_frames
        self._fixed = None if fixed is None else IntensityWindow(*fixed, rule)
        self._first: list[IntensityWindow] = []
        self._found = IntensityWindow(0.0, 0.0, rule)
        self._adapted = self._found

    def after(self, array: np.ndarray) -> IntensityWindow:
        """Return the window after one more frame.

        Args:
            array: the voxels of the frame, of any shape; values that are not finite are ignored.
        """
        if self._fixed is not None:
            return self._fixed
        newest = find_intensity_window(self._rule, [array])
        if not newest.has_contrast:  # such as a frame of a scanner that pauses: it says nothing about the others
            return self._adapted
        if len(self._first) < self._first_frames:
            self._first.append(newest)
            self._found = self._adapted = self._of_first_frames()
        else:
            bound = MOST_ADAPTATION * (self._found.high - self._found.low)
            low, high = (
                float(np.clip(now + ADAPTATION * (new - now), found - bound, found + bound))
                for now, new, found in (
                    (self._adapted.low, newest.low, self._found.low),
                    (self._adapted.high, newest.high, self._found.high),
                )
            )
            self._adapted = IntensityWindow(low, high, self._rule)
        return self._adapted

    def _of_first_frames(self) -> IntensityWindow:
        lows, highs = [window.low for window in self._first], [window.high for window in self._first]
        if self._rule.scale == "percentile":
            return IntensityWindow(median(lows), median(highs), self._rule)
        return IntensityWindow(min(lows), max(highs), self._rule)
