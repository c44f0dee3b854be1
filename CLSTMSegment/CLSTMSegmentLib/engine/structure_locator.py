"""The first of two stages: a model's locator finds the box of the frame that the model's network then reads."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import SimpleITK as sitk
from torch import Tensor

from ..core.boxes import Box, around_structures, bounding_box
from ..model.description import Model
from .frame_grid import FrameGrid
from .intensity_window import IntensityWindow
from .labelling import labels_on_frame, largest_component
from .preparation import prepare
from .region import Region
from .settings import RunSettings
from .tiled_network import TiledNetwork


class StructureLocator:
    """The locator of a model, ready to find the model's structures.

    Args:
        model: a model with a locator.
        settings: the device and the RAM limit of the run, and its region: the locator looks only there.

    Attributes:
        region: where the locator looks in the next frames; None for everywhere.

    Raises:
        InputError: the weights of the locator cannot be read.
    """

    def __init__(self, model: Model, settings: RunSettings):
        self._model = model.locator_model()
        self._margin_mm = model.locator.margin_mm
        self.region: Region | None = settings.region
        self._network = TiledNetwork(self._model, replace(settings, tile=None))

    def find(
        self, images: Iterable[sitk.Image], window: IntensityWindow, on_tile: Callable[[int, int], None]
    ) -> Box | None:
        """Return the box of the reoriented frame that holds the structures and the margin; None where none are found.

        The probabilities of all images are averaged, so that one corrupted frame does not move the box.

        Args:
            images: frames of the same geometry.
            window: the intensity window of the sequence.
            on_tile: see `TiledNetwork.read_frame`.
        """
        total: Tensor | None = None
        count = 0
        for image in images:
            grid = FrameGrid(image, self._model.geometry)
            if self.region is not None:
                grid = grid.cropped(grid.region_box(self.region))
            grid.check_size("a frame for the locator")
            volume = prepare(image, grid, window).volume
            layout = self._network.layout(volume.shape)
            states = [None] * len(layout.places)
            probabilities = self._network.read_frame(volume, layout, states, True, on_tile)
            total = probabilities if total is None else total + probabilities
            count += 1
        found = bounding_box(largest_component(labels_on_frame(total / count, grid, self._model)) > 0)
        if found is None:
            return None
        inside = around_structures(found, self._margin_mm, grid.frame_spacing, grid.box_shape)
        return tuple((first + start, first + stop) for (first, _), (start, stop) in zip(grid.box, inside, strict=True))
