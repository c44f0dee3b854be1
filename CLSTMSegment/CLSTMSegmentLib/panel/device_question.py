"""The question which devices this computer has, answered in the background."""

import json
import subprocess
from collections.abc import Callable

import qt

from ..worker.worker_process import PACKAGE_FOLDER, creation_flags, module_command

POLL_MS = 200


class DeviceQuestion:
    """Asks a process of its own for the devices.

    Args:
        python: the interpreter of that process.
        answered: called once with [name, text] pairs; not called where torch is not installed yet.
    """

    def __init__(self, python: str, answered: Callable[[list[list[str]]], None]):
        self._answered = answered
        self._process = subprocess.Popen(  # noqa: S603  our own module, by the interpreter that runs Slicer
            module_command(python, "CLSTMSegmentLib.worker.list_devices"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PACKAGE_FOLDER,
            creationflags=creation_flags(),
        )
        self._timer = qt.QTimer()
        self._timer.interval = POLL_MS
        self._timer.connect("timeout()", self._look)
        self._timer.start()

    def _look(self) -> None:
        if self._process.poll() is None:
            return
        self._timer.stop()
        answer = self._process.stdout.read()
        self.close()
        if answer:
            self._answered(json.loads(answer))

    def close(self) -> None:
        """End the process; `answered` is not called any more."""
        self._timer.stop()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
