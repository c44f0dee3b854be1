"""A teaching job on a Dask cluster with TLS: as on this computer, whatever ends it."""

import json
import shutil
from types import SimpleNamespace

import psutil
import pytest
from CLSTMSegmentLib.core.progress import TeachingProgress
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.teaching.teaching_folders import preview_path, teaching_folder
from CLSTMSegmentLib.teaching.teaching_settings import TeachingSettings
from CLSTMSegmentLib.teaching.training_set import write_training_set
from CLSTMSegmentLib.worker.events import Done, Failed
from CLSTMSegmentLib.worker.work_folder import PAUSE, RUN, STOP, WorkFolder
from CLSTMSegmentLib.worker.worker_process import RELAY, TEACH, WorkerProcess
from hook_phantom import SMALL, hook_sequence

from worker.remote_cluster import PATIENCE_S, job_processes, nothing_is_left
from worker.waiting import events_of, events_until, wait

ANNOTATED = (0, 4)
"""Too few frames to hold one out: a teaching job is then one training, and short."""


@pytest.fixture
def job(bundle, python, tmp_path):
    """The folder of a teaching job, and a way to start it on a cluster; what runs is ended after the test."""
    frames, truth = hook_sequence(3, 6, *SMALL)
    models, workers = tmp_path / "models", []
    folder = teaching_folder(models, "Hook")

    def start(cluster, minutes=0.05, steps=None):
        if not folder.exists():
            settings = TeachingSettings(
                "Hook", (Segment("hook", "Hook", (1.0, 0.0, 0.0)),), str(bundle), minutes, "cpu"
            )
            write_training_set(folder, settings, [(frames, {n: truth[n] for n in ANNOTATED})])
            if steps is not None:  # so that they do not depend on how fast a trial step is
                (folder / "plan.json").write_text(json.dumps({"model": steps}), encoding="utf-8")
        arguments = (TEACH, cluster.scheduler.to_json(), str(models))
        workers.append(WorkerProcess(RELAY, WorkFolder(folder), arguments, python=python))
        workers[-1].start()
        return workers[-1]

    yield SimpleNamespace(folder=folder, models=models, start=start)
    for worker in workers:
        worker.end()


def test_model_is_taught_on_the_cluster_and_comes_back(sharedCluster, job, bundle):
    worker = job.start(sharedCluster)

    events = events_until(worker, Done, Failed)

    assert events[-1] == Done(model_folder=str(job.models / "Hook")), events[-1]
    assert events_of(TeachingProgress, events)
    assert preview_path(job.folder).stat().st_size > 0
    model = load_model(job.models / "Hook")
    assert [segment.name for segment in model.segments] == ["Hook"]
    assert model.build_network() is not None
    assert "Small" in str(model.training)  # the model that it began with
    assert str(bundle) in (job.folder / "training-set.json").read_text(encoding="utf-8")
    assert sorted(path.name for path in job.models.iterdir()) == [".Hook.teaching", "Hook"]
    nothing_is_left(sharedCluster)


@pytest.mark.slow
def test_job_on_the_cluster_is_paused_resumed_and_stopped(sharedCluster, job):
    worker, folder = job.start(sharedCluster, minutes=20), WorkFolder(job.folder)
    events_until(worker, TeachingProgress)

    folder.control(PAUSE)
    wait(lambda: not worker.poll(), pause_s=1)  # where it goes on, a step takes milliseconds
    folder.control(RUN)
    events_until(worker, TeachingProgress)
    folder.control(STOP)
    events = events_until(worker, Done, Failed)

    assert isinstance(events[-1], Done), events[-1]
    assert load_model(job.models / "Hook").training["ended_early"] == "stopped by the user"
    nothing_is_left(sharedCluster)


@pytest.mark.slow
def test_job_whose_worker_was_killed_leaves_nothing_there_and_is_resumed(cluster, sharedCluster, job):
    worker = job.start(cluster, steps=150)
    wait(lambda: list(job.folder.glob("*/checkpoint.pt")) or not worker.running, patience_s=PATIENCE_S)
    processes = job_processes(cluster)

    cluster.processes[1].kill()
    failure = events_until(worker, Failed)[-1]
    assert "worker" in failure.message
    assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []
    nothing_is_left(cluster)
    worker = job.start(sharedCluster)
    first = events_of(TeachingProgress, events_until(worker, TeachingProgress))[0]
    WorkFolder(job.folder).control(STOP)
    events = events_until(worker, Done, Failed)

    assert first.step > 1  # it goes on where it was
    assert isinstance(events[-1], Done), events[-1]
    nothing_is_left(sharedCluster)


def test_job_on_the_cluster_ends_when_the_panel_does(sharedCluster, job):
    worker = job.start(sharedCluster, minutes=20)
    events_until(worker, TeachingProgress)

    worker.end()

    nothing_is_left(sharedCluster)
    assert (job.folder / "training-set.json").exists()


@pytest.mark.slow
def test_name_that_is_taken_meanwhile_is_told(sharedCluster, job, bundle):
    worker = job.start(sharedCluster, minutes=20)
    events_until(worker, TeachingProgress)
    shutil.copytree(bundle, job.models / "Hook")

    WorkFolder(job.folder).control(STOP)
    failure = events_until(worker, Failed)[-1]
    again = events_until(job.start(sharedCluster), Failed)[-1]

    assert "Hook is a folder that exists already" in failure.message
    assert "then resume the teaching job" in failure.message
    assert "there is a model 'Hook'" in again.message
    assert (job.models / "Hook" / "model.json").read_bytes() == (bundle / "model.json").read_bytes()
