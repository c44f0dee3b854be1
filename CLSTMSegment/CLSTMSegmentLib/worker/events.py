"""What a worker process reports while it works: one type for each kind of event, written as a line of JSON."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ..core.errors import InputError, RunFailed
from ..core.progress import Progress, TeachingProgress
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
    """A frame is segmented, and its labels are in the job folder; see `core.sequence.SegmentedFrame`."""

    number: int
    index_value: str
    out_of_distribution: tuple[str, ...] = ()


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


Event = Started | Note | Progress | TeachingProgress | FrameDone | Done | Failed

_KINDS = {kind.__name__: kind for kind in (Started, Note, Progress, TeachingProgress, FrameDone, Done, Failed)}


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
    typed = dict(content)
    if "out_of_distribution" in typed:
        typed["out_of_distribution"] = tuple(typed["out_of_distribution"])
    if typed.get("report") is not None:
        report = RunReport(**typed["report"])
        report.tile = None if report.tile is None else tuple(report.tile)
        typed["report"] = report
    return typed
