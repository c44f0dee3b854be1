"""Segmentation of frame after frame, each with the recurrent state that the frames before it left."""

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ..core.boxes import Box, intersection
from ..core.errors import InputError
from ..core.sequence import Frame, SegmentedFrame
from ..model.description import Model
from .frame_grid import FrameGrid
from .intensity_window import IntensityWindow
from .labelling import labels_on_frame, largest_component
from .out_of_distribution import measure_image, measure_prediction, outside_training_range
from .preparation import PreparedFrame, prepare, scaled_sample
from .region import Region
from .survey import Survey
from .tiled_network import State, TiledNetwork


class FrameSegmenter:
    """Segments frames one after the other, and keeps the recurrent state of every tile between them.

    Args:
        model: the model of the network.
        network: the model's network on a device; its report gets the times and the warnings.
        region: box in space outside of which every label is 0; None for the whole image.

    Attributes:
        region: the region of the next frames.
        report: the report of the network.
    """

    def __init__(self, model: Model, network: TiledNetwork, region: Region | None):
        self._model = model
        self._network = network
        self.region = region
        self.report = network.report
        self._states: list[State | None] = []
        self._layout_key: tuple | None = None

    def reset(self) -> None:
        """Empty the recurrent state."""
        self._states, self._layout_key = [], None

    def use_less_memory(self) -> None:
        """Go on with smaller tiles or on the CPU; see `TiledNetwork.use_less_memory`."""
        self._network.use_less_memory()

    def segment(
        self, frame: Frame, number: int, survey: Survey, wanted: bool, on_tile: Callable[[int, int], None]
    ) -> SegmentedFrame | None:
        """Read a frame into the recurrent state, and return its labels.

        Args:
            frame: a frame that `check_frame` accepts.
            number: its number, for the result and for messages.
            survey: the intensity window, and the boxes of frames.
            wanted: whether labels are needed; otherwise only the recurrent state is updated, and None is returned.
            on_tile: see `TiledNetwork.read_frame`.

        Raises:
            InputError: the frame has too many voxels on the model's grid, the region lies outside of it, or the
                network does not give finite numbers. The recurrent state is then that of before.
        """
        before = list(self._states), self._layout_key
        try:
            return self._read(frame, number, survey, wanted, on_tile)
        except InputError:
            self._states, self._layout_key = before
            raise

    def _read(
        self, frame: Frame, number: int, survey: Survey, wanted: bool, on_tile: Callable[[int, int], None]
    ) -> SegmentedFrame | None:
        prepared = self._prepare(frame, number, survey)
        layout = self._network.layout(prepared.volume.shape)
        key = (prepared.grid.key, layout.tile)
        if key != self._layout_key:
            if self._layout_key is not None:
                subject = f"frame {number}" if self.region is None else f"frame {number} or its region of interest"
                self.report.warn(
                    f"{subject} differs in geometry from the frame before it: the recurrent state is reset there"
                )
            self._states, self._layout_key = [None] * len(layout.places), key
        probabilities = self._network.read_frame(prepared.volume, layout, self._states, wanted, on_tile)
        if probabilities is None:
            return None
        with self.report.timed("postprocess"):
            if not survey.window.has_contrast:
                probabilities = torch.zeros_like(probabilities)  # nothing is found where nothing can be seen
            labels = self._labels(frame.image, prepared, probabilities)
            outside = self._out_of_distribution(number, frame, prepared.grid, survey.window, probabilities)
        return SegmentedFrame(number, frame.index_value, labels, outside)

    def _prepare(self, frame: Frame, number: int, survey: Survey) -> PreparedFrame:
        with self.report.timed("preprocess"):
            grid = FrameGrid(frame.image, self._model.geometry)
            box = survey.boxes.get(grid.key, grid.box)
            if self.region is not None:
                region_box = self._region_box(grid, f"frame {number} ({frame.index_value})")
                box = intersection(box, region_box) or region_box
            grid = grid.cropped(box)
            grid.check_size(f"frame {number} ({frame.index_value})")
            prepared = prepare(frame.image, grid, survey.window)
            if prepared.not_finite is not None:
                self.report.warn(
                    f"frame {number} ({frame.index_value}): {int(prepared.not_finite.sum())} voxels are not finite "
                    "numbers; they count as background"
                )
        return prepared

    def _region_box(self, grid: FrameGrid, frame: str) -> Box:
        try:
            return grid.region_box(self.region)
        except InputError as error:
            raise InputError(f"{frame}: {error}") from error

    def _labels(self, image: sitk.Image, prepared: PreparedFrame, probabilities: Tensor) -> sitk.Image:
        """Return the labels of a frame, with 0 outside the region and where the frame is not finite."""
        grid = prepared.grid
        labels = labels_on_frame(probabilities, grid, self._model)
        if self.region is not None:
            origin = grid.origin + np.array([start for start, _ in grid.box]) @ grid.steps
            labels[~self.region.contains(origin, grid.steps, grid.box_shape)] = 0
        if prepared.not_finite is not None:
            labels[prepared.not_finite] = 0
        if self._model.components == "largest":
            labels = largest_component(labels)
        return grid.to_image(labels, image)

    def _out_of_distribution(
        self, number: int, frame: Frame, grid: FrameGrid, window: IntensityWindow, probabilities: Tensor
    ) -> tuple[str, ...]:
        """Return the measures in which a frame is unlike the training, whatever region is segmented."""
        if not self._model.typical:
            return ()
        sample = scaled_sample(frame.image, grid, window)
        measured = measure_image(sample) | measure_prediction(probabilities, self._model.activation)
        outside = outside_training_range(measured, self._model.typical)
        if outside:
            self.report.warn(
                f"frame {number} ({frame.index_value}) is unlike those of the model's training in "
                f"{' and '.join(outside)}: its labels may be wrong"
            )
        return outside
