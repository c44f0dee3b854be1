"""A run and a teaching job on a Dask cluster with TLS: as on this computer, whatever ends them."""

import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import psutil
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib import __version__
from CLSTMSegmentLib.core.progress import Progress
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import read_bundle
from CLSTMSegmentLib.worker.events import Done, Failed, FrameDone, Note, Started
from CLSTMSegmentLib.worker.scheduler import TlsFiles
from pipeline.cohort_processes import made_certificates

from worker.remote_cluster import PATIENCE_S, job_processes, nothing_is_left, remote
from worker.waiting import events_of, events_until, wait

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@pytest.fixture
def startRun(startRun):
    """Start a run on a cluster; see the fixture of this name in `conftest`."""
    return lambda cluster, **options: startRun(**{"scheduler": cluster.scheduler} | options)


def test_frames_equal_those_of_a_run_in_this_process(sharedCluster, startRun, bundle, phantom):
    run = startRun(sharedCluster)
    expected = Segmenter(read_bundle(bundle), RunSettings(device="cpu")).segment(phantom[0])

    events = events_until(run.worker, Done, Failed)

    assert isinstance(events[-1], Done), events[-1]
    assert Started("cpu") in events
    assert events[-1].report.device == "cpu"
    last = events_of(Progress, events)[-1]
    assert (last.frame, last.frames) == (6, 6)
    frames = events_of(FrameDone, events)
    assert [(f.number, f.index_value) for f in frames] == [(n, f.index_value) for n, f in enumerate(phantom[0])]
    for event, frame in zip(frames, expected, strict=True):
        found = run.folder.read_result(event)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found.labels), sitk.GetArrayFromImage(frame.labels))
        assert found.labels.GetOrigin() == pytest.approx(frame.labels.GetOrigin())
    nothing_is_left(sharedCluster)


