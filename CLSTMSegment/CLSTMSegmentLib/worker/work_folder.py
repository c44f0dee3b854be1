"""The folder of a worker process: what every worker has in it, and the settings of one that segments.

events.jsonl   what the worker reports, see `events`
control        what the worker is to do: run, pause or stop
worker.log     what else the worker prints
process-id     the id of the worker's process, which a launcher may have started
settings.json  of a run: its settings, see `engine.settings.RunSettings`; a propagation has none
model-digest   of a run: which model it was asked for, see `model.bundle.description_digest`

What else is in the folder, see `job_folder` for a run or a propagation, `live_folder` for a live segmentation, and
`teaching.training_set` for a teaching job.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..core.atomic_write import patiently, write_text
from ..core.errors import InputError, StorageError, sitk_cause
from ..core.own_folder import OwnFolder
from ..engine.settings import RunSettings
from ..model.bundle import description_digest, load_model
from ..model.description import Model
from .event_file import EventFile
from .events import Event

FOLDER_PREFIX = "CLSTMSegment-"
"""Begin of the name of a job folder."""

RUN, PAUSE, STOP = "run", "pause", "stop"
"""What the control file can say."""

PAUSE_POLL_S = 0.2
"""Seconds between two readings of the control file while the worker pauses."""


@contextmanager
def storing(what: str, folder: Path) -> Iterator[None]:
    """Turn any error of the block into a StorageError that says what could not be written, and where."""
    try:
        yield
    except (RuntimeError, OSError, InputError) as error:
        raise StorageError(f"{what} cannot be written to {folder}: is the disk full? ({sitk_cause(error)})") from error


Made = TypeVar("Made", bound="SegmentFolder")


class WorkFolder:
    """What the folder of every worker has: events, a control file and a log.

    Args:
        path: path of the folder, which exists.
    """

    def __init__(self, path: Path):
        self.path = path
        self._events = EventFile(path / "events.jsonl")

    def forget_earlier_worker(self) -> None:
        """Remove the events and the process id of an earlier worker in this folder, and what it was told to do."""
        for path in (self._events.path, self._control_path, self._process_id_path):
            patiently(partial(path.unlink, missing_ok=True))
        self._events.read_from_start()

    def report_process(self) -> None:
        """Let the parent process know the id of this process."""
        write_text(self._process_id_path, str(os.getpid()))

    def process_id(self) -> int | None:
        """Return the id of the worker's process; None before the worker has reported it."""
        try:
            return int(patiently(lambda: self._process_id_path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def append(self, event: Event) -> None:
        """Append an event.

        Raises:
            StorageError: it cannot be written.
        """
        with storing("what the worker reports", self.path):
            self._events.append(event)

    def new_events(self) -> list[Event]:
        """Return the events that are new since the last call; see `EventFile.new_events`."""
        return self._events.new_events()

    def control(self, command: str) -> None:
        """Tell the worker to run, to pause or to stop."""
        write_text(self._control_path, command)

    def should_stop(self) -> bool:
        """Return whether the control file says stop; wait for as long as it says pause."""
        while (command := self.command()) == PAUSE:
            time.sleep(PAUSE_POLL_S)
        return command == STOP

    def command(self) -> str:
        """Return what the worker is to do: `RUN`, `PAUSE` or `STOP`."""
        try:
            return patiently(lambda: self._control_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return RUN

    def open_log(self) -> BinaryIO:
        """Return the log, empty and open for writing."""
        return self._log_path.open("wb")

    def log(self) -> str:
        """Return what the worker has printed."""
        try:
            return self._log_path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def texts(self) -> dict[str, str]:
        """Return the text files that a report about a problem needs, by name; none of them holds an image."""
        names = (self._events.path, self._log_path, self.path / "settings.json")
        return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in names if path.is_file()}

    def files_of_the_work(self) -> list[Path]:
        """Return all files that are complete, except those through which the worker and its parent process talk."""
        talk = (self._events.path, self._control_path, self._log_path, self._process_id_path)
        return [
            path
            for path in sorted(self.path.rglob("*"))
            # a hidden folder holds what is being written, and a hidden file says whose folder this is
            if path not in talk and not any(part.startswith(".") for part in path.relative_to(self.path).parts)
            if path.is_file()
        ]

    def remove(self) -> None:
        """Remove the folder with everything in it; what another program holds open stays."""
        try:
            patiently(lambda: shutil.rmtree(self.path))
        except OSError:
            shutil.rmtree(self.path, ignore_errors=True)

    @property
    def _control_path(self) -> Path:
        return self.path / "control"

    @property
    def _log_path(self) -> Path:
        return self.path / "worker.log"

    @property
    def _process_id_path(self) -> Path:
        return self.path / "process-id"


class SegmentFolder(WorkFolder):
    """The folder of a worker that makes labels: what every worker's folder has, and the settings.

    Args:
        own_folder: the folder; in the worker its path, because it belongs to the process that made it.
    """

    def __init__(self, own_folder: OwnFolder | Path):
        super().__init__(own_folder.path if isinstance(own_folder, OwnFolder) else own_folder)
        self._own_folder = own_folder

    @classmethod
    def make_own(
        cls: type[Made], settings: RunSettings | None, parent: Path | None = None, model: Model | None = None
    ) -> Made:
        """Make the folder of a new worker, and remove those that killed processes left behind.

        Args:
            settings: settings of the run; None for a propagation.
            parent: where to make the folder; the system's temporary folder by default.
            model: the model that the settings name, so that the worker uses no other one; None to trust the name.

        Raises:
            OSError: the folder cannot be made.
        """
        folder = cls(OwnFolder(FOLDER_PREFIX, parent or Path(tempfile.gettempdir())))
        if settings is not None:
            write_text(folder._settings_path, settings.to_json())
        if model is not None:
            write_text(folder._model_digest_path, description_digest(model))
        return folder

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        if isinstance(self._own_folder, OwnFolder):
            self._own_folder.remove()
        else:
            super().remove()

    def settings(self) -> RunSettings:
        """Return the settings of the run.

        Raises:
            InputError: they are damaged.
        """
        return RunSettings.from_json(self._settings_path.read_text(encoding="utf-8"))

    def load_model(self) -> Model:
        """Return the model of the run.

        Raises:
            InputError: it cannot be read, or is another one than the one for which the folder was made.
        """
        source, path = self.settings().model, self._model_digest_path
        model = load_model(source)
        if path.exists() and path.read_text(encoding="utf-8") != description_digest(model):
            raise InputError(f"model {source!r} was replaced by another one under its name: choose it again, and start")
        return model

    @property
    def _settings_path(self) -> Path:
        return self.path / "settings.json"

    @property
    def _model_digest_path(self) -> Path:
        return self.path / "model-digest"
