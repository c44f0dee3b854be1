"""A box in space to which a run is restricted."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..core.errors import InputError

FARTHEST_MM = 1e100
"""No place in a region is farther than this from the origin: numbers near the greatest ones that there are overflow."""


@dataclass(frozen=True)
class Region:
    """An oriented box.

    Attributes:
        center: LPS position, mm.
        size: edge lengths along the axes, mm.
        axes: three orthogonal unit vectors (rows), LPS.

    Raises:
        InputError: the box has no volume, or reaches farther than `FARTHEST_MM`.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def __post_init__(self):
        if not all(np.isfinite(self.center)) or not all(np.isfinite(s) and s > 0 for s in self.size):
            raise InputError(f"the region of interest has no volume: its edges are {self.size} mm")
        _check_far((*self.center, *self.size))

    @classmethod
    def from_dict(cls, content: Mapping[str, object]) -> "Region":
        """Return the box from what `dataclasses.asdict` and JSON made of it."""
        return cls(**{key: _tuples(value) for key, value in content.items()})

    @classmethod
    def from_ras_bounds(cls, bounds: tuple[float, float, float, float, float, float]) -> "Region":
        """Return the box with the bounds R0 R1 A0 A1 S0 S1 in mm RAS; each pair may come in either order.

        Raises:
            InputError: see `Region`.
        """
        _check_far(bounds)
        low = np.minimum(bounds[0::2], bounds[1::2])
        high = np.maximum(bounds[0::2], bounds[1::2])
        center = (low + high) / 2 * (-1, -1, 1)
        return cls(tuple(center.tolist()), tuple((high - low).tolist()))

    def corners(self) -> np.ndarray:
        """Return the eight corners, (8, 3), LPS mm."""
        halves = np.array(list(product((-0.5, 0.5), repeat=3))) * self.size
        return np.array(self.center) + halves @ np.array(self.axes)

    def contains(self, origin: np.ndarray, steps: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """Return which voxels of a grid lie in the box, (D, H, W) bool.

        Args:
            origin: LPS position of the first voxel, mm.
            steps: rows: LPS step in mm along D, H, W.
        """
        inside = np.ones(shape, bool)
        for axis, edge in zip(np.array(self.axes), self.size, strict=True):
            along = [np.arange(n) * float(step @ axis) for n, step in zip(shape, steps, strict=True)]
            offset = float((origin - np.array(self.center)) @ axis)
            distance = along[0][:, None, None] + along[1][:, None] + along[2] + offset
            inside &= np.abs(distance) <= edge / 2 + 1e-6
        return inside


def _check_far(numbers: tuple[float, ...]) -> None:
    """Raise an InputError if a number of a region is none, or so great that what is computed with it overflows."""
    far = next((number for number in numbers if not abs(number) <= FARTHEST_MM), None)
    if far is not None:
        raise InputError(f"a number of the region of interest is {far:g} mm: give numbers up to {FARTHEST_MM:g} mm")


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
