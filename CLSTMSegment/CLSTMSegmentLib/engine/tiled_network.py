"""A model's network on a device, which segments a frame in tiles that fit into memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.boxes import Shape
from ..core.devices import choose_device
from ..core.errors import InputError
from ..core.memory import free_memory, peak_memory
from ..model.description import Model
from ..network.inference import inference_network, step_bytes
from .run_report import RunReport
from .settings import RunSettings
from .tiles import TileBlender, halved, pad, padded_shape, plan_tile, plan_tiles, unpad

State = list
"""(h, c) of every CLSTM layer, for one tile."""


@dataclass(frozen=True)
class TileLayout:
    """How a frame is covered by tiles.

    Attributes:
        shape: size (D, H, W) of the padded frame.
        tile: size (D, H, W) of a tile.
        places: index ranges of each tile in the padded frame.
    """

    shape: Shape
    tile: Shape
    places: list[tuple[slice, slice, slice]]


class TiledNetwork:
    """A model's network on a device, which segments frames in tiles.

    Args:
        model: the model.
        settings: the device, tile, overlap and RAM limit of the run.

    Attributes:
        report: the device, the tiles and the warnings so far.

    Raises:
        InputError: the device or the tile cannot be used, or the weights of the model cannot be read.
    """

    def __init__(self, model: Model, settings: RunSettings):
        if model.network.in_channels != 1:
            raise InputError(f"model {model.name} needs {model.network.in_channels} channels: frames have one")
        self._model = model
        self._overlap = settings.overlap
        self._ram_gb = settings.ram_gb
        self._tile = _checked_tile(model, settings.tile)
        self._device, warnings = choose_device(settings.device)
        self._network = inference_network(model.build_network(), self._device)
        self.report = RunReport(str(self._device), warnings=warnings)

    def layout(self, shape: Shape) -> TileLayout:
        """Return how tiles cover a frame whose size on the model's grid is (D, H, W)."""
        padded = padded_shape(shape, self._model.geometry)
        if self._tile is None:
            self._tile = self._largest_tile(padded)
        tile = tuple(min(n, t) for n, t in zip(padded, self._tile, strict=True))
        places = plan_tiles(padded, tile, self._overlap)
        self.report.tile, self.report.tiles_per_frame = tile, len(places)
        return TileLayout(padded, tile, places)

    def read_frame(
        self,
        volume: np.ndarray,
        layout: TileLayout,
        states: list[State | None],
        wanted: bool,
        on_tile: Callable[[int, int], None],
    ) -> Tensor | None:
        """Read a frame, and update the recurrent state of every tile.

        Args:
            volume: float32 (D, H, W) on the model's grid.
            layout: how tiles cover a frame of this size.
            states: the state of each tile after the previous frame (None: empty); the new states replace them.
            wanted: whether probabilities are computed; otherwise only the states are.
            on_tile: called before every tile with its number, from 0, and the number of tiles.

        Returns:
            Blended probabilities (classes, D, H, W) on the CPU; None when they are not wanted.
        """
        with self.report.timed("preprocess"):
            padded = torch.from_numpy(pad(volume, layout.shape))
        blender = None
        if wanted and len(layout.places) > 1:
            blender = TileBlender(self._model.network.classes, layout.shape, layout.tile)
        probabilities = None
        for n, place in enumerate(layout.places):
            on_tile(n, len(layout.places))
            with self.report.timed("network"):
                probabilities, states[n] = self._step(padded[place], states[n], wanted)
            if blender is not None:
                with self.report.timed("postprocess"):
                    blender.add(place, probabilities)
        if not wanted:
            return None
        return unpad(probabilities if blender is None else blender.result(), volume.shape)

    def use_less_memory(self) -> None:
        """Change to smaller tiles, or else to the CPU, after memory ran out, and warn of it.

        Raises:
            MemoryError: the network already runs on the CPU with the smallest tiles.
        """
        self._network.release_buffers()
        smaller = halved(self._tile) if self._model.geometry.patch is None and self._tile else None
        if smaller is not None:
            self.report.warn(f"out of memory on {self._device}: tiles shrink from {self._tile} to {smaller}")
            self._tile = smaller
        elif self._device.type != "cpu":
            self.report.warn(f"out of memory on {self._device}: the run continues on the CPU")
            self._device = torch.device("cpu")
            self._network.to(self._device)
            self.report.device += ", then cpu"
        else:
            raise MemoryError(
                "out of memory on the CPU, with the smallest tiles too: close other programs or choose a smaller region"
            )

    def _largest_tile(self, shape: Shape) -> Shape:
        """Return the largest tile of a padded frame that fits into the memory that is free now."""
        classes = self._model.network.classes

        def needed(tile: Shape) -> float:
            return step_bytes(tile, self._model.network, self._device.type)

        free = free_memory(self._device)
        if self._ram_gb is not None:
            free = min(free, int(self._ram_gb * 1e9) - peak_memory())
        # besides a step over a tile, RAM holds the frame, the padded frame, the blending weights, and the
        # probabilities twice
        frame_bytes = math.prod(shape) * 4 * (3 + 2 * classes) if self._device.type == "cpu" else 0
        # not all free memory can be used, since it is fragmented
        spare_bytes = 0.7 * free - frame_bytes
        tile = plan_tile(shape, needed, spare_bytes)
        if self._ram_gb is not None and needed(tile) > spare_bytes:
            self.report.warn(
                f"the RAM limit of {self._ram_gb:g} GB is low for frames of this size: even the smallest tiles may "
                "need more RAM; choose a smaller region"
            )
        return tile

    @torch.inference_mode()
    def _step(self, tile: Tensor, state: State | None, wanted: bool) -> tuple[Tensor | None, State]:
        """Return the probabilities (classes, D, H, W) of a tile on the CPU (None when not wanted) and its new state."""
        x = tile[None, None].to(self._device).contiguous(memory_format=torch.channels_last_3d)
        if not wanted:
            return None, self._network.update_state(x, state)
        logits, state = self._network.step(x, state)
        probabilities = logits[0].softmax(0) if self._model.activation == "softmax" else logits[0].sigmoid()
        return probabilities.cpu(), state


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
    smallest = model.geometry.smallest
    if patch is None and any(n < least or n % 8 for n, least in zip(tile, smallest, strict=True)):
        raise InputError(f"the edges of a tile must be multiples of 8 and at least {smallest}, not {tile}")
    return tile
