"""A Dask cluster with TLS in processes of its own, and what it has of jobs."""

from contextlib import contextmanager
from types import SimpleNamespace

import psutil
from CLSTMSegmentLib.worker.scheduler import Scheduler, TlsFiles
from pipeline.cohort_processes import dask_cluster, made_certificates, tls_options

from worker.waiting import wait

PATIENCE_S = 120


@contextmanager
def remote(folder, worker_options=(), workers=1):
    """Start a cluster with TLS: how to reach it, its processes, and the temporary folder of its worker."""
    temporary = folder / "temporary"
    temporary.mkdir()
    certificates = made_certificates(folder)
    environment = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    with dask_cluster(folder, workers, tls_options(certificates), worker_options, **environment) as (
        address,
        processes,
    ):
        scheduler = Scheduler(address, TlsFiles(*certificates))
        yield SimpleNamespace(scheduler=scheduler, processes=processes, temporary=temporary, folder=folder)


def job_processes(cluster):
    """Return the processes that do jobs on the cluster."""
    try:
        return psutil.Process(cluster.processes[1].pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def nothing_is_left(cluster):
    """Wait until the cluster has nothing more of any job."""

    def left():
        # PyTorch itself makes an empty folder
        return [path for path in cluster.temporary.iterdir() if not path.name.startswith("torchinductor")]

    wait(lambda: not left() and not job_processes(cluster), patience_s=PATIENCE_S, said=left)
