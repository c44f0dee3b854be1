"""Where runs and teaching jobs are done, here or by a Dask cluster: the same rules for the panel and the console."""

import logging
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError
from ..worker.scheduler import Scheduler, TlsFiles
from ..worker.work_folder import WorkFolder
from ..worker.worker_process import RELAY, MakeWorker, Worker, WorkerProcess
from .dependencies import TO_SEGMENT, TO_TEACH, TO_USE_A_CLUSTER, checkInstalled

CERTIFICATES = ("CertificateAuthority", "Certificate", "Key")
"""Names of the settings with the paths of the certificates, in the order of `TlsFiles`."""


def settingsKey(name: str) -> str:
    """Return the key of a setting among those that Slicer keeps on this computer."""
    return f"CLSTMSegment/{name}"


def keptCertificates() -> list[str]:
    """Return the paths of the certificates that the user has chosen in the panel; empty texts for none."""
    settings = slicer.app.userSettings()
    return [settings.value(settingsKey(name), "") for name in CERTIFICATES]


def schedulerAt(address: str, certificates: Sequence[str]) -> Scheduler | None:
    """Return the scheduler of a cluster to which images may be sent; None for this computer.

    Args:
        address: the address of the scheduler; empty for this computer.
        certificates: the paths of the authority, the certificate and the key; all of them empty for none.

    Raises:
        InputError: the address or a certificate cannot be used.
    """
    if not address:
        return None
    if any(certificates) and not all(certificates):
        raise InputError(_("Choose the authority, the certificate and the key of the cluster, or none of them."))
    scheduler = Scheduler(address, TlsFiles(*map(Path, certificates)) if all(certificates) else None)
    scheduler.check_for_images()
    return scheduler


def checkedScheduler(runOn: str | Scheduler | None, toTeach: bool) -> Scheduler | None:
    """Return the scheduler that a script wants, and log what `noticeOf` says; None for this computer.

    Args:
        runOn: its address, with the certificates that are chosen in the panel; or a scheduler with its own.
        toTeach: whether a teaching job is to be done, and not a run.

    Raises:
        InputError: see `schedulerAt`; or a package is missing that this computer needs.
    """
    if isinstance(runOn, Scheduler):
        scheduler = runOn
        scheduler.check_for_images()
    else:
        scheduler = schedulerAt((runOn or "").strip(), keptCertificates())
    here = TO_TEACH if toTeach else TO_SEGMENT
    checkInstalled(here if scheduler is None else TO_USE_A_CLUSTER)
    if scheduler is not None:
        logging.log(logging.INFO if scheduler.warning is None else logging.WARNING, noticeOf(scheduler))
    return scheduler


def noticeOf(scheduler: Scheduler) -> str:
    """Return what a user must know whose images are sent to a scheduler."""
    text = _("The images and the annotations leave this computer: they are sent to {address}.")
    warning = f" {scheduler.warning}." if scheduler.warning is not None else ""
    return text.format(address=scheduler.address) + warning


def pythonOfWorkers() -> str:
    """Return the interpreter of the worker processes: Slicer's, or outside of it the one that runs this."""
    return shutil.which("PythonSlicer") or sys.executable


def makeLocalWorker() -> MakeWorker:
    """Return what makes the workers of a script on this computer."""
    return partial(WorkerProcess, python=pythonOfWorkers())


def makeWorkerAt(scheduler: Scheduler | None, makeLocalWorker: MakeWorker) -> MakeWorker:
    """Return what makes workers that let a scheduler's cluster do the work; None for this computer."""
    if scheduler is None:
        return makeLocalWorker

    def make(module: str, folder: WorkFolder, arguments: Sequence[str] = ()) -> Worker:
        return makeLocalWorker(RELAY, folder, (module, scheduler.to_json(), *arguments))

    return make
