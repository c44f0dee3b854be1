"""Fixtures of the worker tests: a run in a real worker process."""

from types import SimpleNamespace

import pytest
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.worker_process import RELAY, SEGMENT, WorkerProcess
from host.launcher import write_launcher

from worker.remote_cluster import remote


@pytest.fixture
def python(tmp_path_factory):
    """The interpreter of the workers: a launcher, as in Slicer."""
    return write_launcher(tmp_path_factory.mktemp("launcher"))


@pytest.fixture
def startRun(bundle, phantom, python, tmp_path):
    """Start a run on the phantom's frames of which some have arrived, here or on a cluster, and end it after the test.

    Returns its folder and its worker.
    """
    runs = []

    def begin(arrived=range(6), index_values=None, scheduler=None, **settings):
        values = [frame.index_value for frame in phantom[0]] if index_values is None else index_values
        folder = JobFolder.make(RunSettings(**{"model": str(bundle), "device": "cpu"} | settings), values, tmp_path)
        module, arguments = (SEGMENT, ()) if scheduler is None else (RELAY, (SEGMENT, scheduler.to_json()))
        run = SimpleNamespace(folder=folder, worker=WorkerProcess(module, folder, arguments, python=python))
        runs.append(run)
        for number in arrived:
            folder.write_frame(number, phantom[0][number].image)
        run.worker.start()
        return run

    yield begin
    for run in runs:
        run.worker.end()
        run.folder.remove()
    assert not list(tmp_path.glob("CLSTMSegment-*"))


@pytest.fixture(scope="module")
def sharedCluster(tmp_path_factory):
    """A Dask cluster with TLS, for all tests of a file that leave it as it was."""
    with remote(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(tmp_path):
    """A Dask cluster with TLS for one test."""
    (tmp_path / "cluster").mkdir()
    with remote(tmp_path / "cluster") as cluster:
        yield cluster
