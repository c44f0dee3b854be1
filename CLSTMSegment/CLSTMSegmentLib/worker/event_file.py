"""A file of events, to which one process appends while another one reads."""

from pathlib import Path

from ..core.atomic_write import patiently
from .events import Event, event_from_line, event_to_line


class EventFile:
    """Appends events to a file, or reads those that are new.

    Args:
        path: path of the file, which need not exist yet.
    """

    def __init__(self, path: Path):
        self.path = path
        self._read = 0

    def append(self, event: Event) -> None:
        """Append an event."""
        with patiently(lambda: self.path.open("a", encoding="utf-8")) as file:
            file.write(event_to_line(event) + "\n")

    def new_events(self) -> list[Event]:
        """Return the events that were appended since the last call, oldest first.

        A line that is not yet complete is left for the next call.

        Raises:
            InputError: a line is damaged; the lines after it are not read.
        """
        try:
            with patiently(lambda: self.path.open("rb")) as file:
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            return []
        complete = content[: content.rfind(b"\n") + 1]
        self._read += len(complete)
        return [event_from_line(line) for line in complete.split(b"\n")[:-1]]

    def read_from_start(self) -> None:
        """Let the next call of `new_events` begin with the first event of the file."""
        self._read = 0
