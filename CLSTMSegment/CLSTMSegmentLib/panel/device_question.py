"""The question which devices this computer has, answered in the background, and the list that shows the answer."""

import json
import subprocess
from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ..worker.worker_process import PACKAGE_FOLDER, creation_flags, module_command
from .repeating_timer import RepeatingTimer

POLL_MS = 200


class DeviceQuestion:
    """Asks a process of its own for the devices, and lists them.

    Args:
        box: the list; its first two entries are those that every computer has, and stay until there is an answer.
        python: the interpreter of the process.
        answered: called when the list has changed.
    """

    def __init__(self, box: qt.QComboBox, python: str, answered: Callable[[], None]):
        self._box = box
        self._python = python
        self._answered = answered
        self._process: subprocess.Popen | None = None
        self._timer = RepeatingTimer(POLL_MS, self._look)
        box.addItem(_("Automatic"), "auto")
        box.addItem(_("CPU"), "cpu")

    def ask(self) -> None:
        """Ask, or ask again; where torch is not installed yet, there is no answer.

        Raises:
            OSError: the process cannot be started.
        """
        self.close()
        self._process = subprocess.Popen(  # noqa: S603  our own module, by the interpreter that runs Slicer
            module_command(self._python, "CLSTMSegmentLib.worker.list_devices"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PACKAGE_FOLDER,
            creationflags=creation_flags(),
        )
        self._timer.start()

    def _look(self) -> None:
        if self._process.poll() is None:
            return
        answer = self._process.stdout.read()
        self.close()
        if answer:
            self._show(json.loads(answer))

    def _show(self, devices: list[list[str]]) -> None:
        wasBlocked = self._box.blockSignals(True)
        while self._box.count > 1:
            self._box.removeItem(self._box.count - 1)
        for name, text in devices:
            self._box.addItem(text, name)
        self._box.blockSignals(wasBlocked)
        self._answered()

    def close(self) -> None:
        """End the process, if there is one."""
        self._timer.stop()
        if self._process is not None:
            self._process.stdin.close()  # behind a launcher, the process ends by this alone
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
