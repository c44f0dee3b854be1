"""A stream: frames are segmented one by one while they arrive, with the recurrent state of those before them."""

import time
from collections import deque
from copy import copy
from dataclasses import dataclass

import SimpleITK as sitk

from ..core.boxes import Box, around_structures, union
from ..core.checks import are_numbers, is_number
from ..core.errors import InputError, is_out_of_memory
from ..core.latency import Latencies, Latency
from ..core.sequence import Frame, SegmentedFrame, check_frame
from ..model.description import Model
from ..model.rules import StateRule
from .cut_structures import cut_structure, missed_structure
from .frame_grid import FrameGrid
from .frame_segmenter import FrameSegmenter
from .intensity_window import IntensityWindow
from .live_window import LiveWindow
from .region import Region
from .run_report import RunReport
from .structure_locator import StructureLocator
from .survey import Survey, Surveyor

WIDER_BY_MM = 20.0
"""Margin around a structure that reaches the border of a box which no locator found, in mm."""

WARNINGS_KEPT = 100
"""Number of the last warnings that a stream keeps: it may run for days."""


@dataclass(frozen=True)
class StreamSettings:
    """How a stream finds the intensity window, since it does not know the frames of the future.

    Attributes:
        window: the intensities that become 0 and 1 in all frames; None to find them.
        first_frames: number of frames from which the window is found. Afterwards it adapts slowly; see `LiveWindow`.

    Raises:
        InputError: a window whose ends are not two numbers in ascending order, or fewer than one first frame.
    """

    window: tuple[float, float] | None = None
    first_frames: int = 5

    def __post_init__(self):
        if self.window is not None and not (are_numbers(self.window, 2) and self.window[0] < self.window[1]):
            raise InputError(f"the window of a stream must be two ascending numbers, not {self.window}")
        if not is_number(self.first_frames, whole=True) or self.first_frames < 1:
            raise InputError(f"a stream needs at least 1 first frame for its window, not {self.first_frames!r}")


