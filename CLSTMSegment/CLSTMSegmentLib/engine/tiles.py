"""Tiles that cover a frame, and their Gaussian blending."""

from collections.abc import Callable
from math import ceil

import numpy as np
import torch
from torch import Tensor

from ..core.boxes import Shape
from ..model.rules import GeometryRule


def padded_shape(shape: Shape, rule: GeometryRule) -> Shape:
    """Return the size (D, H, W) to which a frame is padded.

    That is at least the model's patch, or else multiples of 8 that are at least its smallest size.
    """
    if rule.patch is not None:
        return tuple(max(n, p) for n, p in zip(shape, rule.patch, strict=True))
    return tuple(ceil(max(n, least) / 8) * 8 for n, least in zip(shape, rule.smallest, strict=True))


def pad(volume: np.ndarray, shape: Shape) -> np.ndarray:
    """Pad a (D, H, W) volume with zeros on both sides; an odd number of zeros has one more at the end."""
    missing = [m - n for n, m in zip(volume.shape, shape, strict=True)]
    return np.pad(volume, [(m // 2, m - m // 2) for m in missing])


def unpad(volume: Tensor, shape: Shape) -> Tensor:
    """Return the middle (C, *shape) of a (C, D, H, W) volume, which `pad` surrounded."""
    starts = [(m - n) // 2 for n, m in zip(shape, volume.shape[1:], strict=True)]
    return volume[(slice(None), *(slice(s, s + n) for s, n in zip(starts, shape, strict=True)))]


def plan_tiles(shape: Shape, tile: Shape, overlap: float) -> list[tuple[slice, slice, slice]]:
    """Return the index ranges of the fewest evenly spread tiles that cover a frame with at least an overlap.

    Args:
        shape: size (D, H, W) of the padded frame.
        tile: size (D, H, W) of a tile; an edge longer than the frame's becomes as long as that.
        overlap: least part that neighbouring tiles share, from 0 to below 1.
    """
    per_axis = []
    for n, t in zip(shape, tile, strict=True):
        t = min(n, t)
        count = 1 if t == n else ceil((n - t) / max(t * (1 - overlap), 1)) + 1
        starts = [round(k * (n - t) / max(count - 1, 1)) for k in range(count)]
        per_axis.append([slice(s, s + t) for s in starts])
    return [(d, h, w) for d in per_axis[0] for h in per_axis[1] for w in per_axis[2]]


def gaussian_weights(tile: Shape) -> Tensor:
    """Return the blending weights of a tile, (D, H, W): a Gaussian with a sigma of 1/8 of each edge, never 0.

    Source: Isensee et al. 2021 (nnU-Net).
    """
    weights = torch.ones(1)
    for n in tile:
        position = torch.arange(n, dtype=torch.float32) - (n - 1) / 2
        weights = weights[..., None] * torch.exp(-0.5 * (position / (n / 8)) ** 2)
    return weights[0].clamp(min=1e-4)


class TileBlender:
    """Weighted mean of the tiles of one frame.

    Args:
        classes: number of channels.
        shape: size (D, H, W) of the padded frame.
        tile: size (D, H, W) of a tile.
    """

    def __init__(self, classes: int, shape: Shape, tile: Shape):
        self._weights = gaussian_weights(tile)
        self._sum = torch.zeros((classes, *shape))
        self._weight_sum = torch.zeros(shape)

    def add(self, place: tuple[slice, slice, slice], values: Tensor) -> None:
        """Add the values of one tile, (classes, *tile), on the CPU."""
        self._sum[(slice(None), *place)] += values * self._weights
        self._weight_sum[place] += self._weights

    def result(self) -> Tensor:
        """Return the blended values, (classes, D, H, W); nothing can be added after this."""
        return self._sum.div_(self._weight_sum)


def halved(tile: Shape, least: int = 32) -> Shape | None:
    """Return the tile with its longest edge halved to a multiple of 8; None when it is as small as it can be."""
    longest = max(range(3), key=lambda axis: tile[axis])
    if tile[longest] <= least:
        return None
    edge = max(ceil(tile[longest] / 16) * 8, least)
    return tuple(edge if axis == longest else n for axis, n in enumerate(tile))


def plan_tile(shape: Shape, step_bytes: Callable[[Shape], float], free_bytes: float) -> Shape:
    """Return the largest tile of a padded frame whose step fits into free memory, found by halving the frame.

    Args:
        shape: size (D, H, W) of the padded frame.
        step_bytes: memory in bytes that a step over a tile needs.
        free_bytes: memory in bytes that is free.
    """
    tile = shape
    while step_bytes(tile) > free_bytes:
        smaller = halved(tile)
        if smaller is None:
            break
        tile = smaller
    return tile
