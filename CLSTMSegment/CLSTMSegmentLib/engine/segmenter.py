"""Streaming segmentation: time is the outer loop, tiles the inner one, and nothing grows with time."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ..core.boxes import Box, Shape, bounding_box, intersection, union
from ..core.devices import choose_device
from ..core.errors import InputError
from ..core.memory import free_memory, is_out_of_memory, peak_memory
from ..core.sequence import Frame, SegmentedFrame, check_frame
from ..model.description import Model
from ..model.rules import TimeRule
from ..network.inference import ReadyNetwork, ready_to_run, step_bytes
from .frame_grid import FrameGrid
from .intensity_window import Window, find_window, finite
from .labelling import labels_on_frame, largest_component
from .out_of_distribution import measure_answer, measure_image, unfamiliar
from .region import Region
from .state_schedule import Stack, plan_stacks
from .tiles import TileBlender, halved, pad, padded_shape, plan_tile, plan_tiles, unpad

STAGES = ("read", "preprocess", "network", "postprocess")


class Cancelled(Exception):
    """The caller asked to stop; every frame yielded so far is complete."""


@dataclass(frozen=True)
class Progress:
    """Where a run is: frame `frame` of `frames`, tile `tile` of `tiles` (both from 1).

    `seconds_left` is None until the first frame is done.
    """

    frame: int
    frames: int
    tile: int
    tiles: int
    seconds_left: float | None


@dataclass
class RunReport:
    """What a run did: where, how, and how long each stage took."""

    device: str
    precision: str = "float32"
    tile: Shape | None = None
    tiles_per_frame: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - began

    def warn(self, text: str) -> None:
        """Note a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)


@dataclass
class _Prepared:
    """A frame on the model's grid: (d, h, w) float32, scaled by `window`, and what of its box is not finite."""

    image: sitk.Image
    index_value: str
    grid: FrameGrid
    volume: np.ndarray
    invalid: np.ndarray | None
    window: Window


