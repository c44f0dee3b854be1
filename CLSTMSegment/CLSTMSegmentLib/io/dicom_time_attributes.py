"""What DICOM images say of their time: the attributes that can order them, in the order in which they are tried."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from math import isfinite

from pydicom.valuerep import DA, DT, TM

from .dicom_image import DicomImage

DAY_S = 86_400

Values = list[float | None]
"""A value for each image, None where it has none."""


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


def numbers_of(name: str, scale: float = 1) -> Callable[[Sequence[DicomImage]], Values]:
    """Return a function that gives a value of each image as a number, times `scale`."""

    def read_one(image: DicomImage) -> float | None:
        try:
            value = float(image.values[name]) * scale
        except (KeyError, TypeError, ValueError):
            return None
        return value if isfinite(value) else None

    return lambda images: [read_one(image) for image in images]


def _percentage(name: str) -> Callable[[Sequence[DicomImage]], Values]:
    """Return a function that gives the percentage in a text of each image, such as "Gated 40%".

    The texts must be alike but for numbers: 30 % of breathing in and 30 % of breathing out are two moments. Of several
    percentages, it is the only one that is not the same in all images: others tell how the images were reconstructed.
    """

    def read(images: Sequence[DicomImage]) -> Values:
        parts = [re.split(r"(\d+(?:\.\d+)?)\s*%", str(image.values.get(name, ""))) for image in images]
        told = [found for found in parts if len(found) > 1]
        others = {tuple(re.sub(r"[\d\s]+", "", part.lower()) for part in found[::2]) for found in told}
        if len(others) != 1:
            return [None] * len(images)
        places = range(1, len(told[0]), 2)
        chosen = [n for n in places if len({float(found[n]) for found in told}) > 1] or list(places)
        if len(chosen) > 1:
            return [None] * len(images)
        return [float(found[chosen[0]]) if len(found) > 1 else None for found in parts]

    return read


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
        times = [time_of_day(image.values.get(f"{prefix}Time")) for image in images]
        if None in times:
            return times
        days = [_day(image.values.get(f"{prefix}Date")) for image in images]
        if None in days or len(set(days)) == 1:
            days = [float(are_over_midnight(times) and time < DAY_S / 2) for time in times]
        return [(day * DAY_S + time) * 1000 for day, time in zip(days, times, strict=True)]

    return read


def are_over_midnight(times: Values) -> bool:
    """Return whether times of day lie so far apart that some are those of the next day."""
    return max(times) - min(times) > DAY_S / 2


def time_of_day(value: object) -> float | None:
    """Return a time of day of DICOM in seconds; None where it is damaged or missing."""
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


def image_number(images: Sequence[DicomImage]) -> Values:
    """Return the number of each image in its series; images in one file are numbered by the file too."""
    numbers = numbers_of("InstanceNumber")(images)
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
    TimeAttribute("frame reference time", "ms", numbers_of("FrameReferenceTime")),
)
"""When an image was acquired."""

CONTENT = TimeAttribute("content date and time", "ms", _clock("Content"))
"""When an image was made of what was acquired."""

POSITIONS = (
    TimeAttribute("temporal position identifier", "", numbers_of("TemporalPositionIdentifier")),
    TimeAttribute("temporal position index", "", numbers_of("TemporalPositionIndex")),
)
"""Which time point an image shows."""

MOMENTS = (
    TimeAttribute("trigger time", "ms", numbers_of("TriggerTime")),
    TimeAttribute("nominal trigger delay", "ms", numbers_of("NominalCardiacTriggerDelayTime")),
    TimeAttribute("actual trigger delay", "ms", numbers_of("ActualCardiacTriggerDelayTime")),
    TimeAttribute("time offset", "ms", numbers_of("TemporalPositionTimeOffset", 1000)),
    TimeAttribute("nominal cardiac phase", "%", numbers_of("NominalPercentageOfCardiacPhase")),
    TimeAttribute("nominal respiratory phase", "%", numbers_of("NominalPercentageOfRespiratoryPhase")),
    TimeAttribute("percentage in the series description", "%", _percentage("SeriesDescription")),
    TimeAttribute("percentage in the image comments", "%", _percentage("ImageComments")),
    *POSITIONS,
)
"""Which moment of a movement an image shows."""

DELAYS = MOMENTS[:3]
"""When an image was made after the beginning of its own heart beat."""

SERIES = TimeAttribute("series number", "", numbers_of("SeriesNumber"))
"""Which series an image belongs to, where there is one for each phase."""

ATTRIBUTES = (
    *MOMENTS,
    *ACQUIRED,
    CONTENT,
    SERIES,
    TimeAttribute("instance number", "", image_number),
)
"""What orders images in time: the first that all images have and that differs between the images of each place."""
