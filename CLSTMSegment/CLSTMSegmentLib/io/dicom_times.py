"""The order of DICOM images in time: one attribute orders all of them, and gives the index values of the frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from .dicom_image import DicomImage
from .dicom_time_attributes import (
    ACQUIRED,
    ATTRIBUTES,
    CONTENT,
    DELAYS,
    MOMENTS,
    POSITIONS,
    SERIES,
    TimeAttribute,
    Values,
    are_over_midnight,
    image_number,
    numbers_of,
    time_of_day,
)

REAL_TIME, REAL_TIME_MS = 0.1, 1.0
"""Images are of one beat in real time if their times pass as their delays grow, but for this part and these ms."""

EQUAL = "equal for images of one place"
"""Why an attribute cannot order images, in messages."""


@dataclass(frozen=True)
class TimeOrder:
    """Images in the order of time.

    Attributes:
        places: the images of each place along the stack, in the order of time.
        index: the index values of the frames.
        warnings: what was assumed.
    """

    places: list[list[DicomImage]]
    index: SequenceIndex
    warnings: tuple[str, ...] = ()


def order_by_time(source: object, places: list[list[DicomImage]]) -> TimeOrder:
    """Return images in the order of the first attribute that all have and that differs between images of a place.

    Args:
        source: the folder or file, for messages.
        places: the images of each place along the stack, equally many at each.

    Raises:
        InputError: no attribute orders them.
    """
    count = len(places[0])
    if count == 1:
        return TimeOrder(places, SequenceIndex(["0"]))
    images = [image for found in places for image in found]
    several = _series_are_phases(places)
    failed: list[str] = []
    doubts: list[str] = []
    absent: list[str] = []
    for attribute in ATTRIBUTES:
        values = attribute.read(images)
        reason = _why_not(values, count)
        if not reason and attribute in DELAYS and _acquired_in_another_order(values, images, count):
            reason = "acquired in another order"
            doubts.append(
                f"the images were acquired in another order than that of their {attribute.name}, as in different heart "
                "beats: they are taken in the order of their acquisition"
            )
        if not reason:
            grid = np.reshape(np.array(values, float), (len(places), count))
            order = np.argsort(grid, axis=1)
            ordered = [[found[n] for n in row] for found, row in zip(places, order, strict=True)]
            if not several or _keeps_series_together(ordered):
                times = np.take_along_axis(grid, order, axis=1)[0]
                index = _index(attribute, times, ordered)
                return TimeOrder(ordered, index, (*doubts, *_assumed(attribute, images)))
            reason = "it takes the slices of a frame from different series"
        if set(values) == {None}:
            absent.append(attribute.name)
        else:
            failed.append(f"{attribute.name} ({reason})")
            if None in values and attribute in MOMENTS and len(set(values)) > 2:
                doubts.append(
                    f"{values.count(None)} of {len(values)} images have no {attribute.name}, so that it orders none of "
                    "them: check that they belong to the sequence, and that the times of the frames are right"
                )
            if reason == EQUAL and attribute in MOMENTS and any(len(set(row)) > 1 for row in _rows(values, count)):
                doubts.append(
                    f"several images of one place have the same {attribute.name}, which cannot order them: check that "
                    "the images are one sequence"
                )
    raise InputError(
        f"{source}: there are {count} images at each place, and nothing orders them in time; looked at: "
        f"{', '.join(failed) or 'nothing'}; not there: {', '.join(absent)}"
    )


def _why_not(values: Values, count: int) -> str:
    """Return why values do not order the images of each place; empty where they do."""
    absent = sum(value is None for value in values)
    if absent:
        return f"{absent} of {len(values)} images lack it"
    equal = any(len(set(row)) < count for row in _rows(values, count))
    return EQUAL if equal else ""


def _acquired_in_another_order(delays: Values, images: list[DicomImage], count: int) -> bool:
    """Return whether images of a place were acquired in another order than that of their delays, each in its own beat.

    In a perfusion series, for instance, the delays differ by chance, and the time is that of the acquisition: such
    images lie further apart in their acquisition than in their delays. In a cine in real time over several beats, the
    delays begin again with each beat, and in between they grow as the times of acquisition do. Where these are not
    known, the numbers of the images tell their order.
    """
    found = (attribute.read(images) for attribute in ACQUIRED)
    acquired = next((values for values in found if not _why_not(values, count)), None)
    numbers = image_number(images) if acquired is None else acquired
    if _why_not(numbers, count):
        return False
    for own, made in zip(_rows(delays, count), _rows(numbers, count), strict=True):
        order = np.argsort(made)
        in_order = np.array(own)[order]
        if acquired is None:
            of_beats = _are_beats(in_order)
        else:
            of_beats = _are_times_of_beats(np.diff(np.array(made)[order]), np.diff(in_order))
        if of_beats and (np.diff(in_order) < 0).any():
            return True
    return False


def _are_times_of_beats(passed: np.ndarray, delayed: np.ndarray) -> bool:
    """Return whether images are of different beats, by the times and delays that pass from each to the next, ms."""
    in_a_beat = delayed > 0
    apart = passed.min() > np.ptp(np.cumsum([0.0, *delayed]))
    in_real_time = in_a_beat.any() and np.allclose(passed[in_a_beat], delayed[in_a_beat], REAL_TIME, REAL_TIME_MS)
    return bool(apart or in_real_time)


def _are_beats(delays: np.ndarray) -> bool:
    """Return whether delays in the order of the images' numbers grow evenly in each beat, and the beats overlap.

    The delays of a cine of one beat, of which a later phase comes first, do not overlap.
    """
    steps = np.diff(delays)
    beats = np.split(delays, np.flatnonzero(steps < 0) + 1)
    growing = steps[steps > 0]
    if len(growing) < len(beats):
        return False
    even = np.allclose(growing, np.median(growing), REAL_TIME, REAL_TIME_MS)
    return bool(even and any(after.max() > before.min() for before, after in pairwise(beats)))


def _rows(values: Values, count: int) -> list[Values]:
    """Return the values of each place."""
    return [values[start : start + count] for start in range(0, len(values), count)]


def _series_are_phases(places: list[list[DicomImage]]) -> bool:
    """Return whether each of the series holds one image of each place."""
    count = len({_series(image) for images in places for image in images})
    return all(len({_series(image) for image in images}) == len(images) == count for images in places)


def _keeps_series_together(places: list[list[DicomImage]]) -> bool:
    return all(len({_series(image) for image in images}) == 1 for images in zip(*places, strict=True))


def _series(image: DicomImage) -> str:
    return str(image.values.get("SeriesInstanceUID", ""))


def _index(attribute: TimeAttribute, values: np.ndarray, places: list[list[DicomImage]]) -> SequenceIndex:
    """Return the index of frames whose first place has these values, ascending."""
    if attribute in POSITIONS:
        return _times_of_positions(values, places)
    if attribute.unit == "ms":
        return _times(values)
    if attribute.unit == "%":
        return SequenceIndex([f"{value:.6g}" for value in values], "phase", "%")
    return SequenceIndex([str(t) for t in range(len(values))])


def _times(values: np.ndarray) -> SequenceIndex:
    """Return the index of times in ms, counted from the first one, rounded to microseconds."""
    return SequenceIndex([f"{round(value - values[0], 3):.12g}" for value in values], "time", "ms")


def _times_of_positions(positions: np.ndarray, places: list[list[DicomImage]]) -> SequenceIndex:
    """Return the index of frames whose order is known: by times that agree with it, else by their numbers."""
    resolution = TimeAttribute("temporal resolution", "ms", lambda images: _multiples(positions, images))
    for attribute in (*ACQUIRED, resolution, CONTENT):
        times = attribute.read(places[0])
        if None not in times and (np.diff(np.array(times, float)) > 0).all():
            return _times(np.array(times, float))
    return SequenceIndex([str(t) for t in range(len(positions))])


def _multiples(positions: np.ndarray, images: Sequence[DicomImage]) -> Values:
    """Return the positions times the temporal resolution, where all images have the same one."""
    steps = set(numbers_of("TemporalResolution")(images))
    step = steps.pop() if len(steps) == 1 else None
    return [None if step is None else float(position) * step for position in positions]


def _assumed(attribute: TimeAttribute, images: list[DicomImage]) -> tuple[str, ...]:
    """Return what was assumed of the times, as sentences for people."""
    if attribute is SERIES:
        return (
            "nothing but the series numbers orders the images in time: check that the series are time points, and not "
            "several reconstructions or contrasts of one",
        )
    for prefix in ("Acquisition", "Content"):
        if attribute.name == f"{prefix.lower()} date and time":
            times = [time_of_day(image.values.get(f"{prefix}Time")) for image in images]
            if are_over_midnight(times) and len({image.values.get(f"{prefix}Date") for image in images}) == 1:
                return ("the images have times before and after midnight, but no dates: those after it are later",)
    return ()
