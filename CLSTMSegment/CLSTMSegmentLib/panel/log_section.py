"""The log of the runs: shown, copied, and saved with what else a developer needs to understand a problem."""

import importlib.metadata
import os
import platform
import zipfile
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..core.atomic_write import replacing
from .background_run import BackgroundRun
from .reported_slots import reporting

PACKAGES = ("torch", "monai", "safetensors", "numpy", "SimpleITK")


class LogSection:
    """Everything behind the widgets of the Log section.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui: object):
        self._ui = ui
        self._texts: dict[str, str] = {}
        ui.copyLogButton.connect("clicked()", reporting(ui.statusLabel, self._onCopy))
        ui.saveReportButton.connect("clicked()", reporting(ui.statusLabel, self._onSaveReport))

    def show(self, run: BackgroundRun) -> None:
        """Show the log of a run, and keep the text files of a run that has ended."""
        log = "\n".join(run.log)
        if self._ui.logText.plainText != log:
            self._ui.logText.plainText = log
        self._texts = run.texts

    def _onCopy(self) -> None:
        slicer.app.clipboard().setText(self._ui.logText.plainText)

    def _onSaveReport(self) -> None:
        path = qt.QFileDialog.getSaveFileName(
            self._ui.saveReportButton, _("Save a report"), "clstm-segment-report.zip", "ZIP (*.zip)"
        )
        if not path:
            return
        texts = {"system.txt": systemInformation(), "log.txt": self._ui.logText.plainText} | self._texts
        with replacing(Path(path)) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
        self._ui.statusLabel.text = _(
            "The report is saved. It holds no image; its settings hold the path of the model."
        )


def systemInformation() -> str:
    """Return the versions of Slicer, of the system and of the packages that a run uses, a line each."""
    lines = [
        f"Slicer {slicer.app.applicationVersion}",
        f"system {platform.platform()}, {platform.machine()}, {os.cpu_count()} cores",
        f"Python {platform.python_version()}",
        *(f"{name} {_version(name)}" for name in PACKAGES),
    ]
    return "\n".join(lines) + "\n"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