class SegmentationStream:
    """Segments frames that are pushed one by one; `Segmenter.open_stream` makes it.

    The recurrent state is kept from frame to frame as the model's rule says. An empty state is warmed up by the frames
    before, and at the very first frame by that frame, which is read repeatedly. The state is emptied, and a warning
    says so, where the geometry of the frames changes, or where a structure reaches the border of the box in which
    frames are segmented, which then follows it. Where nothing is found in the box, the locator looks at the whole frame
    again.

    Attributes:
        warnings: the last `WARNINGS_KEPT` warnings, texts for people.
    """

    def __init__(
        self,
        model: Model,
        segmenter: FrameSegmenter,
        locator: StructureLocator | None,
        rule: StateRule,
        settings: StreamSettings | None = None,
    ):
        settings = settings or StreamSettings()
        self._model = model
        self._segmenter = segmenter
        self._rule = rule
        self._settings = settings
        self._report: RunReport = segmenter.report
        self._locator = locator = copy(locator)  # the region may move in this stream
        self._surveyor = Surveyor(model, locator, lambda number: self._newest, self._report, lambda *_: None)
        self._newest: Frame | None = None
        self._count = 0
        self._latencies = Latencies()
        self._closed = False
        self.warnings: deque[str] = deque(maxlen=WARNINGS_KEPT)
        self.reset()

    def reset(self) -> None:
        """Forget all frames so far: recurrent state, intensity window and box; the numbers of frames go on."""
        self._segmenter.reset()
        self._window = LiveWindow.at_the_start(
            self._model.intensity, self._settings.first_frames, self._settings.window
        )
        self._boxes: dict[tuple, Box] = {}
        self._before: deque[Frame] = deque(maxlen=self._rule.warm_up_frames)
        self._in_state = 0

    def close(self) -> None:
        """Drop all frames and states; nothing can be pushed afterwards."""
        self.reset()
        self._newest = None
        self._closed = True

    def move_region(self, region: Region | None) -> None:
        """Segment the next frames in another region of interest; None for the whole image."""
        if region == self._segmenter.region:
            return
        self._segmenter.region = region
        if self._locator is not None:
            self._locator.region = region
        self._boxes.clear()

    def push(self, image: sitk.Image, index_value: str | None = None) -> SegmentedFrame:
        """Return the labels of the next frame.

        Args:
            image: a scalar 3D image; the caller may change it afterwards.
            index_value: index value of the frame, verbatim; None for its number.

        Raises:
            InputError: the image cannot be segmented, or the stream is closed. The next frame can be pushed all the
                same, as if this one had never been.
            MemoryError: not even the smallest tile fits into RAM.
        """
        if self._closed:
            raise InputError("the stream is closed: open another one")
        began = time.perf_counter()
        frame = Frame(sitk.Image(image), str(self._count) if index_value is None else index_value)
        check_frame(frame, self._count)
        self._newest = frame
        try:
            result = self._segmented(frame)
        finally:
            self.warnings.extend(text for text in self._report.warnings if text not in self.warnings)
            self._report.warnings.clear()
        self._before.append(frame)
        self._count += 1
        self._latencies.add(time.perf_counter() - began)
        return result

    @property
    def latency(self) -> Latency | None:
        """Return how long the last frames took from their push to their labels; None before the first one."""
        return self._latencies.latency

    def _segmented(self, frame: Frame) -> SegmentedFrame:
        window = self._window.after(sitk.GetArrayViewFromImage(frame.image))
        survey = self._survey(frame, window.now)
        if self._rule.rule == "reset" or (self._rule.rule == "window" and self._in_state == self._rule.window):
            self._empty_state()
        while True:
            try:
                result = self._read(frame, survey)
            except InputError:
                if self._in_state == 0:  # the warm-up comes again
                    self._empty_state()
                raise
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._segmenter.use_less_memory()
                self._empty_state()
            else:
                if not self._move_box(result, window.now):
                    break
        self._window = window  # a frame that cannot be segmented does not move it
        self._in_state += 1
        self._follow_structures(result)
        return result

    def _read(self, frame: Frame, survey: Survey) -> SegmentedFrame:
        """Return the labels of a frame, after the warm-up if the recurrent state is empty."""
        if self._in_state == 0 and self._rule.rule != "reset":
            for other in list(self._before) or [frame] * self._rule.warm_up_frames:
                self._segmenter.segment(other, self._count, survey, False, _ignored)
        return self._segmenter.segment(frame, self._count, survey, True, _ignored)

    def _empty_state(self) -> None:
        self._segmenter.reset()
        self._in_state = 0

    def _survey(self, frame: Frame, window: IntensityWindow) -> Survey:
        """Return the window, and the box of the frame, which is found where no frame of its geometry has one yet."""
        key = FrameGrid(frame.image, self._model.geometry).key
        if key not in self._boxes and window.has_contrast:
            self._boxes |= self._surveyor.boxes({self._count: key}, window)
        return Survey(window, self._boxes)

    def _move_box(self, result: SegmentedFrame, window: IntensityWindow) -> bool:
        """Move the box if nothing is found in it but the locator finds something elsewhere; return whether it moved."""
        grid = FrameGrid(self._newest.image, self._model.geometry)
        box = self._boxes.get(grid.key)
        if self._locator is None or box is None:
            return False
        found = missed_structure(result, self._newest.image, box, self._locator, window)
        if found is None:
            return False
        self._boxes[grid.key] = found
        self._empty_state()
        self._report.warn(
            f"frame {self._count}: the structure is no longer in the box in which frames are segmented: the box "
            "follows it, and the recurrent state is reset"
        )
        return True

    def _follow_structures(self, result: SegmentedFrame) -> None:
        """Find the box of the next frames anew around the labels, if they reach a side of it within the image."""
        grid = FrameGrid(self._newest.image, self._model.geometry)
        box = self._boxes.get(grid.key)
        found = None if box is None else cut_structure(result, grid, box, self._segmenter.region)
        if found is None:
            return
        margin = WIDER_BY_MM if self._model.locator is None else self._model.locator.margin_mm
        around = around_structures(found, margin, grid.frame_spacing, grid.frame_shape)
        self._boxes[grid.key] = around if self._model.locator is not None else union(box, around)
        self._empty_state()
        self._report.warn(
            f"frame {self._count}: a structure reaches the border of the box in which frames are segmented: the box "
            "follows it, and the recurrent state is reset"
        )


def _ignored(*_: int) -> None:
    """Take the number of a tile, of which nobody is told."""
