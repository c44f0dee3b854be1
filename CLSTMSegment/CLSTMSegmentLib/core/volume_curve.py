"""Segment volumes over time, from which all tables, plots, reports and scores are made."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from .errors import InputError
from .sequence import SequenceIndex
from .structure import COLUMNS, Segment, check_different

IMAGE = "image"
"""What a flag has in the place of a segment if it is about the image."""

JUMP = "volume jumps by"
"""How the sign of a flag begins that `VolumeCurve.flags` adds by itself."""

JUMP_PERCENT = 25.0
"""A volume jumps when it changes from a frame to the next by more than this percentage of its mean over time."""


@dataclass(frozen=True)
class Flag:
    """A sign that the segmentation of a frame may be wrong.

    Attributes:
        frame: number of the frame.
        segment: name of the segment, or `IMAGE`.
        sign: text for people.
    """

    frame: int
    segment: str
    sign: str

    def __str__(self) -> str:
        return f"frame {self.frame}: {self.segment}: {self.sign}"


def in_digits(ml: float) -> str:
    """Return a volume with three decimals, or with four digits where these say more, as for the heart of an embryo."""
    return f"{ml:.3f}" if ml == 0 or ml >= 1 else f"{ml:.4g}"


@dataclass(frozen=True)
class FrameVolumes:
    """The volumes of one frame.

    Attributes:
        number: number of the frame in the sequence, from 0.
        index_value: index value of the frame, verbatim.
        ml: volume of each segment in ml.
    """

    number: int
    index_value: str
    ml: tuple[float, ...]


@dataclass(frozen=True)
class Extremes:
    """The greatest and the least volume of a segment in ml, each with the number of the first frame that has it."""

    greatest: float
    greatest_frame: int
    least: float
    least_frame: int


@dataclass
class VolumeCurve:
    """The volumes of all segments over time, with the quality flags of the frames.

    Attributes:
        segments: the segments of the model.
        index: how the frames of the whole sequence are indexed.
        frames: the volumes of the frames that are measured so far, in ascending order of their numbers.
        frame_flags: quality flags that depend on a single frame; `flags` also has those that depend on several.
    """

    segments: tuple[Segment, ...]
    index: SequenceIndex
    frames: list[FrameVolumes] = field(default_factory=list)
    frame_flags: list[Flag] = field(default_factory=list)

    def add(self, frame: FrameVolumes, flags: Sequence[Flag] = ()) -> None:
        """Append the volumes of a frame and the quality flags that depend on this frame alone."""
        self.frames.append(frame)
        self.frame_flags += flags

    def replace(self, frame: FrameVolumes, flags: Sequence[Flag] = ()) -> None:
        """Put the volumes and flags of an edited frame in the place of the former ones; flags of its image stay."""
        self.frames[self.numbers.index(frame.number)] = frame
        self.frame_flags = [flag for flag in self.frame_flags if flag.frame != frame.number or flag.segment == IMAGE]
        self.frame_flags += flags

    def rename(self, names: Sequence[str]) -> None:
        """Give the segments other names, also in the flags; names that segments cannot have change nothing."""
        try:
            segments = tuple(replace(one, name=name) for one, name in zip(self.segments, names, strict=True))
            check_different(segments)
        except InputError:
            return
        new = {one.name: name for one, name in zip(self.segments, names, strict=True)}
        self.frame_flags = [replace(flag, segment=new.get(flag.segment, flag.segment)) for flag in self.frame_flags]
        self.segments = segments

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of the measured frames."""
        return [frame.number for frame in self.frames]

    @property
    def index_title(self) -> str:
        """Return the title of the index with its unit, such as "time [ms]"."""
        return with_unit(self.index.name or "frame", self.index.unit)

    @property
    def frame_titles(self) -> tuple[str, str]:
        """Return the titles of the columns with the numbers and the index values of frames, which always differ."""
        title = self.index_title
        return "frame", title if title != "frame" else "index value"

    @property
    def volume_titles(self) -> list[str]:
        """Return the title of each segment's volume, such as "Airway lumen [ml]"."""
        return [with_unit(segment.name, "ml") for segment in self.segments]

    def volumes(self, segment: int) -> list[float]:
        """Return the ml of a segment (counted from 0) in every measured frame."""
        return [frame.ml[segment] for frame in self.frames]

    def extremes(self, segment: int) -> Extremes | None:
        """Return the greatest and least volume of a segment (counted from 0); None before the first frame."""
        volumes = self.volumes(segment)
        if not volumes:
            return None
        greatest, least = max(volumes), min(volumes)
        numbers = self.numbers
        return Extremes(greatest, numbers[volumes.index(greatest)], least, numbers[volumes.index(least)])

    def ejection_fraction(self, segment: int) -> float | None:
        """Return the ejection fraction of a segment (counted from 0) in percent.

        Returns:
            None for a segment that is no ejecting chamber, or that was never found, and for a single frame.
        """
        extremes = self.extremes(segment)
        if len(self.frames) < 2 or not self.segments[segment].ejecting_chamber:
            return None
        return ejection_fraction(extremes.greatest, extremes.least)

    @property
    def flags(self) -> list[Flag]:
        """Return all quality flags in the order of their frames, those of jumping volumes included."""
        return sorted([*self.frame_flags, *self._jump_flags()], key=lambda flag: flag.frame)

    def _jump_flags(self) -> list[Flag]:
        """Return a flag for each volume that jumps from the previous frame; see `JUMP_PERCENT`.

        Frames that do not follow each other in the sequence are not compared.
        """
        flags = []
        numbers = self.numbers
        for n, segment in enumerate(self.segments):
            volumes = self.volumes(n)
            mean = float(np.mean(volumes)) if volumes else 0.0
            for k in range(1, len(volumes)):
                change = 100 * abs(volumes[k] - volumes[k - 1]) / mean if mean > 0 else 0.0
                if numbers[k] == numbers[k - 1] + 1 and change > JUMP_PERCENT:
                    flags.append(Flag(numbers[k], segment.name, f"{JUMP} {change:.0f} % of its mean"))
        return flags

    def to_rows(self) -> list[dict[str, object]]:
        """Return one row per frame for a JSON report: "frame", "index_value" and, by name, the ml of each segment."""
        return [
            dict(zip(COLUMNS, (frame.number, frame.index_value), strict=True))
            | {segment.name: float(in_digits(ml)) for segment, ml in zip(self.segments, frame.ml, strict=True)}
            for frame in self.frames
        ]

    @classmethod
    def from_rows(
        cls,
        segments: tuple[Segment, ...],
        index: SequenceIndex,
        rows: Sequence[dict[str, object]],
        flags: Sequence[dict[str, object]] = (),
    ) -> "VolumeCurve":
        """Return the curve from which `to_rows` and `flags_to_rows` made rows.

        Args:
            segments, index: segments and index of the curve.
            rows: from `to_rows`.
            flags: from `flags_to_rows`.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: the rows are damaged.
        """
        frames = [
            FrameVolumes(
                int(row["frame"]), str(row["index_value"]), tuple(float(row[segment.name]) for segment in segments)
            )
            for row in rows
        ]
        read = [Flag(**row) for row in flags]
        return cls(segments, index, frames, [flag for flag in read if not flag.sign.startswith(JUMP)])

    def flags_to_rows(self) -> list[dict[str, object]]:
        """Return one row per flag for a JSON report."""
        return [asdict(flag) for flag in self.flags]


def ejection_fraction(end_diastole: float, end_systole: float) -> float | None:
    """Return the percentage of a chamber's end-diastolic volume that it ejects; None for a volume of 0."""
    return 100 * (1 - end_systole / end_diastole) if end_diastole > 0 else None


def with_unit(name: str, unit: str) -> str:
    """Return the title of a column or axis, such as "time [ms]"; it is the name alone where the unit is empty."""
    return f"{name} [{unit}]" if unit else name
