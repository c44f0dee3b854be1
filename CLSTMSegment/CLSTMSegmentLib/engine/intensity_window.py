"""The intensity window of a sequence, from statistics of its frames."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..model.rules import IntensityRule


@dataclass(frozen=True)
class IntensityWindow:
    """The intensities that a model's rule maps to 0 and 1.

    Attributes:
        low, high: the intensities that become 0 and 1.
        rule: the model's rule, whose `zero_below` and `gamma` are applied too.
    """

    low: float
    high: float
    rule: IntensityRule

    @property
    def has_contrast(self) -> bool:
        """Return whether there is anything to see; without contrast all voxels have the same value."""
        return self.high > self.low

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Return a float32 copy of finite values, scaled and clipped to [0, 1]."""
        width = self.high - self.low
        if width <= 0:
            return np.zeros(array.shape, np.float32)
        # differences of larger values would overflow in single precision, and those of large values would be rounded
        largest = max(abs(self.low), abs(self.high))
        kind = np.float32 if largest < min(1e37, 1e4 * width) else np.float64
        scaled = np.clip((array.astype(kind) - self.low) / width, 0.0, 1.0).astype(np.float32, copy=False)
        scaled[scaled < self.rule.zero_below] = 0.0
        return scaled if self.rule.gamma == 1 else scaled**self.rule.gamma


def find_intensity_window(rule: IntensityRule, arrays: Iterable[np.ndarray]) -> IntensityWindow:
    """Return the intensity window of some frames.

    Args:
        rule: the intensity rule of the model.
        arrays: the voxels of each frame, of any shape; values that are not finite are ignored.
    """
    limits = (intensity_limits(rule, array) for array in arrays)
    return window_of_limits(rule, [one for one in limits if one is not None])


def intensity_limits(rule: IntensityRule, array: np.ndarray) -> tuple[float, float] | None:
    """Return the low and the high limit of the intensities of one frame; None where no value is finite."""
    values = array[np.isfinite(array)] if np.issubdtype(array.dtype, np.floating) else array.ravel()
    if values.size == 0:
        return None
    if rule.scale == "percentile":
        low, high = np.percentile(values, [rule.lower, rule.upper])
    else:
        low, high = values.min(), values.max()
    return float(low), float(high)


def window_of_limits(rule: IntensityRule, limits: Sequence[tuple[float, float]]) -> IntensityWindow:
    """Return the intensity window of some frames, from the limits of each of them."""
    if not limits:
        return IntensityWindow(0.0, 0.0, rule)
    lows, highs = zip(*limits, strict=True)
    if rule.scale == "percentile":
        return IntensityWindow(float(np.median(lows)), float(np.median(highs)), rule)
    return IntensityWindow(min(lows), max(highs), rule)
