"""Tiles that cover a frame: their size, their places, and their Gaussian blending."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

import numpy as np
import torch
from torch import Tensor

from ..core.boxes import Shape
from ..core.errors import InputError
from ..core.memory import free_memory, peak_memory
from ..model.description import Model
from ..model.rules import GeometryRule
from ..network.inference import step_bytes
from ..network.options import NetworkOptions
from .run_report import RunReport
from .settings import RunSettings

COPIES = 5
"""A frame of a single slice is read as this many copies of it: a network that learned stacks finds little in one slice.

Of the phantom's structures in a single slice, Dice 0.1 was found without copies, 0.97 with three, and 0.99 with five.
"""


def padded_shape(shape: Shape, rule: GeometryRule, network: NetworkOptions) -> Shape:
    """Return the size (D, H, W) to which a frame is padded.

    That is at least the model's patch, or else multiples of the network's strides that are at least its smallest size.
    Along an axis with a single voxel, along which the network reads neighbours, there are `COPIES` of it.
    """
    reads_neighbours = [max(sizes) > 1 for sizes in zip(*network.kernels, strict=True)]
    shape = tuple(COPIES if n == 1 and reads else n for n, reads in zip(shape, reads_neighbours, strict=True))
    if rule.patch is not None:
        return tuple(max(n, p) for n, p in zip(shape, rule.patch, strict=True))
    return tuple(ceil(max(n, least) / s) * s for n, least, s in zip(shape, rule.smallest, network.strides, strict=True))


def pad(volume: np.ndarray, shape: Shape) -> np.ndarray:
    """Pad a (D, H, W) volume on both sides, where an odd number has one more at the end.

    It is padded with zeros; along an axis with a single voxel, with copies of it.
    """
    for axis, (n, m) in enumerate(zip(volume.shape, shape, strict=True)):
        widths = [(0, 0)] * 3
        widths[axis] = ((m - n) // 2, m - n - (m - n) // 2)
        volume = np.pad(volume, widths, "edge" if n == 1 else "constant")
    return volume


def unpad(volume: Tensor, shape: Shape) -> Tensor:
    """Return the middle (C, *shape) of a (C, D, H, W) volume, which `pad` surrounded."""
    starts = [(m - n) // 2 for n, m in zip(shape, volume.shape[1:], strict=True)]
    return volume[(slice(None), *(slice(s, s + n) for s, n in zip(starts, shape, strict=True)))]


MOST_TILES = 1_000_000
"""Largest number of tiles of a frame, each of which has a recurrent state of its own."""


def plan_tiles(shape: Shape, tile: Shape, overlap: float) -> list[tuple[slice, slice, slice]]:
    """Return the index ranges of the fewest evenly spread tiles that cover a frame with at least an overlap.

    Args:
        shape: size (D, H, W) of the padded frame.
        tile: size (D, H, W) of a tile; an edge longer than the frame's becomes as long as that.
        overlap: least part that neighbouring tiles share, from 0 to below 1.

    Raises:
        InputError: there would be more than `MOST_TILES`.
    """
    per_axis = []
    for n, t in zip(shape, tile, strict=True):
        t = min(n, t)
        count = 1 if t == n else ceil((n - t) / max(t * (1 - overlap), 1)) + 1
        starts = [round(k * (n - t) / max(count - 1, 1)) for k in range(count)]
        per_axis.append([slice(s, s + t) for s in starts])
    count = prod(map(len, per_axis))
    if count > MOST_TILES:
        raise InputError(f"a frame would have {count} tiles of {tile} voxels: choose larger tiles or a smaller overlap")
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
        device: where the tiles are and the mean is computed.
    """

    def __init__(self, classes: int, shape: Shape, tile: Shape, device: torch.device):
        self._weights = gaussian_weights(tile).to(device)
        self._sum = torch.zeros((classes, *shape), device=device)
        self._weight_sum = torch.zeros(shape, device=device)

    def add(self, place: tuple[slice, slice, slice], values: Tensor) -> None:
        """Add the values of one tile, (classes, *tile)."""
        self._sum[(slice(None), *place)] += values * self._weights
        self._weight_sum[place] += self._weights

    def result(self) -> Tensor:
        """Return the blended values, (classes, D, H, W); nothing can be added after this."""
        return self._sum.div_(self._weight_sum)


def halved(tile: Shape, strides: Shape, least: int = 32) -> Shape | None:
    """Return the tile with its longest edge halved, to a multiple of the strides; None when it cannot be smaller."""
    longest = max(range(3), key=lambda axis: tile[axis])
    if tile[longest] <= least:
        return None
    stride = strides[longest]
    edge = max(ceil(tile[longest] / (2 * stride)) * stride, least)
    return tuple(edge if axis == longest else n for axis, n in enumerate(tile))


def plan_tile(shape: Shape, strides: Shape, needed_bytes: Callable[[Shape], float], free_bytes: float) -> Shape:
    """Return the largest tile of a padded frame whose step fits into free memory, found by halving the frame.

    Args:
        shape: size (D, H, W) of the padded frame.
        strides: strides of the network along D, H and W, of which the edges of a tile are multiples.
        needed_bytes: memory in bytes that a step over a tile needs.
        free_bytes: memory in bytes that is free.
    """
    tile = shape
    while needed_bytes(tile) > free_bytes:
        smaller = halved(tile, strides)
        if smaller is None:
            break
        tile = smaller
    return tile


AT_ONCE = {"cpu": 1, "cuda": 8, "mps": 1}
"""Most tiles of a frame that are read at once, by type of device: one small tile keeps no NVIDIA GPU busy."""

