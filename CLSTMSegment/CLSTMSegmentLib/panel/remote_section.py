"""Where the panel's runs and teaching jobs are done: on this computer, or by a Dask cluster.

The settings are those of this computer and not of the scene, so that Slicer keeps them among its own.
"""

from collections.abc import Callable, Sequence

import slicer

from ..worker.scheduler import Scheduler
from ..worker.work_folder import WorkFolder
from ..worker.worker_process import SEGMENT, TEACH, MakeWorker, Worker
from .dependencies import TO_USE_A_CLUSTER, Need, PackageInstaller
from .run_on import CERTIFICATES, keptCertificates, makeWorkerAt, noticeOf, schedulerAt, settingsKey

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
        widgets = (ui.authorityPathLineEdit, ui.certificatePathLineEdit, ui.keyPathLineEdit)
        self._paths = dict(zip(CERTIFICATES, widgets, strict=True))
        ui.runOnLineEdit.text = slicer.app.userSettings().value(settingsKey("RunOn"), "")
        for widget, path in zip(widgets, keptCertificates(), strict=True):
            widget.currentPath = path
            widget.connect("currentPathChanged(QString)", self._onChanged)
        ui.runOnLineEdit.connect("textChanged(QString)", self._onChanged)
        self._show()

    def scheduler(self) -> Scheduler | None:
        """Return the scheduler of the cluster; None for this computer.

        Raises:
            InputError: its address or a certificate cannot be used.
        """
        paths = [widget.currentPath for widget in self._paths.values()]
        return schedulerAt(self._ui.runOnLineEdit.text.strip(), paths)

    def makeWorker(self, module: str, folder: WorkFolder, arguments: Sequence[str] = ()) -> Worker:
        """Return a worker that works where the user wants; see `worker.worker_process.MakeWorker`.

        Raises:
            InputError: see `scheduler`.
        """
        scheduler = self.scheduler() if module in REMOTE_MODULES else None
        return makeWorkerAt(scheduler, self._makeLocalWorker)(module, folder, arguments)

    def ensure(self, need: Need, tell: Callable[[str], None]) -> bool:
        """Install what this computer needs for an action of `REMOTE_MODULES`; see `PackageInstaller.ensure`.

        Raises:
            InputError: see `scheduler`.
        """
        return self._installer.ensure(need if self.scheduler() is None else TO_USE_A_CLUSTER, tell)

    def _onChanged(self, _text: str) -> None:
        settings = slicer.app.userSettings()
        settings.setValue(settingsKey("RunOn"), self._ui.runOnLineEdit.text.strip())
        for name, widget in self._paths.items():
            settings.setValue(settingsKey(name), widget.currentPath)
        self._show()
        self._changed()

    def _show(self) -> None:
        ui, address = self._ui, self._ui.runOnLineEdit.text.strip()
        ui.runOnLabel.visible = ui.certificatesWidget.visible = bool(address)
        ui.runOnLabel.text = noticeOf(Scheduler(address))
