"""What a worker process reports, and what it is told of frames that arrive: one type for each, as a line of JSON."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import get_args

from ..core.boxes import Box
from ..core.errors import InputError, RunFailed
from ..core.progress import Progress, TeachingProgress
from ..core.same_grid import ImageGrid
from ..core.volume_curve import Flag
from ..engine.region import Region
from ..engine.run_report import RunReport


@dataclass(frozen=True)
class Started:
    """A run has begun: its model is loaded on this device."""

    device: str


@dataclass(frozen=True)
class Note:
    """A remark for the log."""

    text: str


@dataclass(frozen=True)
class FrameDone:
    """A frame is segmented, and its labels are in the job folder; see `core.sequence.SegmentedFrame`.

    Attributes:
        flags: quality flags of a frame to which annotations were propagated.
    """

    number: int
    index_value: str
    out_of_distribution: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class FrameArrived:
    """A frame of a stream has arrived for the worker, and its voxels are in the live folder.

    Attributes:
        number: number of the frame, from 0.
        index_value: index value of the frame, verbatim.
        voxel_type: type of the voxels, as numpy writes it, such as "<i2".
        grid: where the voxels lie.
        region: the region of interest; None for the whole image.
    """

    number: int
    index_value: str
    voxel_type: str
    grid: ImageGrid
    region: Region | None = None


@dataclass(frozen=True)
class LiveFrameDone:
    """A frame of a stream is segmented, and the labels in a box around all segments are in the live folder.

    Attributes:
        number: number of the frame.
        box: the box; of size 0 where there is no label.
        ml: volume of each segment in ml.
        seconds: time that the network and what belongs to it took.
        out_of_distribution: see `core.sequence.SegmentedFrame`.
    """

    number: int
    box: Box
    ml: tuple[float, ...]
    seconds: float
    out_of_distribution: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameRefused:
    """A frame of a stream cannot be segmented; the message says why. The stream goes on with the next frame."""

    number: int
    message: str


@dataclass(frozen=True)
class Done:
    """The work is finished; the last event.

    Attributes:
        report: what the run did; None for a teaching job.
        model_folder: the folder of the new model; None for a run.
    """

    report: RunReport | None = None
    model_folder: str | None = None


@dataclass(frozen=True)
class Failed:
    """The work could not be finished; the last event.

    Attributes:
        message: what happened and what to do.
        details: for a developer, such as the lines of code; may be empty.
    """

    message: str
    details: str = ""

    @classmethod
    def from_error(cls, error: Exception) -> Failed:
        """Return the event for an error; one that nobody expected comes with the lines of code."""
        if isinstance(error, (InputError, RunFailed, MemoryError, OSError)):
            return cls(str(error) or type(error).__name__)
        return cls(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


Event = (
    Started
    | Note
    | Progress
    | TeachingProgress
    | FrameDone
    | FrameArrived
    | LiveFrameDone
    | FrameRefused
    | Done
    | Failed
)

_KINDS = {kind.__name__: kind for kind in get_args(Event)}


def event_to_line(event: Event) -> str:
    """Return an event as a line of JSON, without the line break."""
    return json.dumps({"event": type(event).__name__} | asdict(event))


def event_from_line(line: bytes) -> Event:
    """Return the event that `event_to_line` wrote.

    Raises:
        InputError: the line is damaged.
    """
    try:
        content = json.loads(line)
        kind = _KINDS[content.pop("event")]
        return kind(**_with_types(content))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the worker wrote an event that is damaged: {line[:80]!r}") from error


def _with_types(content: Mapping[str, object]) -> dict[str, object]:
    """Return the content of an event with the types that JSON does not have."""
    return {name: _READERS[name](value) if name in _READERS else value for name, value in content.items()}


def _report(value: dict[str, object] | None) -> RunReport | None:
    if value is None:
        return None
    report = RunReport(**value)
    report.tile = None if report.tile is None else tuple(report.tile)
    return report


_READERS = {
    "out_of_distribution": tuple,
    "flags": lambda value: tuple(Flag(**flag) for flag in value),
    "ml": tuple,
    "box": lambda value: tuple(map(tuple, value)),
    "grid": lambda value: ImageGrid(**{name: tuple(part) for name, part in value.items()}),
    "region": lambda value: None if value is None else Region.from_dict(value),
    "report": _report,
}
