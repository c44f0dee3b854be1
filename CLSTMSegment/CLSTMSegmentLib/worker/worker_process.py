"""Worker processes as their parent sees them: started, asked for events, ended; the parent never waits for them."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..core.errors import InputError
from .events import Done, Event, Failed
from .job_folder import WorkFolder

SEGMENT = "CLSTMSegmentLib.worker.segment_in_folder"
"""The module that does a run."""

TEACH = "CLSTMSegmentLib.worker.teach_in_folder"
"""The module that does a teaching job; its argument is the folder of models."""

PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that contains CLSTMSegmentLib."""


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
        """End the work at once, if it goes on."""


class MakeWorker(Protocol):
    """What makes a worker for a folder; `WorkerProcess` with an interpreter does."""

    def __call__(self, module: str, folder: WorkFolder, arguments: Sequence[str] = ()) -> Worker:
        """Return a worker that is not started yet; for the arguments see `WorkerProcess`."""


class WorkerProcess:
    """A worker in a process of its own.

    Args:
        module: the Python module to run, `SEGMENT` or `TEACH`; its first argument is the path of the folder.
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
        """Return the id of the process, after `start`."""
        return self._process.pid

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
        """Kill the process, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
        self._ended = True

    def _how_it_ended(self) -> str:
        status = self._process.returncode
        # the C library itself ends a process that has no memory left for a thread
        if status in (-9, 137) or "cannot allocate memory" in self._folder.log():
            return (
                "the worker was killed, most likely because the computer ran out of memory: close other programs, "
                "choose a smaller region or smaller tiles"
            )
        return f"the worker ended unexpectedly (exit status {status}): the log may say why"


def module_command(python: str, module: str, *arguments: str) -> list[str]:
    """Return the command that runs one of our modules in a process of its own.

    Nothing is imported from the current folder, and our own folder comes last, so that no file in it takes the place of
    a library. Python's isolated mode would be too much: PythonSlicer finds its libraries by environment variables.
    """
    start = "import runpy, sys; sys.path[:] = [*filter(None, sys.path), sys.argv.pop(1)]; "
    start += "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
    return [python, "-c", start, str(PACKAGE_FOLDER), module, *arguments]


def creation_flags() -> int:
    """Return the flags with which a process opens no console window, for `subprocess` on Windows."""
    return subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
