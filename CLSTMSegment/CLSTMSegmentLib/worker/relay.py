"""A worker process that lets a Dask worker do its work: `... .worker.relay FOLDER MODULE SCHEDULER [MODELS]`.

It sends what comes into the folder, and brings events and results back into it, so that the parent process sees no
difference from a worker on this computer. It needs no torch. When it ends, in whatever way, the Dask worker stops too.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from .. import __version__
from ..core.atomic_write import replacing, write_bytes
from ..core.errors import InputError, RunFailed, StorageError
from ..engine.settings import RunSettings
from ..model.model_files import BUNDLE, ModelFiles
from ..teaching.teaching_folders import check_new_model
from ..teaching.training_set import TrainingSet
from .events import Done, Failed, Note, event_from_line
from .parent_process import work_for_parent
from .scheduler import Scheduler, connected
from .work_folder import RUN, WorkFolder
from .worker_process import SEGMENT

if TYPE_CHECKING:
    from distributed import Client, Future

POLL_S = 0.1
"""Seconds between two questions for news."""

PATIENCE_S = 10
"""Seconds within which a scheduler or worker that was there must answer."""

LOST = "the Dask scheduler or its worker cannot be reached any more: see whether they run, and start again"

_MODEL = re.compile(rf"models/[^/\\]+/({'|'.join(map(re.escape, BUNDLE))})")
_RESULT = re.compile(r"results/\d+\.nrrd|preview\.png|plan\.json|[\w-]+/[\w-]+\.pt")


class ClusterJob:
    """A job on a cluster.

    Args:
        client: the client of its scheduler.
    """

    def __init__(self, client: Client):
        self._client = client
        self._key = f"clstm-segment-{uuid.uuid4()}"
        self._future: Future | None = None
        self._worker: str | None = None

    def wait_for_worker(self, waiting: Callable[[], None]) -> None:
        """Wait until a worker has begun; call `waiting` once if that takes more than a few seconds.

        Raises:
            InputError: a worker does not have this version of this package.
            RunFailed: the cluster is lost.
        """
        told, began = False, time.monotonic()
        while not self._has_begun():
            time.sleep(POLL_S)
            if not told and time.monotonic() > began + 3:
                told = True
                waiting()

    def ask(self, method: str, *arguments: object) -> object:
        """Return what a method of `remote_job.RemoteJob` returns.

        Raises:
            RunFailed: it failed, or the worker is lost.
        """
        answer = self._answer(method, *arguments) if self._place() == self._worker else None
        if answer is None:
            raise RunFailed(
                "the worker of the cluster was lost: it was stopped, or killed, most likely because its computer ran "
                "out of memory. Start again"
            )
        value, failure = answer
        if failure is not None:
            failed = event_from_line(failure.encode())
            print(failed.details)  # into the log
            raise RunFailed(f"the worker of the cluster failed: {failed.message}")
        return value

    def _has_begun(self) -> bool:
        from .remote_job import keep_job  # with Dask

        if self._future is None:
            if not self._has_workers():
                return False
            with _until_lost():
                self._future = self._client.submit(keep_job, key=self._key, pure=False)
        if self._future.status == "error":
            error = self._future.exception()
            raise RunFailed(
                f"the cluster cannot begin ({error}): see whether its scheduler and its workers have version "
                f"{__version__} of CLSTMSegment, and room in their temporary folders"
            )
        self._worker = None  # until it begins, the scheduler may choose another one
        self._worker = self._place()
        if self._worker is None or self._answer("is_ready") is None:
            return False
        return self._has_workers([self._worker])  # it may have joined after the others were asked

    def _has_workers(self, workers: list[str] | None = None) -> bool:
        """Return whether the cluster has workers; raise an InputError if they have another version of this package.

        Args:
            workers: the addresses of those that are asked; None for all.
        """
        with _until_lost():
            versions = self._client.run(resolve_name, "CLSTMSegmentLib:__version__", workers=workers, on_error="return")
        for worker, version in versions.items():
            if version != __version__ and not isinstance(version, OSError):  # as of a worker that has just ended
                has = f"version {version}" if isinstance(version, str) else f"none ({version})"
                raise InputError(
                    f"this computer has version {__version__} of CLSTMSegment, and the worker {worker} of the cluster "
                    f"has {has}: install the same version on both"
                )
        return bool(versions)

    def _place(self) -> str | None:
        """Return the address of the worker that does the task, or will; None where there is none."""
        known = None if self._worker is None else [self._worker]
        with _until_lost():
            if self._client.status != "running":  # to call the scheduler now would be to wait for it
                raise CancelledError
            with suppress(KeyError):  # as of a worker that has ended
                processing = self._client.processing(known)
                return next((worker for worker, keys in processing.items() if self._key in keys), None)
        return None

    def _answer(self, method: str, *arguments: object) -> tuple[object, str | None] | None:
        from .remote_job import ask_job

        with _until_lost():
            return self._client.run(ask_job, self._key, method, *arguments, workers=[self._worker])[self._worker]


@contextmanager
def _until_lost() -> Iterator[None]:
    """Turn an error of the connection in the block into a RunFailed."""
    try:
        yield
    except (OSError, CancelledError, asyncio.TimeoutError) as error:  # Python 3.10 has two kinds of TimeoutError
        raise RunFailed(LOST) from error


class Relay:
    """What goes to the cluster and comes back.

    Args:
        folder: the folder of the job on this computer.
        module: the module that does the work.
        models: the folder of models, for a teaching job.

    Raises:
        InputError: the training set cannot be used, or there is a model of this name.
    """

    def __init__(self, folder: WorkFolder, module: str, models: Path | None):
        self._folder, self._module = folder, module
        self._settings = folder.path / ("settings.json" if module == SEGMENT else "training-set.json")
        self._new_model = None
        if models is not None:
            self._new_model = check_new_model(models, TrainingSet.read(folder.path).settings.name)
        self._handled: set[Path] = set()
        self._command = RUN

    def run(self, scheduler: Scheduler) -> None:
        """Have the work done.

        Raises:
            InputError, RunFailed, OSError: it could not be done.
        """
        import dask

        dask.config.set({"distributed.comm.timeouts.connect": PATIENCE_S})
        with connected(scheduler) as client:
            job = ClusterJob(client)
            self._folder.append(Note(f"runs at {scheduler.address}"))
            job.wait_for_worker(lambda: self._folder.append(Note("waiting for a free worker of the cluster")))
            self._send_settings(job)
            for path in self._new_files():
                # a run begins before its frames are there
                if self._module != SEGMENT or path.parent == self._folder.path:
                    self._send(job, path)
            job.ask("start", self._module)
            while not self._take_news(job):
                self._send_command(job)
                new = self._new_files()
                if new:
                    self._send(job, new[0])
                else:
                    time.sleep(POLL_S)

    def _send_settings(self, job: ClusterJob) -> None:
        """Send the settings, with the model as the cluster has it."""
        text = self._settings.read_text(encoding="utf-8")
        if self._module == SEGMENT:
            settings = RunSettings.from_json(text)
            text = replace(settings, model=_sent_model(job, settings.model)).to_json()
        else:
            content = json.loads(text)
            if content["settings"]["initial"] is not None:
                content["settings"]["initial"] = _sent_model(job, content["settings"]["initial"])
                text = json.dumps(content)
        job.ask("take_file", self._settings.name, text.encode())
        self._handled.add(self._settings)

    def _new_files(self) -> list[Path]:
        """Return the files that have come into the folder, and are not sent yet."""
        return [path for path in self._folder.files_of_the_work() if path not in self._handled]

    def _send(self, job: ClusterJob, path: Path) -> None:
        job.ask("take_file", path.relative_to(self._folder.path).as_posix(), path.read_bytes())
        self._handled.add(path)

    def _send_command(self, job: ClusterJob) -> None:
        command = self._folder.command()
        if command != self._command:
            job.ask("control", command)
            self._command = command

    def _take_news(self, job: ClusterJob) -> bool:
        """Take events and results, and return whether the job has ended."""
        for line, files in job.ask("news"):
            event = event_from_line(line.encode())
            self._take_results(files)
            if isinstance(event, Done) and self._new_model is not None:
                self._take_model(files)
                event = Done(model_folder=str(self._new_model))
            self._folder.append(event)
            if isinstance(event, (Done, Failed)):
                return True
        return False

    def _take_results(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            if _RESULT.fullmatch(name):  # a cluster cannot write to any other place
                path = self._folder.path / name
                path.parent.mkdir(exist_ok=True)
                write_bytes(path, content)
                self._handled.add(path)

    def _take_model(self, files: dict[str, bytes]) -> None:
        """Write the new model."""
        content = {PurePosixPath(path).name: data for path, data in files.items() if _MODEL.fullmatch(path)}
        if sorted(content) != sorted(BUNDLE):
            raise RunFailed("the cluster did not send the model that it made: start again")
        try:
            self._new_model.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._new_model) as partial:
                ModelFiles(content).write(partial)
        except (OSError, InputError) as error:  # a folder of this name may have come meanwhile
            raise StorageError(
                f"the model cannot be written to {self._new_model} ({error}): make room there, then resume the "
                f"teaching job in {self._folder.path}, where the last result that was sent is kept"
            ) from error


def _sent_model(job: ClusterJob, source: str) -> str:
    """Return the source of a model on the cluster, to which it is sent unless it is there already."""
    files = ModelFiles.read(source)
    return job.ask("find_model", files.digest) or job.ask("take_model", files.digest, files.content)


def main(path: Path, module: str, scheduler: Scheduler, models: Path | None) -> int:
    """Have a job done by a cluster, and return the exit status."""
    folder = WorkFolder(path)
    clean_up = folder.remove if module == SEGMENT else lambda: None  # a teaching job can be resumed
    return work_for_parent(folder, lambda: Relay(folder, module, models).run(scheduler), clean_up)


if __name__ == "__main__":
    _, folder, module, scheduler, *models = sys.argv
    sys.exit(main(Path(folder), module, Scheduler.from_json(scheduler), Path(models[0]) if models else None))
