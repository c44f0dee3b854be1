"""Intensity rules: statistics from one pass over the frames, then every frame scaled alike."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .checks import are_numbers
from .errors import InputError


@dataclass(frozen=True)
class IntensityRule:
    """How a model wants its intensities.

    Attributes:
        scale: "percentile" maps the given percentiles (median over the frames of each frame's
            own) to 0 and 1 and clips; "min-max" maps the least and the greatest value.
        lower, upper: the percentiles, for "percentile".
        over: "sequence": statistics of all frames; "stack": of the frames that share one memory.
        zero_below: scaled values below it become 0.
        gamma: the power to which scaled values are raised; below 1 it brings images closer together
            whose brightest parts (fat near the coil) outshine the rest by different factors.
    """

    scale: str = "percentile"
    lower: float = 1.0
    upper: float = 99.5
    over: str = "sequence"
    zero_below: float = 0.0
    gamma: float = 1.0

    def __post_init__(self):
        if self.scale not in ("percentile", "min-max") or self.over not in ("sequence", "stack"):
            raise InputError(f"intensity: unknown scale {self.scale!r} or over {self.over!r}")
        if not are_numbers((self.lower, self.upper, self.zero_below, self.gamma), 4):
            raise InputError("intensity: lower, upper, zero_below and gamma must be numbers")
        if not 0 <= self.lower < self.upper <= 100 or self.gamma <= 0:
            raise InputError("intensity: 0 <= lower < upper <= 100 and gamma > 0 are needed")


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
