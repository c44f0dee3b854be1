"""Where the panel's runs and teaching jobs are done: on this computer, or by a Dask cluster.

The settings are those of this computer and not of the scene, so that Slicer keeps them among its own.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError
from ..worker.scheduler import Scheduler, TlsFiles
from ..worker.work_folder import WorkFolder
from ..worker.worker_process import RELAY, SEGMENT, TEACH, MakeWorker, Worker
from .dependencies import TO_USE_A_CLUSTER, Need, PackageInstaller

REMOTE_MODULES = (SEGMENT, TEACH)
"""What a cluster can do; everything else is done on this computer."""


class RemoteSection:
    """The widgets *Run on* and those of the certificates.

    Args:
        ui: the panel's widgets.
        makeLocalWorker: what makes a worker on this computer.
        installer: installs what an action needs.
        changed: called when the user has changed where to run.
    """

    def __init__(
        self, ui: object, makeLocalWorker: MakeWorker, installer: PackageInstaller, changed: Callable[[], None]
    ):
        self._ui = ui
        self._makeLocalWorker = makeLocalWorker
        self._installer = installer
        self._changed = changed
        self._paths = {
            "CertificateAuthority": ui.authorityPathLineEdit,
            "Certificate": ui.certificatePathLineEdit,
            "Key": ui.keyPathLineEdit,
        }
        settings = slicer.app.userSettings()
        ui.runOnLineEdit.text = settings.value(_key("RunOn"), "")
        for name, widget in self._paths.items():
            widget.currentPath = settings.value(_key(name), "")
            widget.connect("currentPathChanged(QString)", self._onChanged)
        ui.runOnLineEdit.connect("textChanged(QString)", self._onChanged)
        self._show()

    def scheduler(self) -> Scheduler | None:
        """Return the scheduler of the cluster; None for this computer.

        Raises:
            InputError: its address or a certificate cannot be used.
        """
        address = self._ui.runOnLineEdit.text.strip()
        if not address:
            return None
        paths = [widget.currentPath for widget in self._paths.values()]
        if any(paths) and not all(paths):
            raise InputError(_("Choose the authority, the certificate and the key of the cluster, or none of them."))
        scheduler = Scheduler(address, TlsFiles(*map(Path, paths)) if all(paths) else None)
        scheduler.check_for_images()
        return scheduler

    def makeWorker(self, module: str, folder: WorkFolder, arguments: Sequence[str] = ()) -> Worker:
        """Return a worker that works where the user wants; see `worker.worker_process.MakeWorker`.

        Raises:
            InputError: see `scheduler`.
        """
        scheduler = self.scheduler() if module in REMOTE_MODULES else None
        if scheduler is None:
            return self._makeLocalWorker(module, folder, arguments)
        return self._makeLocalWorker(RELAY, folder, (module, scheduler.to_json(), *arguments))

    def ensure(self, need: Need, tell: Callable[[str], None]) -> bool:
        """Install what this computer needs for an action of `REMOTE_MODULES`; see `PackageInstaller.ensure`.

        Raises:
            InputError: see `scheduler`.
        """
        return self._installer.ensure(need if self.scheduler() is None else TO_USE_A_CLUSTER, tell)

    def _onChanged(self, _text: str) -> None:
        settings = slicer.app.userSettings()
        settings.setValue(_key("RunOn"), self._ui.runOnLineEdit.text.strip())
        for name, widget in self._paths.items():
            settings.setValue(_key(name), widget.currentPath)
        self._show()
        self._changed()

    def _show(self) -> None:
        ui, address = self._ui, self._ui.runOnLineEdit.text.strip()
        ui.runOnLabel.visible = ui.certificatesWidget.visible = bool(address)
        text = _("The images and the annotations leave this computer: they are sent to {address}.")
        warning = Scheduler(address).warning
        ui.runOnLabel.text = text.format(address=address) + (f" {warning}." if warning is not None else "")


def _key(name: str) -> str:
    return f"CLSTMSegment/{name}"
