"""The survey of a sequence before it is segmented: its intensity window, and the box of its frames to segment."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.boxes import Box, union
from ..core.sequence import Frame
from ..model.description import Model
from .first_look import FirstLook
from .frame_grid import FrameGrid
from .intensity_window import IntensityWindow
from .preparation import foreground_box
from .run_report import RunReport

if TYPE_CHECKING:
    from .structure_locator import StructureLocator

MOST_LOOKS = 5
"""Largest number of frames of the same geometry in which a locator looks for the structures."""


@dataclass(frozen=True)
class Survey:
    """What is known about frames before they are segmented.

    Attributes:
        window: the intensity window.
        boxes: the box of all frames with the same grid that is segmented, by the key of that grid: around what the
            model's locator found, or around the foreground; the whole frame where there is none.
    """

    window: IntensityWindow
    boxes: dict[tuple, Box]


class Surveyor:
    """Surveys frames.

    Args:
        model: its intensity rule gives the window.
        locator: the locator of the model; None where it has none.
        read: reads a frame by its number.
        report: gets the times and the warnings.
        check_cancelled: raises `Cancelled` once the run is cancelled.
    """

    def __init__(
        self,
        model: Model,
        locator: "StructureLocator | None",
        read: Callable[[int], Frame],
        report: RunReport,
        check_cancelled: Callable[..., None],
    ):
        self._model = model
        self._locator = locator
        self._read = read
        self._report = report
        self._check_cancelled = check_cancelled

    def survey(self, numbers: Sequence[int], look: FirstLook | None = None) -> Survey:
        """Return the survey of some frames.

        Args:
            numbers: the numbers of the frames.
            look: the first look at them, which may have begun already; None for a new one.
        """
        look = look or FirstLook(self._model.intensity, self._model.geometry, numbers, self._read)
        with self._report.timed("read"):
            look.go_on()
        window = look.window()
        if not window.has_contrast:
            self._report.warn(
                "the frames have no contrast, since all voxels have the same value: nothing can be segmented"
            )
            return Survey(window, {})
        return Survey(window, self.boxes(look.grids, window))

    def boxes(self, grids: Mapping[int, tuple], window: IntensityWindow) -> dict[tuple, Box]:
        """Return the boxes of some frames to segment; see `Survey.boxes`.

        Args:
            grids: the key of the grid of each frame, by the number of the frame.
            window: the intensity window.
        """
        if self._locator is not None:
            return self._located(grids, window)
        if self._model.geometry.crop == "foreground":
            return self._foreground(grids, window)
        return {}

    def _located(self, grids: Mapping[int, tuple], window: IntensityWindow) -> dict[tuple, Box]:
        """Return the box around what the locator finds, for each grid."""
        boxes = {}
        for key in dict.fromkeys(grids.values()):
            alike = [number for number, other in grids.items() if other == key]
            chosen = np.linspace(0, len(alike) - 1, min(MOST_LOOKS, len(alike))).round().astype(int)
            with self._report.timed("locate"):
                box = self._locator.find((self._read(alike[n]).image for n in chosen), window, self._check_cancelled)
            if box is not None:
                boxes[key] = box
            else:
                self._report.warn(
                    f"the locator of {self._model.title} found nothing in frame {alike[0]} and those like it: the "
                    "whole frame is segmented, where more may be found than there is"
                )
        return boxes

    def _foreground(self, numbers: Iterable[int], window: IntensityWindow) -> dict[tuple, Box]:
        """Return the box around the foreground of all frames with the same grid."""
        boxes: dict[tuple, Box] = {}
        for number in numbers:
            image = self._read(number).image
            grid = FrameGrid(image, self._model.geometry)
            box = foreground_box(image, grid, window)
            if box is not None:
                boxes[grid.key] = union(box, boxes.get(grid.key, box))
        return boxes
