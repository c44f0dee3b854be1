"""A model's network on a device, which segments a frame in tiles that fit into memory."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..core.boxes import Shape
from ..core.devices import choose_device
from ..core.errors import InputError
from ..model.description import Model
from ..network.inference import inference_network
from .run_report import RunReport
from .settings import RunSettings
from .tiles import TileBlender, TileLayout, TilePlanner, pad, unpad

State = list
"""(h, c) of every CLSTM layer, for one tile."""


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
        self._planner = TilePlanner(model, settings)
        self._device, warnings = choose_device(settings.device)
        self._network = inference_network(model.build_network(), self._device)
        self.report = RunReport(str(self._device), warnings=warnings)

    def layout(self, shape: Shape) -> TileLayout:
        """Return how tiles cover a frame whose size on the model's grid is (D, H, W)."""
        layout = self._planner.layout(shape, self._device, self.report)
        self.report.tile, self.report.tiles_per_frame = layout.tile, len(layout.places)
        return layout

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
        former = self._planner.tile
        if self._planner.shrink():
            self.report.warn(f"out of memory on {self._device}: tiles shrink from {former} to {self._planner.tile}")
        elif self._device.type != "cpu":
            self.report.warn(f"out of memory on {self._device}: the run continues on the CPU")
            self._device = torch.device("cpu")
            self._network.to(self._device)
            self.report.device += ", then cpu"
        else:
            raise MemoryError(
                "out of memory on the CPU, with the smallest tiles too: close other programs or choose a smaller region"
            )

    @torch.inference_mode()
    def _step(self, tile: Tensor, state: State | None, wanted: bool) -> tuple[Tensor | None, State]:
        """Return the probabilities (classes, D, H, W) of a tile on the CPU (None when not wanted) and its new state.

        Raises:
            InputError: the network does not give finite numbers.
        """
        x = tile[None, None].to(self._device).contiguous(memory_format=torch.channels_last_3d)
        if not wanted:
            return None, self._network.update_state(x, state)
        logits, state = self._network.step(x, state)
        if not all(torch.isfinite(extreme) for extreme in logits.aminmax()):
            raise InputError(
                f"model {self._model.name}: its network gives values that are not finite numbers: its weights are "
                "damaged, or model.json is not the one that they were trained with"
            )
        probabilities = logits[0].softmax(0) if self._model.activation == "softmax" else logits[0].sigmoid()
        return probabilities.cpu(), state
