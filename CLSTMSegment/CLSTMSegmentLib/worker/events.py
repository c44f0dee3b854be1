"""What a worker says while it works: events.jsonl in its folder, a JSON object a line."""

import json
import traceback
from pathlib import Path
from types import TracebackType

from ..core.errors import InputError

EVENTS = "events.jsonl"


class EventWriter:
    """Adds events to a folder's file; a context, which closes it."""

    def __init__(self, folder: Path):
        self._file = (folder / EVENTS).open("a", encoding="utf-8")

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __call__(self, event: str, **details: object) -> None:
        """Add an event."""
        self._file.write(json.dumps({"event": event} | details) + "\n")
        self._file.flush()

    def failure(self, error: Exception) -> None:
        """Add that all ends here, and why; for one that nobody foresaw, with the lines of code."""
        if isinstance(error, (InputError, MemoryError, OSError)):
            self("failed", message=str(error) or type(error).__name__, details="")
        else:
            details = "".join(traceback.format_exception(error))
            self("failed", message=f"{type(error).__name__}: {error}", details=details)


class EventReader:
    """Reads the events that were added since the last call."""

    def __init__(self, folder: Path):
        self._path = folder / EVENTS
        self._offset = 0

    def read(self) -> list[dict]:
        """New events, oldest first; a line still being written waits for the next call.

        Raises:
            InputError: a line that no worker writes; those after it are not read.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [_event(line) for line in whole.split(b"\n")[:-1]]


def _event(line: bytes) -> dict:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{EVENTS} is damaged: {line[:80]!r}") from error
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise InputError(f"{EVENTS} is damaged: {line[:80]!r}")
    return event
