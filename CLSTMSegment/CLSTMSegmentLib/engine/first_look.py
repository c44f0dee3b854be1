"""The first look at the frames of a sequence: each is read once, before any network is needed."""

from collections.abc import Callable, Iterable

import SimpleITK as sitk

from ..core.sequence import Frame, check_frame
from ..model.rules import GeometryRule, IntensityRule
from .frame_grid import FrameGrid
from .intensity_window import IntensityWindow, intensity_limits, window_of_limits


class FirstLook:
    """Reads frames once, and keeps what a run needs to know of all of them. This needs no torch.

    Args:
        intensity, geometry: the rules of the model.
        numbers: numbers of the frames.
        read: reads a frame by its number.

    Attributes:
        grids: the key of the grid of each frame that was read, by its number.
    """

    def __init__(
        self, intensity: IntensityRule, geometry: GeometryRule, numbers: Iterable[int], read: Callable[[int], Frame]
    ):
        self._intensity = intensity
        self._geometry = geometry
        self._numbers = iter(numbers)
        self._read = read
        self._limits: list[tuple[float, float]] = []
        self.grids: dict[int, tuple] = {}

    def go_on(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Read the frames that were not read yet, until `enough`, asked after each of them, returns True.

        Raises:
            InputError: a frame cannot be used.
        """
        for number in self._numbers:
            frame = self._read(number)
            check_frame(frame, number)
            image = frame.image
            self.grids[number] = FrameGrid(image, self._geometry).key
            limits = intensity_limits(self._intensity, sitk.GetArrayViewFromImage(image))
            if limits is not None:
                self._limits.append(limits)
            if enough():
                return

    def window(self) -> IntensityWindow:
        """Return the intensity window of the frames, all of which must have been read."""
        return window_of_limits(self._intensity, self._limits)
