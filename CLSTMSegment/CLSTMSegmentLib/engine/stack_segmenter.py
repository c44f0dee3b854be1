"""Segmentation of a stack of frames, in a wider box where the located one cuts or misses a structure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..core.sequence import Frame, SegmentedFrame
from ..model.description import Model
from .cut_structures import cut_structure, missed_structure, wider_boxes
from .frame_grid import FrameGrid
from .frame_segmenter import FrameSegmenter
from .state_schedule import Stack
from .structure_locator import StructureLocator
from .survey import Survey


@dataclass
class _WiderBox:
    """A recurrent state of its own for one of the wider boxes, and how many steps of the stack it has read."""

    segmenter: FrameSegmenter
    steps_read: int = 0


class StackSegmenter:
    """Segments the frames of a stack. A frame whose box cuts or misses a structure is segmented again in a wider box.

    A wider box has a recurrent state of its own, which reads all frames of the stack up to this one. Therefore, the
    labels of a frame do not depend on which other frames are chosen, and no finished frame has to be taken back.

    Args:
        model: the model.
        make_segmenter: makes a segmenter of frames, with an empty recurrent state.
        locator: the locator of the model; None where it has none.
        stack: the frames.
        survey: what is known about them.
        read: reads a frame by its number.
    """

    def __init__(
        self,
        model: Model,
        make_segmenter: Callable[[], FrameSegmenter],
        locator: StructureLocator | None,
        stack: Stack,
        survey: Survey,
        read: Callable[[int], Frame],
    ):
        self._model = model
        self._make_segmenter = make_segmenter
        self._locator = locator
        self._stack = stack
        self._survey = survey
        self._read = read
        self._segmenter = make_segmenter()
        self._wider: list[_WiderBox] = []

    def segment(self, step: int, frame: Frame, on_tile: Callable[[int, int], None]) -> SegmentedFrame | None:
        """Read the frame of the next step of the stack, and return its labels if they are wanted.

        Args:
            step: number of the step, counted from 0.
            frame: the frame of this step.
            on_tile: see `TiledNetwork.read_frame`.
        """
        number, wanted = self._stack.steps[step]
        result = self._segmenter.segment(frame, number, self._survey, wanted, on_tile)
        if result is None or self._locator is None:
            return result
        grid = FrameGrid(frame.image, self._model.geometry)
        box = self._survey.boxes.get(grid.key)
        if box is None:
            return result
        for level, wider in enumerate(wider_boxes(box, grid, self._model.locator.margin_mm)):
            if cut_structure(result, grid, box, self._segmenter.region) is not None:
                where = "reaches the border of"
            elif missed_structure(result, frame.image, box, self._locator, self._survey.window) is not None:
                where = "lies outside"
            else:
                break
            self._segmenter.report.warn(
                f"frame {number} ({frame.index_value}): a structure {where} the box in which frames are "
                "segmented: this frame is segmented again in a wider box"
            )
            result, box = self._in_wider_box(level, step, frame, on_tile), wider
        return result

    def _in_wider_box(
        self, level: int, step: int, frame: Frame, on_tile: Callable[[int, int], None]
    ) -> SegmentedFrame | None:
        """Return the labels of the frame of a step in one of the wider boxes, whose state catches up before."""
        if level == len(self._wider):
            self._wider.append(_WiderBox(self._make_segmenter()))
        wider = self._wider[level]
        for number, _ in self._stack.steps[wider.steps_read : step]:
            earlier = self._read(number)
            wider.segmenter.segment(earlier, number, self._survey_in(level, earlier), False, on_tile)
        wider.steps_read = step + 1
        number, wanted = self._stack.steps[step]
        return wider.segmenter.segment(frame, number, self._survey_in(level, frame), wanted, on_tile)

    def _survey_in(self, level: int, frame: Frame) -> Survey:
        """Return the survey with one of the wider boxes of a frame; frames without a box are segmented whole."""
        grid = FrameGrid(frame.image, self._model.geometry)
        box = self._survey.boxes.get(grid.key)
        wider = [] if box is None else wider_boxes(box, grid, self._model.locator.margin_mm)
        return replace(self._survey, boxes={grid.key: wider[min(level, len(wider) - 1)]} if wider else {})
