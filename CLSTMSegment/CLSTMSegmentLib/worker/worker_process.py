"""Worker processes as their parent sees them: started, asked for events, ended."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..core.errors import InputError, says_out_of_memory
from .events import Done, Event, Failed
from .process_ids import is_running, kill
from .work_folder import WorkFolder

SEGMENT = "CLSTMSegmentLib.worker.segment_in_folder"
"""The module that does a run."""

LIVE = "CLSTMSegmentLib.worker.segment_live"
"""The module that does a live segmentation."""

PROPAGATE = "CLSTMSegmentLib.worker.propagate_in_folder"
"""The module that does a propagation; its argument is `CYCLIC` where the first frame follows the last one."""

CYCLIC = "cyclic"

TEACH = "CLSTMSegmentLib.worker.teach_in_folder"
"""The module that does a teaching job; its argument is the folder of models."""

RELAY = "CLSTMSegmentLib.worker.relay"
"""The module that lets a Dask worker do the work; its arguments are the module that does it there, the scheduler as
JSON, and the arguments of that module."""

PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that contains CLSTMSegmentLib."""

LITTLE_SPACE = 100_000
"""With fewer bytes left on its disk, a worker may not be able to report why it ended."""

PATIENCE_S = 10.0
"""Seconds for which `end` waits for a worker that ends; one that has reported its process id ends at once."""


class Worker(Protocol):
    """Somebody who does the work that a folder describes, and reports events."""

    @property
    def running(self) -> bool:
        """Return whether the worker was started and has not ended."""

    @property
    def process_id(self) -> int:
        """Return the id of the worker's process, after `start`."""

    def start(self) -> None:
        """Start to work.

        Raises:
            OSError: it cannot be started.
        """

    def poll(self) -> list[Event]:
        """Return the events since the last call, oldest first, without waiting; the last of all is Done or Failed."""

    def end(self) -> None:
        """End the work, if it goes on, and return when its files are closed and its memory is free."""


class MakeWorker(Protocol):
    """What makes a worker for a folder; `WorkerProcess` with an interpreter does."""

    def __call__(self, module: str, folder: WorkFolder, arguments: Sequence[str] = ()) -> Worker:
        """Return a worker that is not started yet; for the arguments see `WorkerProcess`."""


class WorkerProcess:
    """A worker in a process of its own.

    The interpreter may be a launcher, which starts the worker as its child, does not hand signals on, and turns every
    crash of its child into exit status 1. PythonSlicer and the interpreters of virtual environments on Windows are.

    Args:
        module: the Python module to run, `SEGMENT`, `LIVE`, `PROPAGATE` or `TEACH`; its first argument is the path of
            the folder.
        folder: what to do, and where the worker writes events.
        arguments: further arguments of the module.
        python: the interpreter that runs it (in Slicer: PythonSlicer).
    """

    def __init__(self, module: str, folder: WorkFolder, arguments: Sequence[str] = (), python: str = sys.executable):
        self._folder = folder
        self._command = module_command(python, module, str(folder.path), *arguments)
        self._process: subprocess.Popen | None = None
        self._ended = False

    @property
    def running(self) -> bool:
        """Return whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """Return the id of the process that works, after `start`."""
        return self._folder.process_id() or self._process.pid

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: it cannot be started, or the log cannot be written.
        """
        self._folder.forget_earlier_worker()
        with self._folder.open_log() as log:
            self._process = subprocess.Popen(  # noqa: S603  our own module, by the interpreter that runs Slicer
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PACKAGE_FOLDER,
                creationflags=creation_flags(),
            )

    def poll(self) -> list[Event]:
        """Return the events since the last call, oldest first, without waiting.

        The last of all is Done or Failed. A process that ends without either, because it was killed or crashed, has
        failed too; then the message says how it ended.
        """
        if self._ended:
            return []
        # asked before the events are read, so that no event of a process that has ended is missed
        process_ended = self._process is not None and not self.running
        try:
            events = self._folder.new_events()
        except InputError as error:
            events = [Failed(str(error), self._folder.log())]
        self._ended = any(isinstance(event, (Done, Failed)) for event in events)
        if process_ended and not self._ended:
            self._ended = True
            events.append(Failed(self._how_it_ended(), self._folder.log()))
        return events

    def end(self) -> None:
        """End the process, if it runs, and wait until it has ended."""
        self._ended = True
        if self._process is None:
            return
        worker = self._folder.process_id()
        self._process.stdin.close()  # then the worker ends by itself, if it has not reported its id yet
        if worker is not None and self.running:
            kill(worker)
        deadline = time.monotonic() + PATIENCE_S
        while (self.running or (worker is not None and is_running(worker))) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._process.kill()
        self._process.wait()

    def _how_it_ended(self) -> str:
        status, log = self._process.returncode, self._folder.log()
        if shutil.disk_usage(self._folder.path).free < LITTLE_SPACE:
            return (
                f"the worker ended, and the disk is full on which {self._folder.path} is: remove files that you do not "
                "need, and start again"
            )
        crashed = any(sign in log for sign in ("Traceback", "Fatal Python error", "Windows fatal exception"))
        # what a launcher makes of a worker that was killed
        killed = status == 1 and self._folder.process_id() is not None and not crashed
        # the C library itself ends a process that has no memory left for a thread
        if killed or status in (-9, 137) or says_out_of_memory(log):
            return (
                "the worker was killed, most likely because the computer ran out of memory: close other programs, "
                "choose a smaller region or smaller tiles"
            )
        return f"the worker ended unexpectedly (exit status {status}): the log may say why"


def module_command(python: str, module: str, *arguments: str) -> list[str]:
    """Return the command that runs one of our modules in a process of its own; see `run_module`."""
    return [python, str(Path(__file__).with_name("run_module.py")), module, *arguments]


def creation_flags() -> int:
    """Return the flags with which a process opens no console window, for `subprocess` on Windows."""
    return subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