class Segmenter:
    """A model on a device, ready to segment sequences.

    Args:
        model: what to run.
        device: see `devices.choose_device`.
        tile: (D, H, W) on the model's grid, or "auto" for the largest that fits into memory.
        overlap: least shared part of neighbouring tiles, 0 to below 1.
        time_rule: instead of the model's own.
        memory: bytes within which the process is to stay, on a CPU, as far as tiles can be small enough.

    Raises:
        InputError: a device or tile that cannot be used, or a model that cannot be built.
    """

    def __init__(
        self,
        model: Model,
        device: str = "auto",
        tile: Shape | str = "auto",
        overlap: float = 0.25,
        time_rule: TimeRule | None = None,
        memory: int | None = None,
    ):
        if not 0 <= overlap < 1:
            raise InputError(f"overlap must be at least 0 and below 1, not {overlap}")
        if model.network.get("in_channels", 1) != 1:
            raise InputError(f"model {model.name} wants {model.network['in_channels']} channels: frames have one")
        patch = model.geometry.patch
        if tile == "auto":
            tile = patch
        elif patch is not None and tuple(tile) != tuple(patch):
            raise InputError(f"model {model.name} works only on tiles of {patch}, not {tile}")
        elif any(n < least or n % 8 for n, least in zip(tile, model.geometry.smallest, strict=True)):
            raise InputError(
                f"the edges of a tile must be multiples of 8 and at least {model.geometry.smallest}, not {tile}"
            )
        if memory is not None and memory <= 0:
            raise InputError(f"memory must be more than 0, not {memory}")
        self.model = model
        self.time_rule = time_rule or model.time
        self._overlap = overlap
        self._memory = memory
        self._tile: Shape | None = tile
        self._device, warnings = choose_device(device)
        self._network: ReadyNetwork = ready_to_run(model.build_network(), self._device)
        self.report = RunReport(str(self._device), warnings=warnings)

    def segment(
        self,
        frames: Sequence[Frame],
        wanted: Sequence[int] | None = None,
        region: Region | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[SegmentedFrame]:
        """Segment frames one after the other.

        Args:
            frames: the whole sequence; each is read when it is its turn, and once more before
                for the intensity statistics.
            wanted: numbers of the frames to segment (default all); the others are read only as
                far as the memory needs them, so that each wanted frame comes out as in a run
                over all.
            region: segment only inside; labels outside are 0.
            progress: called before every tile.
            cancelled: asked before every tile; once it says True, `Cancelled` is raised.

        Yields:
            The wanted frames in order, each as soon as it is done.

        Raises:
            InputError: an empty sequence, a frame that cannot be used, a region off the image.
            MemoryError: not even the smallest tile fits, on the CPU either.
            Cancelled: see `cancelled`.
        """
        if len(frames) == 0:
            raise InputError("the sequence has no frames")
        remaining = sorted(set(range(len(frames)) if wanted is None else wanted))
        if not remaining or remaining[0] < 0 or remaining[-1] >= len(frames):
            raise InputError(f"no such frames {remaining}: the sequence has frames 0 to {len(frames) - 1}")
        run = _Run(self, frames, region, len(remaining), progress, cancelled)
        while remaining:
            try:
                for result in run.stacks(list(remaining)):
                    remaining.remove(result.number)
                    yield result
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._use_less_memory()

    def _use_less_memory(self) -> None:
        self._network.release_memory()
        smaller = halved(self._tile) if self.model.geometry.patch is None and self._tile else None
        if smaller is not None:
            self.report.warn(f"out of memory on {self._device}: tiles shrink from {self._tile} to {smaller}")
            self._tile = smaller
        elif self._device.type != "cpu":
            self.report.warn(f"out of memory on {self._device}: going on with the CPU")
            self._device = torch.device("cpu")
            self._network.to(self._device)
            self.report.device += ", then cpu"
        else:
            raise MemoryError(
                "out of memory on the CPU, with the smallest tiles too: close other programs or choose a smaller region"
            )

    def _tile_for(self, shape: Shape) -> Shape:
        """The tile for a padded frame: the one asked for, else planned once from free memory."""
        if self._tile is None:
            self._tile = self._planned_tile(shape)
        return tuple(min(n, t) for n, t in zip(shape, self._tile, strict=True))

    def _planned_tile(self, shape: Shape) -> Shape:
        width, classes = self.model.network["width"], self.model.network["classes"]

        def needed(tile: Shape) -> float:
            return step_bytes(tile, width, classes, self._device.type)

        free = free_memory(self._device)
        if self._memory is not None:
            free = min(free, self._memory - peak_memory())
        # of a frame exist, beside a step over a tile: itself, padded, and its probabilities twice, with their weights
        frame_bytes = math.prod(shape) * 4 * (3 + 2 * classes) if self._device.type == "cpu" else 0
        # what was freed in small pieces is not all to be had again
        room = 0.7 * free - frame_bytes
        tile = plan_tile(shape, needed, room)
        if self._memory is not None and needed(tile) > room:
            self.report.warn(
                f"{self._memory / 1e9:g} GB are little for frames of this size: even the smallest tiles may take more; "
                "choose a smaller region"
            )
        return tile

    @torch.inference_mode()
    def _step(self, tile: Tensor, state: list | None, wanted: bool) -> tuple[Tensor | None, list]:
        """Probabilities (classes, D, H, W) of one tile on the CPU, None when not wanted, and its state."""
        x = tile[None, None].to(self._device).contiguous(memory_format=torch.channels_last_3d)
        if not wanted:
            return None, self._network.remember(x, state)
        logits, state = self._network.step(x, state)
        probabilities = logits[0].softmax(0) if self.model.activation == "softmax" else logits[0].sigmoid()
        return probabilities.cpu(), state


class _Run:
    """One call of `Segmenter.segment`."""

    def __init__(
        self,
        segmenter: Segmenter,
        frames: Sequence[Frame],
        region: Region | None,
        wanted_count: int,
        progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool] | None,
    ):
        self._segmenter = segmenter
        self._model = segmenter.model
        self._report = segmenter.report
        self._frames = frames
        self._region = region
        self._progress = progress
        self._cancelled = cancelled
        self._wanted_count = wanted_count
        self._sequence_survey: tuple[Window, dict] | None = None
        self._layout_key: tuple | None = None
        self._states: list = []

    def stacks(self, wanted: list[int]) -> Iterator[SegmentedFrame]:
        """Segment the wanted frames, from empty memories."""
        plan = list(plan_stacks(len(self._frames), wanted, self._segmenter.time_rule))
        self._steps_left = sum(len(stack.steps) for stack in plan)
        self._finished = self._wanted_count - len(wanted)
        self._seconds_per_step: float | None = None
        for stack in plan:
            window, boxes = self._survey(stack)
            self._layout_key = None
            for number, is_wanted in stack.steps:
                began = time.perf_counter()
                prepared = self._prepare(number, window, boxes)
                probabilities = self._forward(prepared, number, is_wanted)
                if probabilities is not None:
                    with self._report.timed("postprocess"):
                        image = self._labels(prepared, probabilities)
                        outside = self._unfamiliar(prepared, probabilities, number)
                    self._finished += 1
                    yield SegmentedFrame(number, prepared.index_value, image, outside)
                self._steps_left -= 1
                took = time.perf_counter() - began
                before = self._seconds_per_step
                self._seconds_per_step = took if before is None else 0.7 * before + 0.3 * took

    def _read(self, number: int) -> Frame:
        frame = self._frames[number]
        check_frame(frame, number)
        return frame

    def _survey(self, stack: Stack) -> tuple[Window, dict[tuple, Box]]:
        """The intensity window, and where asked for the foreground boxes, of a stack or the sequence."""
        over_sequence = self._model.intensity.over == "sequence"
        if over_sequence and self._sequence_survey is not None:
            return self._sequence_survey
        numbers = range(len(self._frames)) if over_sequence else stack.frames
        with self._report.timed("read"):
            arrays = (sitk.GetArrayFromImage(self._read(n).image) for n in numbers)
            window = find_window(self._model.intensity, arrays)
        if not window.high > window.low:
            self._report.warn("the frames have no contrast, every voxel is alike: nothing can be found in them")
        boxes: dict[tuple, Box] = {}
        if self._model.geometry.crop == "foreground":
            for n in numbers:
                image = self._read(n).image
                grid = FrameGrid(image, self._model.geometry)
                turned, _ = finite(grid.turned(image), window)
                box = bounding_box(window.apply(turned) > 0)
                if box is not None:
                    boxes[grid.key] = union(box, boxes.get(grid.key, box))
        if over_sequence:
            self._sequence_survey = window, boxes
        return window, boxes

    def _prepare(self, number: int, window: Window, boxes: dict[tuple, Box]) -> _Prepared:
        with self._report.timed("read"):
            frame = self._read(number)
        with self._report.timed("preprocess"):
            grid = FrameGrid(frame.image, self._model.geometry)
            box = boxes.get(grid.key, grid.box)
            if self._region is not None:
                region_box = grid.region_box(self._region)
                box = intersection(box, region_box) or region_box
            grid.box = box
            grid.check_size(f"frame {number} ({frame.index_value})")
            cut, invalid = finite(grid.cut(grid.turned(frame.image)), window)
            if invalid is not None:
                self._report.warn(
                    f"frame {number} ({frame.index_value}): {int(invalid.sum())} voxels are not finite "
                    "numbers; they are counted as background"
                )
            return _Prepared(frame.image, frame.index_value, grid, grid.to_model(window.apply(cut)), invalid, window)

    def _forward(self, prepared: _Prepared, number: int, wanted: bool) -> Tensor | None:
        """One time step over all tiles: blended probabilities (classes, d, h, w), None when not wanted."""
        segmenter, report = self._segmenter, self._report
        volume = prepared.volume
        shape = padded_shape(volume.shape, self._model.geometry)
        tile = segmenter._tile_for(shape)
        places = plan_tiles(shape, tile, segmenter._overlap)
        key = (prepared.grid.key, tile)
        if key != self._layout_key:
            if self._layout_key is not None:
                report.warn(f"frame {number} lies elsewhere than the frame before it: the memory starts anew there")
            self._layout_key, self._states = key, [None] * len(places)
        report.tile, report.tiles_per_frame = tile, len(places)
        with report.timed("preprocess"):
            padded = torch.from_numpy(pad(volume, shape))
        blender = TileBlender(self._model.network["classes"], shape, tile) if wanted and len(places) > 1 else None
        probabilities = None
        for n, place in enumerate(places):
            self._tick(n, len(places))
            with report.timed("network"):
                probabilities, self._states[n] = segmenter._step(padded[place], self._states[n], wanted)
            if blender is not None:
                with report.timed("postprocess"):
                    blender.add(place, probabilities)
        if not wanted:
            return None
        return unpad(probabilities if blender is None else blender.result(), volume.shape)

    def _labels(self, prepared: _Prepared, probabilities: Tensor) -> sitk.Image:
        """The labels of a frame; background outside the region and where the frame has no number."""
        grid = prepared.grid
        labels = labels_on_frame(probabilities, grid, self._model)
        if self._region is not None:
            origin = grid.origin + np.array([start for start, _ in grid.box]) @ grid.steps
            labels[~self._region.contains(origin, grid.steps, grid.box_shape)] = 0
        if prepared.invalid is not None:
            labels[prepared.invalid] = 0
        if self._model.components == "largest":
            labels = largest_component(labels)
        return grid.to_image(labels, prepared.image)

    def _unfamiliar(self, prepared: _Prepared, probabilities: Tensor, number: int) -> tuple[str, ...]:
        if not self._model.typical:
            return ()
        # by the whole frame, wherever it is segmented; of a large one, some voxels do
        turned = prepared.grid.turned(prepared.image)
        some, _ = finite(turned[tuple(slice(None, None, -(-n // 128)) for n in turned.shape)], prepared.window)
        measured = measure_image(prepared.window.apply(some)) | measure_answer(probabilities, self._model.activation)
        outside = unfamiliar(measured, self._model.typical)
        if outside:
            self._report.warn(
                f"frame {number} ({prepared.index_value}) is unlike those of the model's training in "
                f"{' and '.join(outside)}: its labels may be wrong"
            )
        return outside

    def _tick(self, tile: int, tiles: int) -> None:
        if self._cancelled is not None and self._cancelled():
            raise Cancelled
        if self._progress is not None:
            left = None
            if self._seconds_per_step is not None:
                left = self._seconds_per_step * (self._steps_left - tile / tiles)
            frame = min(self._finished + 1, self._wanted_count)
            self._progress(Progress(frame, self._wanted_count, tile + 1, tiles, left))
