"""Tiles that cover a frame, and their Gaussian blending."""

from collections.abc import Callable
from math import ceil

import numpy as np
import torch
from torch import Tensor

from ..core.boxes import Shape
from ..model.rules import GeometryRule


def padded_shape(shape: Shape, rule: GeometryRule) -> Shape:
    """The size a frame is padded to: at least the model's patch, else a multiple of 8 from its smallest size on."""
    if rule.patch is not None:
        return tuple(max(n, p) for n, p in zip(shape, rule.patch, strict=True))
    return tuple(ceil(max(n, least) / 8) * 8 for n, least in zip(shape, rule.smallest, strict=True))


def pad(volume: np.ndarray, shape: Shape) -> np.ndarray:
    """Zeros around a (D, H, W) volume; an odd one goes after."""
    missing = [m - n for n, m in zip(volume.shape, shape, strict=True)]
    return np.pad(volume, [(m // 2, m - m // 2) for m in missing])


def unpad(volume: Tensor, shape: Shape) -> Tensor:
    """The middle (C, *shape) of a (C, D, H, W) volume: what `pad` surrounded."""
    starts = [(m - n) // 2 for n, m in zip(shape, volume.shape[1:], strict=True)]
    return volume[(slice(None), *(slice(s, s + n) for s, n in zip(starts, shape, strict=True)))]


def plan_tiles(shape: Shape, tile: Shape, overlap: float) -> list[tuple[slice, slice, slice]]:
    """The fewest evenly spread tiles that cover a frame with at least the overlap.

    Args:
        shape: of the padded frame, (D, H, W).
        tile: size of a tile; an axis longer than the frame's is cut to it.
        overlap: least shared part of neighbouring tiles, 0 to below 1.
    """
    per_axis = []
    for n, t in zip(shape, tile, strict=True):
        t = min(n, t)
        count = 1 if t == n else ceil((n - t) / max(t * (1 - overlap), 1)) + 1
        starts = [round(k * (n - t) / max(count - 1, 1)) for k in range(count)]
        per_axis.append([slice(s, s + t) for s in starts])
    return [(d, h, w) for d in per_axis[0] for h in per_axis[1] for w in per_axis[2]]


def gaussian_weights(tile: Shape) -> Tensor:
    """Blending weights of a tile, (D, H, W): a Gaussian of sigma 1/8 of each edge, never 0.

    Source: Isensee et al. 2021 (nnU-Net).
    """
    weights = torch.ones(1)
    for n in tile:
        position = torch.arange(n, dtype=torch.float32) - (n - 1) / 2
        weights = weights[..., None] * torch.exp(-0.5 * (position / (n / 8)) ** 2)
    return weights[0].clamp(min=1e-4)


class TileBlender:
    """Weighted mean of the tiles of one frame."""

    def __init__(self, classes: int, shape: Shape, tile: Shape):
        self._weights = gaussian_weights(tile)
        self._sum = torch.zeros((classes, *shape))
        self._weight_sum = torch.zeros(shape)

    def add(self, place: tuple[slice, slice, slice], values: Tensor) -> None:
        """Add one tile's values, (classes, *tile), on the CPU."""
        self._sum[(slice(None), *place)] += values * self._weights
        self._weight_sum[place] += self._weights

    def result(self) -> Tensor:
        """(classes, D, H, W)."""
        return self._sum.div_(self._weight_sum)


def halved(tile: Shape, least: int = 32) -> Shape | None:
    """The tile with its longest edge halved to a multiple of 8; None when it is as small as it may be."""
    longest = max(range(3), key=lambda axis: tile[axis])
    if tile[longest] <= least:
        return None
    edge = max(ceil(tile[longest] / 16) * 8, least)
    return tuple(edge if axis == longest else n for axis, n in enumerate(tile))


def plan_tile(shape: Shape, step_bytes: Callable[[Shape], float], free_bytes: float) -> Shape:
    """The largest tile of a padded frame whose step fits into free memory, halving from the whole frame."""
    tile = shape
    while step_bytes(tile) > free_bytes:
        smaller = halved(tile)
        if smaller is None:
            break
        tile = smaller
    return tile
