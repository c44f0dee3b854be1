"""A model's network on a device, which segments a frame in tiles that fit into memory."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..core.boxes import Shape
from ..core.devices import choose_device, choose_precision, copy_to, precision_name
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
        settings: the device, precision, tile, overlap and RAM limit of the run.

    Attributes:
        report: the device, the precision, the tiles and the warnings so far.

    Raises:
        InputError: the device, the precision or the tile cannot be used, or the weights of the model cannot be read.
    """

    def __init__(self, model: Model, settings: RunSettings):
        if model.network.in_channels != 1:
            raise InputError(f"model {model.name} needs {model.network.in_channels} channels: frames have one")
        self._model = model
        self._planner = TilePlanner(model, settings)
        device, warnings = choose_device(settings.device)
        self._move_to(device, settings.precision)
        self.report = RunReport(str(device), precision_name(self._dtype), warnings=warnings)

    def _move_to(self, device: torch.device, precision: str) -> None:
        self._device, self._dtype = device, choose_precision(precision, device)
        self._network = inference_network(self._model.build_network(), device, self._dtype)

    def layout(self, shape: Shape) -> TileLayout:
        """Return how tiles cover a frame whose size on the model's grid is (D, H, W)."""
        layout = self._planner.layout(shape, self._device, self._dtype, self.report)
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
            on_tile: called before every tile, or before the tiles that are read at once, with its number, from 0, and
                the number of tiles.

        Returns:
            Blended probabilities (classes, D, H, W) on the device; None when they are not wanted.

        Raises:
            InputError: the network does not give finite numbers.
        """
        with self.report.timed("preprocess"):
            padded = copy_to(self._device, torch.from_numpy(pad(volume, layout.shape)))
        blender = None
        if wanted and len(layout.places) > 1:
            blender = TileBlender(self._model.network.classes, layout.shape, layout.tile, self._device)
        probabilities, extremes = None, []
        for first in range(0, len(layout.places), layout.at_once):
            on_tile(first, len(layout.places))
            places = layout.places[first : first + layout.at_once]
            batch = slice(first, first + len(places))
            with self.report.timed("network"):
                tiles = torch.stack([padded[place] for place in places])
                probabilities, states[batch] = self._step(tiles, states[batch], extremes if wanted else None)
            if blender is not None:
                with self.report.timed("postprocess"):
                    for place, values in zip(places, probabilities, strict=True):
                        blender.add(place, values)
        if not wanted:
            return None
        with self.report.timed("network"):
            self._check_finite(extremes)
        return unpad(probabilities[0] if blender is None else blender.result(), volume.shape)

    def use_less_memory(self) -> None:
        """Change to fewer or smaller tiles, or else to the CPU, after memory ran out, and warn of it.

        Raises:
            MemoryError: the network already runs on the CPU with the smallest tiles.
        """
        self._network.release_buffers()
        former = self._planner.tile
        if self._planner.shrink():
            smaller = self._planner.tile
            change = "tiles are read one by one" if smaller == former else f"tiles shrink from {former} to {smaller}"
            self.report.warn(f"out of memory on {self._device}: {change}")
        elif self._device.type != "cpu":
            self.report.warn(f"out of memory on {self._device}: the run continues on the CPU")
            self._move_to(torch.device("cpu"), "float32" if self._dtype == torch.float32 else "auto")
            self.report.device += ", then cpu"
            if precision_name(self._dtype) != self.report.precision:
                self.report.precision += f", then {precision_name(self._dtype)}"
        else:
            raise MemoryError(
                "out of memory on the CPU, with the smallest tiles too: close other programs or choose a smaller region"
            )

    @torch.inference_mode()
    def _step(
        self, tiles: Tensor, states: list[State | None], extremes: list[Tensor] | None
    ) -> tuple[Tensor | None, list[State]]:
        """Read tiles, and return their probabilities and their new states.

        Args:
            tiles: (B, d, h, w) on the device.
            states: the state of each tile; None for all or for none of them.
            extremes: gets the smallest and the largest logit; None where no probabilities are wanted.

        Returns:
            Probabilities (B, classes, d, h, w), or None where they are not wanted, and the new states.
        """
        x = tiles[:, None].contiguous(memory_format=torch.channels_last_3d)
        state = None if states[0] is None else _joined(states)
        if extremes is None:
            return None, _separate(self._network.update_state(x, state), len(tiles))
        logits, state = self._network.step(x, state)
        extremes += logits.aminmax()
        probabilities = logits.softmax(1) if self._model.activation == "softmax" else logits.sigmoid()
        return probabilities, _separate(state, len(tiles))

    def _check_finite(self, extremes: list[Tensor]) -> None:
        """Raise an InputError when the extremes of the logits of a frame are not finite.

        They are looked at once a frame, since Python waits for a GPU whenever it looks at a number.
        """
        if torch.stack(extremes).isfinite().all():
            return
        reason = "its weights are damaged, or model.json is not the one that they were trained with"
        if self._dtype == torch.float16:
            reason = f"choose the precision float32; or else {reason}"
        raise InputError(f"model {self._model.name}: its network gives values that are not finite numbers: {reason}")


def _joined(states: list[State]) -> State:
    """Return the states of several tiles as that of a batch."""
    return [tuple(torch.cat(parts) for parts in zip(*layer, strict=True)) for layer in zip(*states, strict=True)]


def _separate(state: State, count: int) -> list[State]:
    """Return the state of a batch as those of its tiles."""
    return [[(h[n : n + 1], c[n : n + 1]) for h, c in state] for n in range(count)]
