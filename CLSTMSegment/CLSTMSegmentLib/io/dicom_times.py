"""The order of DICOM images in time: one attribute orders all of them, and gives the index values of the frames."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from math import isfinite

import numpy as np
from pydicom.valuerep import DA, DT, TM

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from .dicom_image import DicomImage

DAY_S = 86_400

Values = list[float | None]


@dataclass(frozen=True)
class TimeAttribute:
    """Something that can order images in time.

    Attributes:
        name: what it is called in messages.
        unit: "ms" for times, "%" for phases, empty for what gives nothing but an order.
        read: function that returns the value of each image, None where it has none; times in ms.
    """

    name: str
    unit: str
    read: Callable[[Sequence[DicomImage]], Values]


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
    repeated: list[str] = []
    absent: list[str] = []
    for attribute in ATTRIBUTES:
        values = attribute.read(images)
        reason = _why_not(values, count)
        if not reason:
            grid = np.reshape(np.array(values, float), (len(places), count))
            order = np.argsort(grid, axis=1)
            ordered = [[found[n] for n in row] for found, row in zip(places, order, strict=True)]
            if not several or _keeps_series_together(ordered):
                times = np.take_along_axis(grid, order, axis=1)[0]
                index = _index(attribute, times, ordered)
                return TimeOrder(ordered, index, (*repeated, *_assumed(attribute, images)))
            reason = "it takes the slices of a frame from different series"
        if set(values) == {None}:
            absent.append(attribute.name)
        else:
            failed.append(f"{attribute.name} ({reason})")
            if None not in values and attribute in MOMENTS and any(len(set(row)) > 1 for row in _rows(values, count)):
                repeated.append(
                    f"several images of one place have the same {attribute.name}, which cannot order them: check that "
                    "the images are one sequence"
                )
    raise InputError(
        f"{source}: there are {count} images at each place, and nothing orders them in time; looked at: "
        f"{', '.join(failed) or 'nothing'}; not there: {', '.join(absent)}"
    )


def _number(name: str, scale: float = 1) -> Callable[[Sequence[DicomImage]], Values]:
    """Return a function that gives a value of each image as a number, times `scale`."""

    def read_one(image: DicomImage) -> float | None:
        try:
            value = float(image.values[name]) * scale
        except (KeyError, TypeError, ValueError):
            return None
        return value if isfinite(value) else None

    return lambda images: [read_one(image) for image in images]


def _percentage(name: str) -> Callable[[Sequence[DicomImage]], Values]:
    """Return a function that gives the only percentage in a text of each image, such as "Gated 40%"."""

    def read_one(image: DicomImage) -> float | None:
        numbers = re.findall(r"(\d+(?:\.\d+)?)\s*%", str(image.values.get(name, "")))
        return float(numbers[0]) if len(numbers) == 1 else None

    return lambda images: [read_one(image) for image in images]


def _moment(name: str) -> Callable[[Sequence[DicomImage]], Values]:
    """Return a function that gives a date-time of each image in ms."""

    def read_one(image: DicomImage) -> float | None:
        try:
            moment: datetime | None = DT(str(image.values[name]))
        except (KeyError, ValueError):
            return None
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000

    return lambda images: [read_one(image) for image in images]


def _clock(prefix: str) -> Callable[[Sequence[DicomImage]], Values]:
    """Return a function that gives the time of day of each image in ms, with its date where all images have one.

    Where the dates do not tell days apart, as after an anonymiser, times after midnight are taken for the next day.
    """

    def read(images: Sequence[DicomImage]) -> Values:
        times = [_time_of_day(image.values.get(f"{prefix}Time")) for image in images]
        if None in times:
            return times
        days = [_day(image.values.get(f"{prefix}Date")) for image in images]
        if None in days or len(set(days)) == 1:
            days = [float(_over_midnight(times) and time < DAY_S / 2) for time in times]
        return [(day * DAY_S + time) * 1000 for day, time in zip(days, times, strict=True)]

    return read


def _over_midnight(times: Values) -> bool:
    return max(times) - min(times) > DAY_S / 2


def _time_of_day(value: object) -> float | None:
    try:
        time = TM(str(value).replace(":", ""))
    except ValueError:
        return None
    return None if time is None else time.hour * 3600 + time.minute * 60 + time.second + time.microsecond * 1e-6


def _day(value: object) -> float | None:
    try:
        day = DA(str(value))
    except ValueError:
        return None
    return None if day is None else float(day.toordinal())


def _image_number(images: Sequence[DicomImage]) -> Values:
    """Return the number of each image in its series; images in one file are numbered by the file too."""
    numbers = _number("InstanceNumber")(images)
    if any(image.number is not None for image in images):
        several = len({image.path for image in images}) > 1
        if several and None in numbers:
            return [None] * len(images)
        return [
            (float(number or 0) if several else 0.0) * 1e6 + (image.number or 0)
            for number, image in zip(numbers, images, strict=True)
        ]
    return numbers


ACQUIRED = (
    TimeAttribute("frame acquisition date-time", "ms", _moment("FrameAcquisitionDateTime")),
    TimeAttribute("frame reference date-time", "ms", _moment("FrameReferenceDateTime")),
    TimeAttribute("acquisition date-time", "ms", _moment("AcquisitionDateTime")),
    TimeAttribute("acquisition date and time", "ms", _clock("Acquisition")),
    TimeAttribute("frame reference time", "ms", _number("FrameReferenceTime")),
)
"""When an image was acquired."""

CONTENT = TimeAttribute("content date and time", "ms", _clock("Content"))
"""When an image was made of what was acquired."""

POSITIONS = (
    TimeAttribute("temporal position identifier", "", _number("TemporalPositionIdentifier")),
    TimeAttribute("temporal position index", "", _number("TemporalPositionIndex")),
)
"""Which time point an image shows."""

MOMENTS = (
    TimeAttribute("trigger time", "ms", _number("TriggerTime")),
    TimeAttribute("nominal trigger delay", "ms", _number("NominalCardiacTriggerDelayTime")),
    TimeAttribute("actual trigger delay", "ms", _number("ActualCardiacTriggerDelayTime")),
    TimeAttribute("time offset", "ms", _number("TemporalPositionTimeOffset", 1000)),
    TimeAttribute("nominal cardiac phase", "%", _number("NominalPercentageOfCardiacPhase")),
    TimeAttribute("nominal respiratory phase", "%", _number("NominalPercentageOfRespiratoryPhase")),
    TimeAttribute("percentage in the series description", "%", _percentage("SeriesDescription")),
    TimeAttribute("percentage in the image comments", "%", _percentage("ImageComments")),
    *POSITIONS,
)
"""Which moment of a movement an image shows."""

ATTRIBUTES = (
    *MOMENTS,
    *ACQUIRED,
    CONTENT,
    TimeAttribute("series number", "", _number("SeriesNumber")),
    TimeAttribute("instance number", "", _image_number),
)
"""What orders images in time: the first that all images have and that differs between the images of each place."""


def _why_not(values: Values, count: int) -> str:
    """Return why values do not order the images of each place; empty where they do."""
    absent = sum(value is None for value in values)
    if absent:
        return f"{absent} of {len(values)} images lack it"
    equal = any(len(set(row)) < count for row in _rows(values, count))
    return "equal for images of one place" if equal else ""


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
    steps = set(_number("TemporalResolution")(images))
    step = steps.pop() if len(steps) == 1 else None
    return [None if step is None else float(position) * step for position in positions]


def _assumed(attribute: TimeAttribute, images: list[DicomImage]) -> tuple[str, ...]:
    for prefix in ("Acquisition", "Content"):
        if attribute.name == f"{prefix.lower()} date and time":
            times = [_time_of_day(image.values.get(f"{prefix}Time")) for image in images]
            if _over_midnight(times) and len({image.values.get(f"{prefix}Date") for image in images}) == 1:
                return ("the images have times before and after midnight, but no dates: those after it are later",)
    return ()
