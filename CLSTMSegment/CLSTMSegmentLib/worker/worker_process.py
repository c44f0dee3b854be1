"""Starts worker processes, follows their events, ends them; never waits for them."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError
from ..io.image_files import read_image, write_image
from .events import EventReader
from .job_folder import Job, frame_path, result_path

PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
"""Where CLSTMSegmentLib lies."""


def without_console() -> int:
    """Creation flags of a process that opens no console window beside Slicer's, on Windows."""
    return subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0


FOLDER_PREFIX = "CLSTMSegment-"
"""Of job folders; the number of the process that made them follows."""


def remove_orphans(parent: Path) -> None:
    """Remove job folders that were left behind when their process and its worker were killed together."""
    for path in parent.glob(f"{FOLDER_PREFIX}*-*"):
        process = path.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if process.isdecimal() and not _is_running(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(process: int) -> bool:
    if sys.platform == "win32":
        # os.kill would end it there
        synchronize = 0x00100000
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, process)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # another user's
    return True


LOG = "worker.log"
"""In a worker's folder: what else it prints."""


class WorkerProcess:
    """A worker that works in a folder, and what it says.

    Args:
        module: of the worker, which takes the folder as its argument.
        python: its interpreter (in Slicer PythonSlicer).
        arguments: more of them.
    """

    def __init__(self, module: str, folder: Path, python: str = sys.executable, arguments: tuple[str, ...] = ()):
        self.folder = folder
        self._command = [python, "-m", module, str(folder), *arguments]
        self._process: subprocess.Popen | None = None
        self._reader = EventReader(folder)
        self._ended = False

    def start(self) -> None:
        """Start the worker process."""
        with (self.folder / LOG).open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own module, by the interpreter that runs Slicer
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PACKAGE_FOLDER,
                creationflags=without_console(),
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def poll(self) -> list[dict]:
        """What has happened since the last call, oldest first.

        The last event is "done" or "failed"; a worker that ends without saying so (killed, crashed)
        has failed, too, and its message says how it ended.
        """
        if self._ended:
            return []
        ended = self._process is not None and self._process.poll() is not None
        try:
            events = self._reader.read()  # after asking whether it has ended: so nothing is missed
        except InputError as error:
            events = [{"event": "failed", "message": str(error), "details": self.log()}]
        self._ended = any(event["event"] in ("done", "failed") for event in events)
        if ended and not self._ended:
            self._ended = True
            events.append({"event": "failed", "message": self._how_it_ended(), "details": self.log()})
        return events

    def log(self) -> str:
        """What the worker printed."""
        try:
            return (self.folder / LOG).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def end(self) -> None:
        """End the worker at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process = None
        self._ended = True

    def _how_it_ended(self) -> str:
        status = self._process.returncode
        if status in (-9, 137):
            return (
                "the worker was killed, most likely because the computer ran out of memory: close other programs, "
                "choose a smaller region or smaller tiles"
            )
        return f"the worker ended unexpectedly (exit status {status}): the log may tell why"


class JobRunner(WorkerProcess):
    """One job in one worker process.

    The caller puts the input frames with `put_frame`, calls `poll` now and then, and in the end
    `close`, which ends the worker if it still runs and removes the job folder.

    Args:
        job: what to do.
        python: the interpreter of the worker.
        folder: where to make the job folder; the system's temporary folder by default.
    """

    def __init__(self, job: Job, python: str = sys.executable, folder: Path | None = None):
        self.job = job
        remove_orphans(Path(folder or tempfile.gettempdir()))
        made = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-", dir=folder))
        super().__init__("CLSTMSegmentLib.worker.segment_in_folder", made, python)
        job.write(made)

    def put_frame(self, number: int, image: sitk.Image) -> None:
        """Give the worker an input frame; before `start` or while it runs."""
        write_image(frame_path(self.folder, number), image)

    def result(self, number: int) -> sitk.Image:
        """The labels of a finished frame, uint8."""
        return read_image(result_path(self.folder, number))

    def close(self) -> None:
        """End the worker at once, if it runs, and remove the job folder."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)
