"""The side of a Dask worker in a job that another computer has sent; `relay` is the other side.

The job is a worker process in a temporary folder, as it would be on the other computer. It lasts for as long as the
scheduler wants the task `keep_job`: until the other computer has taken the results, or is gone.
"""

import asyncio
import logging
import tempfile
import threading
import time
from pathlib import Path

from distributed import Worker, get_worker
from distributed.core import Status

from ..core.atomic_write import patiently, write_bytes
from ..core.own_folder import OwnFolder
from ..model.model_files import ModelStore
from .events import Done, Event, Failed, FrameDone, TeachingProgress, event_to_line
from .job_folder import JobFolder
from .work_folder import FOLDER_PREFIX, WorkFolder
from .worker_process import SEGMENT, TEACH, WorkerProcess

LOOK_S = 0.05
"""Seconds between two looks whether a job is still wanted."""

MODELS = "models"
"""The folder in the folder of a teaching job in which the new model is made."""

RESULTS = {
    FrameDone: ("results/*.nrrd",),
    # so that a job whose worker is lost can be resumed
    TeachingProgress: ("preview.png", "plan.json", "*/*.pt"),
    Done: (f"{MODELS}/*/model.json", f"{MODELS}/*/weights.safetensors"),
}
"""The files that are sent back together with an event, if they are new or changed."""

_jobs: dict[str, "RemoteJob"] = {}
_store_lock = threading.Lock()


class RemoteJob:
    """A job that this computer does for another one.

    Args:
        folder: the folder of the job, which is empty.
        store: the models that this computer has.
    """

    def __init__(self, folder: Path, store: ModelStore):
        self._folder = WorkFolder(folder)
        self._store = store
        self._process: WorkerProcess | None = None
        self._known: dict[Path, int] = {}  # when the files that the other computer has were changed

    def is_ready(self) -> bool:
        """Return True: a job that can be asked has begun."""
        return True

    def find_model(self, digest: str) -> str | None:
        """Return the source of a model; None where it must be sent. See `model.model_files.ModelStore`."""
        with _store_lock:
            return self._store.find(digest)

    def take_model(self, digest: str, content: dict[str, bytes]) -> str:
        """Keep a model that was sent, and return its source."""
        with _store_lock:
            return self._store.find(digest) or self._store.add(digest, content)

    def take_file(self, name: str, content: bytes) -> None:
        """Write a file that was sent; its name is its path in the folder."""
        path = self._folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
        self._known[path] = path.stat().st_mtime_ns

    def start(self, module: str) -> None:
        """Start the worker process."""
        folder = self._folder.path
        if module == SEGMENT:
            JobFolder(folder).make_parts()
        # if this process is killed, that one removes the folder
        arguments = (str(folder / MODELS), str(folder)) if module == TEACH else ()
        self._process = WorkerProcess(module, self._folder, arguments)
        self._process.start()

    def control(self, command: str) -> None:
        """Tell the worker process to run, to pause or to stop."""
        self._folder.control(command)

    def news(self) -> list[tuple[str, dict[str, bytes]]]:
        """Return the events since the last call as lines, oldest first, each with files by their paths in the folder.

        The files are those that are new or changed, and belong to the event.
        """
        return [(event_to_line(event), self._changed_files(event)) for event in self._process.poll()]

    def end(self) -> None:
        """End the worker process, if it runs."""
        if self._process is not None:
            self._process.end()

    def _changed_files(self, event: Event) -> dict[str, bytes]:
        if isinstance(event, TeachingProgress) and event.dice is None:
            return {}
        changed = {}
        for path in (path for pattern in RESULTS.get(type(event), ()) for path in self._folder.path.glob(pattern)):
            modified = path.stat().st_mtime_ns
            if self._known.get(path) != modified:
                self._known[path] = modified
                changed[path.relative_to(self._folder.path).as_posix()] = patiently(path.read_bytes)
        return changed


def keep_job() -> None:
    """Keep the job of this task for as long as the task is wanted.

    Raises:
        OSError: the folder of the job cannot be made.
    """
    logging.getLogger("distributed.worker").addFilter(_is_no_question)
    worker = get_worker()
    key = worker.get_current_task()
    store = ModelStore(Path(worker.local_directory) / "clstm-segment-models")
    with OwnFolder(FOLDER_PREFIX, Path(tempfile.gettempdir())) as folder:
        job = _jobs[key] = RemoteJob(folder, store)
        try:
            while _is_wanted(worker, key):
                time.sleep(LOOK_S)
        finally:
            del _jobs[key]
            job.end()


async def ask_job(key: str, method: str, *arguments: object) -> tuple[object, str | None] | None:
    """Call a method of a job.

    Args:
        key: key of its task.
        method: name of the method of `RemoteJob`.
        arguments: its arguments.

    Returns:
        What it returned, and the event of its failure as a line, None for none; None where there is no such job.
    """
    job = _jobs.get(key)
    if job is None:
        return None
    try:
        return await asyncio.to_thread(getattr(job, method), *arguments), None
    except Exception as error:  # noqa: BLE001  Dask would log the arguments, which may be images
        return None, event_to_line(Failed.from_error(error))


def _is_wanted(worker: Worker, key: str) -> bool:
    task = worker.state.tasks.get(key)
    ending = worker.status in (Status.closing, Status.closed, Status.failed)
    return not ending and task is not None and task.state == "executing"


def _is_no_question(record: logging.LogRecord) -> bool:
    """Return whether a line belongs into the log of the Dask worker, as the many calls of `ask_job` do not."""
    return ask_job.__name__ not in map(str, record.args or ())