def test_frames_that_arrive_later_are_sent_by_a_computer_without_torch(
    sharedCluster, startRun, phantom, tmp_path, monkeypatch
):
    (tmp_path / "torch.py").write_text("raise ImportError('there is no torch')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    run = startRun(sharedCluster, arrived=range(3), frames="2,5")
    events_until(run.worker, Started)

    for number in range(3, 6):
        run.folder.write_frame(number, phantom[0][number].image)

    events = events_until(run.worker, Done, Failed)
    assert isinstance(events[-1], Done), events[-1]
    assert [event.number for event in events_of(FrameDone, events)] == [2, 5]
    nothing_is_left(sharedCluster)


def stored_models(cluster):
    """Return the inode and the path of each file of a model that the worker has."""
    files = (cluster.folder / "worker 0").rglob("clstm-segment-models/*/*")
    return {(path.stat().st_ino, path) for path in files}


@pytest.mark.slow
def test_model_is_sent_once_and_again_if_it_was_damaged(sharedCluster, startRun, bundle, tmp_path):
    before = stored_models(sharedCluster)
    shutil.copytree(bundle, tmp_path / "copy")
    text = (bundle / "model.json").read_text(encoding="utf-8")
    (tmp_path / "copy" / "model.json").write_text(text + "\n", encoding="utf-8")

    def stored():
        run = startRun(sharedCluster, model=str(tmp_path / "copy"))
        events = events_until(run.worker, Done, Failed)
        assert isinstance(events[-1], Done), events[-1]
        return stored_models(sharedCluster) - before

    first = stored()
    again = stored()
    weights = next(path for _, path in first if path.suffix == ".safetensors")
    weights.write_bytes(b"damaged")
    repaired = stored()

    assert len(first) == 2
    assert again == first
    assert {path for _, path in repaired} == {path for _, path in first}
    assert weights.read_bytes() == (bundle / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_job_on_the_cluster_ends_with_the_run(how, sharedCluster, startRun):
    run = startRun(sharedCluster, arrived=range(3))  # it waits for the others
    events_until(run.worker, Started)
    assert job_processes(sharedCluster)

    if how == "cancelled":
        run.worker.end()
        assert run.worker.poll() == []
    else:
        os.kill(run.worker.process_id, KILL)
        events_until(run.worker, Failed)

    nothing_is_left(sharedCluster)


@pytest.mark.slow
def test_run_waits_for_a_worker_that_is_busy(sharedCluster, startRun):
    first = startRun(sharedCluster, arrived=range(3))
    events_until(first.worker, Started)
    second = startRun(sharedCluster)

    def told():
        return any("waiting for a free worker" in note.text for note in events_of(Note, second.worker.poll()))

    wait(told)
    assert not events_of(Started, second.worker.poll())
    first.worker.end()
    events = events_until(second.worker, Done, Failed)

    assert isinstance(events[-1], Done), events[-1]


def test_run_waits_for_a_worker_where_the_cluster_has_none(startRun, tmp_path):
    (tmp_path / "cluster").mkdir()

    with remote(tmp_path / "cluster", workers=0) as cluster:
        run = startRun(cluster)
        events_until(run.worker, Note)
        (note,) = events_until(run.worker, Note)

    assert note == Note("waiting for a free worker of the cluster")


def test_killed_job_on_the_cluster_is_a_failure_that_says_so(sharedCluster, startRun):
    run = startRun(sharedCluster, arrived=range(3))
    events_until(run.worker, Started)

    for process in job_processes(sharedCluster):
        process.kill()
    (failure,) = events_of(Failed, events_until(run.worker, Failed))

    assert "the worker was killed" in failure.message or "ended unexpectedly" in failure.message
    nothing_is_left(sharedCluster)


def test_bad_model_is_a_failure_with_the_message_of_the_engine(sharedCluster, startRun, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("{", encoding="utf-8")
    (tmp_path / "broken" / "weights.safetensors").write_bytes(b"")

    failure = events_until(startRun(sharedCluster, model=str(tmp_path / "broken")).worker, Failed)[-1]

    assert "is not valid JSON" in failure.message
    nothing_is_left(sharedCluster)


@pytest.mark.parametrize("how", [signal.SIGTERM, KILL], ids=["stopped", "killed"])
def test_worker_of_the_cluster_that_ends_is_a_failure_and_leaves_nothing(how, cluster, startRun):
    run = startRun(cluster, arrived=range(3))
    events_until(run.worker, Started)
    processes = job_processes(cluster)

    cluster.processes[1].send_signal(how)
    failure = events_until(run.worker, Failed)[-1]

    assert "worker" in failure.message
    assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []
    nothing_is_left(cluster)


def test_killed_scheduler_is_a_failure_and_ends_the_job_on_the_cluster(cluster, startRun):
    run = startRun(cluster, arrived=range(3))
    events_until(run.worker, Started)

    cluster.processes[0].kill()
    failure = events_until(run.worker, Failed)[-1]

    assert "scheduler" in failure.message
    nothing_is_left(cluster)


def test_certificate_of_another_authority_is_refused(sharedCluster, startRun, tmp_path):
    (tmp_path / "others").mkdir()
    others = replace(sharedCluster.scheduler, tls=TlsFiles(*made_certificates(tmp_path / "others")), patience_s=5)

    failure = events_until(startRun(sharedCluster, scheduler=others).worker, Failed)[-1]

    assert "no Dask scheduler answers at tls://" in failure.message


def preloaded(tmp_path, code):
    """Return the options of a Dask worker that runs some code at first."""
    path = tmp_path / "preloaded.py"
    path.write_text(code, encoding="utf-8")
    return ("--preload", path)


@pytest.mark.parametrize(
    ("code", "has"),
    [
        ("import CLSTMSegmentLib\nCLSTMSegmentLib.__version__ = '0.0.9'\n", "has version 0.0.9"),
        ("import sys\nsys.modules['CLSTMSegmentLib'] = None\n", "has none"),
    ],
    ids=["other", "none"],
)
def test_cluster_with_another_version_of_this_package_or_none_is_told(code, has, startRun, tmp_path):
    (tmp_path / "cluster").mkdir()

    with remote(tmp_path / "cluster", preloaded(tmp_path, code)) as cluster:
        failure = events_until(startRun(cluster).worker, Failed)[-1]

    assert f"this computer has version {__version__} of CLSTMSegment" in failure.message
    assert has in failure.message
    assert "install the same version on both" in failure.message


BETRAYAL = """
from CLSTMSegmentLib.worker import remote_job
places = {paths}
remote_job.RemoteJob._changed_files = lambda job, event: dict.fromkeys(places, b"taken")
"""


def test_cluster_writes_nothing_but_results(startRun, tmp_path):
    paths = [
        "../taken",
        str(tmp_path / "taken"),
        "results/../../taken",
        "settings.json",
        "results/taken",
        "frames/0.nrrd",
    ]
    (tmp_path / "cluster").mkdir()

    with remote(tmp_path / "cluster", preloaded(tmp_path, BETRAYAL.format(paths=paths))) as cluster:
        run = startRun(cluster)
        events_until(run.worker, Done)

    taken = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"taken"]
    assert taken == []
