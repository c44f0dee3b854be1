"""The intensity window of a sequence: statistics from one pass over its frames."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..model.rules import IntensityRule


@dataclass(frozen=True)
class Window:
    """The intensities that a rule found to be 0 and 1."""

    low: float
    high: float
    rule: IntensityRule

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Scaled float32 copy of finite values, clipped to [0, 1]."""
        width = self.high - self.low
        if width <= 0:
            return np.zeros(array.shape, np.float32)
        # beyond this, differences would overflow in single precision
        kind = np.float32 if max(abs(self.low), abs(self.high)) < 1e37 else np.float64
        scaled = np.clip((array.astype(kind) - self.low) / width, 0.0, 1.0).astype(np.float32, copy=False)
        scaled[scaled < self.rule.zero_below] = 0.0
        return scaled if self.rule.gamma == 1 else scaled**self.rule.gamma


def find_window(rule: IntensityRule, arrays: Iterable[np.ndarray]) -> Window:
    """One pass over the frames' voxels (any shape); non-finite values are left out."""
    lows, highs = [], []
    for array in arrays:
        values = array[np.isfinite(array)] if np.issubdtype(array.dtype, np.floating) else array.ravel()
        if values.size == 0:
            continue
        if rule.scale == "percentile":
            low, high = np.percentile(values, [rule.lower, rule.upper])
        else:
            low, high = values.min(), values.max()
        lows.append(float(low))
        highs.append(float(high))
    if not lows:
        return Window(0.0, 0.0, rule)
    if rule.scale == "percentile":
        return Window(float(np.median(lows)), float(np.median(highs)), rule)
    return Window(min(lows), max(highs), rule)


def finite(array: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray | None]:
    """The array with background where it is not finite, and where that is (None: nowhere)."""
    if not np.issubdtype(array.dtype, np.floating):
        return array, None
    invalid = ~np.isfinite(array)
    if not invalid.any():
        return array, None
    return np.where(invalid, window.low, array), invalid