SLOW = 1.5
"""Tiles with more than this many times the voxels of the frame cost time that is worth a warning."""


@dataclass(frozen=True)
class TileLayout:
    """How a frame is covered by tiles.

    Attributes:
        shape: size (D, H, W) of the padded frame.
        tile: size (D, H, W) of a tile.
        places: index ranges of each tile in the padded frame.
        at_once: number of tiles that are read at once.
    """

    shape: Shape
    tile: Shape
    places: list[tuple[slice, slice, slice]]
    at_once: int = 1

    @property
    def times_the_frame(self) -> float:
        """Return how many times as many voxels all tiles have as the frame."""
        return len(self.places) * prod(self.tile) / prod(self.shape)


class TilePlanner:
    """Chooses the tiles of a run: as large as the free memory allows, unless the settings or the model give their size.

    Args:
        model: the model.
        settings: the tile, the overlap and the RAM limit of the run.

    Attributes:
        tile: size (D, H, W) of a tile; None before it is planned.
        at_once: number of tiles that are read at once, where a frame has as many; None before it is planned.

    Raises:
        InputError: the model cannot segment tiles of the size in the settings.
    """

    def __init__(self, model: Model, settings: RunSettings):
        self._model = model
        self._overlap = settings.overlap
        self._ram_gb = settings.ram_gb
        self.tile = _checked_tile(model, settings.tile)
        self.at_once: int | None = None
        self._planned_for: Shape | None = None

    def layout(self, shape: Shape, device: torch.device, dtype: torch.dtype, report: RunReport) -> TileLayout:
        """Return how tiles cover a frame.

        Args:
            shape: size (D, H, W) of the frame on the model's grid.
            device: where the network runs; its free memory is read for the first frame, and for a larger one.
            dtype: the type of the numbers in which it computes.
            report: gets a warning when the RAM limit is too low, or when tiles cost much time.
        """
        padded = padded_shape(shape, self._model.geometry, self._model.network)
        planned_for = self._planned_for
        if self.tile is None or (planned_for and any(n > m for n, m in zip(padded, planned_for, strict=True))):
            self.tile, self._planned_for = self._largest_tile(padded, device, dtype, report), padded
        tile = tuple(min(n, t) for n, t in zip(padded, self.tile, strict=True))
        if self.at_once is None:
            fitting = self._spare_bytes(padded, device) / step_bytes(tile, self._model.network, device.type, dtype)
            self.at_once = max(min(int(fitting), AT_ONCE[device.type]), 1)
        layout = TileLayout(padded, tile, plan_tiles(padded, tile, self._overlap), self.at_once)
        if layout.times_the_frame > SLOW:
            report.warn(
                f"a frame is segmented in {len(layout.places)} tiles of {' x '.join(map(str, tile))} voxels, which "
                f"overlap: this takes at least {layout.times_the_frame:.1f} times as long as the whole frame at once; "
                "with more memory, a smaller region or a smaller overlap it is faster"
            )
        return layout

    def shrink(self) -> bool:
        """Change to fewer tiles at once, or else to smaller ones; return False where they cannot be smaller."""
        self._planned_for = None
        if self.at_once is not None and self.at_once > 1:
            self.at_once = 1
            return True
        smaller = None
        if self._model.geometry.patch is None and self.tile:
            smaller = halved(self.tile, self._model.network.strides)
        if smaller is None:
            return False
        self.tile = smaller
        return True

    def _spare_bytes(self, shape: Shape, device: torch.device) -> float:
        """Return how many bytes of the memory that is free now the steps over tiles of a padded frame can take."""
        free = free_memory(device)
        if self._ram_gb is not None and device.type == "cpu":
            free = min(free, int(self._ram_gb * 1e9) - peak_memory())
        # besides a step over a tile, memory holds the frame, the padded frame, the blending weights, and the
        # probabilities twice
        frame_bytes = prod(shape) * 4 * (3 + 2 * self._model.network.classes)
        # not all free memory can be used, since it is fragmented
        return 0.7 * free - frame_bytes

    def _largest_tile(self, shape: Shape, device: torch.device, dtype: torch.dtype, report: RunReport) -> Shape:
        """Return the largest tile of a padded frame that fits into the memory that is free now."""

        def needed(tile: Shape) -> float:
            return step_bytes(tile, self._model.network, device.type, dtype)

        spare_bytes = self._spare_bytes(shape, device)
        tile = plan_tile(shape, self._model.network.strides, needed, spare_bytes)
        if self._ram_gb is not None and needed(tile) > spare_bytes:
            report.warn(
                f"the RAM limit of {self._ram_gb:g} GB is low for frames of this size: even the smallest tiles may "
                "need more RAM; choose a smaller region"
            )
        return tile


def _checked_tile(model: Model, tile: Shape | None) -> Shape | None:
    """Return the size of a tile; None when it is to be planned from the free memory.

    Raises:
        InputError: the model cannot segment tiles of this size.
    """
    patch = model.geometry.patch
    if tile is None:
        return patch
    if patch is not None and tuple(tile) != tuple(patch):
        raise InputError(f"model {model.name} works only on tiles of {patch}, not {tile}")
    smallest, strides = model.geometry.smallest, model.network.strides
    if patch is None and any(n < least or n % s for n, least, s in zip(tile, smallest, strides, strict=True)):
        multiples = " x ".join(map(str, strides))
        raise InputError(f"the edges of a tile must be multiples of {multiples} and at least {smallest}, not {tile}")
    return tile
