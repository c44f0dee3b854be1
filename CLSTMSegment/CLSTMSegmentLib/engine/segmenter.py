"""Streaming segmentation: time is the outer loop and tiles are the inner one, so RAM does not grow with time."""

import time
from collections.abc import Callable, Iterator, Sequence

from ..core.errors import Cancelled, is_out_of_memory
from ..core.progress import Progress
from ..core.sequence import Frame, SegmentedFrame, check_frame
from ..model.description import Model
from .first_look import FirstLook
from .frame_segmenter import FrameSegmenter
from .settings import RunSettings
from .stack_segmenter import StackSegmenter
from .state_schedule import Stack, StateSchedule
from .stream import SegmentationStream, StreamSettings
from .structure_locator import StructureLocator
from .survey import Survey, Surveyor
from .tiled_network import TiledNetwork


class Segmenter:
    """A model on a device, ready to segment sequences.

    Args:
        model: the model that the settings name, loaded.
        settings: the settings of the run; None for the defaults.

    Attributes:
        state_rule: how long the recurrent state lasts: the model's rule with the changes of the settings.
        network: the model's network on the device.
        locator: the model's locator; None where it has none.
        report: the report of the run so far.

    Raises:
        InputError: the device or the tile cannot be used, or the weights of the model cannot be read.
    """

    def __init__(self, model: Model, settings: RunSettings | None = None):
        self.model = model
        self.settings = settings or RunSettings()
        self.state_rule = model.state.changed(self.settings.state_rule, self.settings.warm_up_frames)
        self.network = TiledNetwork(model, self.settings)
        self.locator = None if model.locator is None else StructureLocator(model, self.settings)
        self.report = self.network.report

    def segment(
        self,
        frames: Sequence[Frame],
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        look: FirstLook | None = None,
    ) -> Iterator[SegmentedFrame]:
        """Segment the frames that the settings name, one after the other.

        Args:
            frames: the whole sequence. A frame is read first for the intensity statistics, and again when it is
                segmented, so that RAM need not hold all frames.
            progress: called before every tile.
            cancelled: called before every tile; `Cancelled` is raised once it returns True.
            look: the first look at these frames, where one has begun; it is not used where the intensity window is
                that of each stack.

        Yields:
            The segmented frames in order, each as soon as it is done.

        Raises:
            InputError: the sequence is empty, a frame cannot be used, or the region lies outside the image.
            MemoryError: not even the smallest tile fits into RAM.
            Cancelled: `cancelled` returned True.
        """
        remaining = self.settings.frame_numbers(len(frames))
        cost = StateSchedule(self.state_rule, len(frames)).cost()
        if cost is not None:
            self.report.warn(cost)
        timer = _StepTimer(len(remaining), progress, cancelled)
        run = _SequenceRun(self, frames, timer, look)
        while remaining:
            try:
                for result in run.segment(list(remaining)):
                    remaining.remove(result.number)
                    yield result
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self.network.use_less_memory()

    def open_stream(self, settings: StreamSettings | None = None) -> SegmentationStream:
        """Return a stream, which segments frames that are pushed into it one by one, as they arrive.

        Args:
            settings: how the intensity window is found without frames of the future; None for the defaults.
        """
        return SegmentationStream(self.model, self.frame_segmenter(), self.locator, self.state_rule, settings)

    def frame_segmenter(self) -> FrameSegmenter:
        """Return what segments frame after frame, with an empty recurrent state."""
        return FrameSegmenter(self.model, self.network, self.settings.region)


class _StepTimer:
    """Reports the progress of a run, estimates the time left, and checks whether the run is cancelled."""

    def __init__(
        self,
        wanted: int,
        progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool] | None,
    ):
        self._wanted = wanted
        self._progress = progress
        self._cancelled = cancelled
        self._finished = 0
        self._steps_left = 0
        self._seconds_per_step: float | None = None
        self._step_began = 0.0

    def begin(self, steps: int, wanted_left: int) -> None:
        """Begin, or begin again, with a number of steps and of wanted frames that are still to do."""
        self._steps_left, self._finished = steps, self._wanted - wanted_left
        self._seconds_per_step = None

    def begin_step(self) -> None:
        """Begin the step that reads a frame."""
        self._step_began = time.perf_counter()

    def end_step(self, finished: bool) -> None:
        """End the step that reads a frame; `finished` says whether its labels are done."""
        self._steps_left -= 1
        self._finished += finished
        took = time.perf_counter() - self._step_began
        before = self._seconds_per_step
        self._seconds_per_step = took if before is None else 0.7 * before + 0.3 * took

    def check_cancelled(self, *_: int) -> None:
        """Raise `Cancelled` when the run is cancelled."""
        if self._cancelled is not None and self._cancelled():
            raise Cancelled

    def before_tile(self, tile: int, tiles: int) -> None:
        """Report the progress before a tile (counted from 0), and raise `Cancelled` when the run is cancelled."""
        self.check_cancelled()
        if self._progress is not None:
            left, seconds_per_step = None, self._seconds_per_step
            if seconds_per_step is None and tile > 0:  # many tiles may take minutes
                seconds_per_step = (time.perf_counter() - self._step_began) * tiles / tile
            if seconds_per_step is not None:
                left = seconds_per_step * (self._steps_left - tile / tiles)
            frame = min(self._finished + 1, self._wanted)
            self._progress(Progress(frame, self._wanted, tile + 1, tiles, left))


class _SequenceRun:
    """One call of `Segmenter.segment`."""

    def __init__(self, segmenter: Segmenter, frames: Sequence[Frame], timer: _StepTimer, look: FirstLook | None):
        self._model = segmenter.model
        self._report = segmenter.report
        self._schedule = StateSchedule(segmenter.state_rule, len(frames))
        self._make_segmenter = segmenter.frame_segmenter
        self._locator = segmenter.locator
        self._frames = frames
        self._timer = timer
        self._surveyor = Surveyor(segmenter.model, segmenter.locator, self._read, self._report, timer.check_cancelled)
        self._look = look
        self._sequence_survey: Survey | None = None

    def segment(self, wanted: list[int]) -> Iterator[SegmentedFrame]:
        """Segment the wanted frames, beginning with empty recurrent states."""
        plan = list(self._schedule.stacks(wanted))
        self._timer.begin(sum(len(stack.steps) for stack in plan), len(wanted))
        for stack in plan:
            yield from self._segment_stack(stack)

    def _segment_stack(self, stack: Stack) -> Iterator[SegmentedFrame]:
        survey = self._survey(stack)
        segmenter = StackSegmenter(self._model, self._make_segmenter, self._locator, stack, survey, self._read)
        for step, (number, wanted) in enumerate(stack.steps):
            self._timer.begin_step()
            with self._report.timed("read"):
                frame = self._read(number)
            result = segmenter.segment(step, frame, self._timer.before_tile)
            self._timer.end_step(finished=wanted)
            if result is not None:
                yield result

    def _read(self, number: int) -> Frame:
        frame = self._frames[number]
        check_frame(frame, number)
        return frame

    def _survey(self, stack: Stack) -> Survey:
        """Return the survey of a stack, or of the whole sequence, as the model's intensity rule asks for."""
        if self._model.intensity.over == "stack":
            return self._surveyor.survey(stack.frames)
        if self._sequence_survey is None:
            self._sequence_survey = self._surveyor.survey(range(len(self._frames)), self._look)
        return self._sequence_survey
