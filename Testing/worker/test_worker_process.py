"""A run in a real worker process: frames arrive one by one, and whatever ends it is reported and cleaned up."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.progress import Progress
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import read_bundle, write_bundle
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.worker.events import Done, Failed, FrameDone, Started
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER, module_command
from conftest import address_space, large_frame, smallModel

from worker.waiting import events_of, events_until, wait


def test_frames_arrive_one_by_one_and_equal_those_of_a_run_in_this_process(startRun, bundle, phantom):
    run = startRun()
    expected = Segmenter(read_bundle(bundle), RunSettings(device="cpu")).segment(phantom[0])

    events = events_until(run.worker, Done, Failed)

    assert events[0] == Started("cpu")
    assert isinstance(events[-1], Done)
    assert events[-1].report.device == "cpu"
    last = events_of(Progress, events)[-1]
    assert (last.frame, last.frames) == (6, 6)
    frames = events_of(FrameDone, events)
    assert [(f.number, f.index_value) for f in frames] == [(n, f.index_value) for n, f in enumerate(phantom[0])]
    for event, frame in zip(frames, expected, strict=True):
        found = run.folder.read_result(event)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found.labels), sitk.GetArrayFromImage(frame.labels))
        assert found.labels.GetOrigin() == pytest.approx(frame.labels.GetOrigin())
        assert found.labels.GetDirection() == pytest.approx(frame.labels.GetDirection())
    assert run.worker.poll() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only GNU OpenMP shows its settings")
@pytest.mark.parametrize(("chosen", "sleep"), [(None, True), ("ACTIVE", False)])
def test_waiting_threads_of_a_worker_sleep_unless_the_user_chose_otherwise(startRun, chosen, sleep, monkeypatch):
    monkeypatch.setenv("OMP_DISPLAY_ENV", "VERBOSE")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if chosen is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", chosen)

    run = startRun()
    events_until(run.worker, Done)

    assert "GOMP_SPINCOUNT" in run.folder.log()
    assert ("GOMP_SPINCOUNT = '0'" in run.folder.log()) is sleep


def test_settings_reach_the_engine(startRun, phantom):
    image = phantom[0][0].image
    center = image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()])
    region = Region(center, (60.0, 60.0, 60.0))

    run = startRun(frames="1,4", region=region, tile=(8, 32, 32), overlap=0.5, state_rule="window:2", warm_up_frames=1)
    events = events_until(run.worker, Done, Failed)

    assert [event.number for event in events_of(FrameDone, events)] == [1, 4]
    assert events[-1].report.tile == (8, 24, 24)  # the region is smaller than a tile
    assert len(events_of(Progress, events)) == 5  # frames 0 and 1 with one before, frame 4 with one before


def test_worker_waits_for_frames_that_arrive_later(startRun, phantom):
    run = startRun(arrived=range(3))
    events = events_until(run.worker, Started)
    time.sleep(0.2)
    assert not events_of(FrameDone, events + run.worker.poll())

    for number in range(3, 6):
        run.folder.write_frame(number, phantom[0][number].image)

    assert isinstance(events_until(run.worker, Done, Failed)[-1], Done)


def test_worker_that_is_ended_reports_nothing_more(startRun):
    run = startRun(arrived=range(3))  # it waits for the others
    events_until(run.worker, Started)
    assert run.worker.running

    run.worker.end()
    run.folder.remove()

    assert not run.worker.running
    assert not run.folder.path.exists()
    assert run.worker.poll() == []


def test_killed_worker_is_a_failure_that_says_so(startRun):
    run = startRun(arrived=range(3))
    events_until(run.worker, Started)

    os.kill(run.worker.process_id, 9)
    (failure,) = events_until(run.worker, Failed)

    assert "worker was killed" in failure.message or "ended unexpectedly" in failure.message
    assert run.worker.poll() == []


def test_bad_model_is_a_failure_with_the_message_of_the_engine(startRun, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_text("{", encoding="utf-8")

    (failure,) = events_until(startRun(model=str(broken)).worker, Failed)

    assert "is not valid JSON" in failure.message
    assert failure.details == ""


def test_unexpected_error_is_a_failure_with_lines_of_code(startRun):
    run = startRun(arrived=[], index_values=5)

    (_, failure) = events_until(run.worker, Failed)

    assert "TypeError" in failure.message
    assert "Traceback" in failure.details


@pytest.fixture
def runShortOfMemory(startRun, tmp_path):
    """Do a run on two large frames in a worker that may take `room` MiB more than it had when it started."""
    resource = pytest.importorskip("resource", reason="memory can be limited on Linux alone")
    if not hasattr(resource, "prlimit"):
        pytest.skip("memory can be limited on Linux alone")
    # wide enough for the features to need most, not so wide that the weights do, which no tile makes smaller
    network = NetworkOptions(classes=3, width=8, last_stage="none")
    write_bundle(replace(smallModel(), network=network), CLSTMUNet4D(network).state_dict(), tmp_path / "wide")

    def begin(room):
        run = startRun(arrived=[], index_values=["0", "1"], model=str(tmp_path / "wide"))
        events_until(run.worker, Started)
        limit = address_space(run.worker.process_id) + room * 2**20
        resource.prlimit(run.worker.process_id, resource.RLIMIT_AS, (limit, limit))
        for number in range(2):
            run.folder.write_frame(number, large_frame())
        return events_until(run.worker, Done, Failed)

    return begin


def told_out_of_memory(failure):
    """Return whether a failure says that memory ran out: noticed by the engine, or by the C library, which aborts."""
    return "out of memory on the CPU" in failure.message or "computer ran out of memory" in failure.message


@pytest.mark.slow
def test_worker_short_of_memory_takes_smaller_tiles_and_says_so(runShortOfMemory):
    # The machine decides how much is short but not too short. There, too, a run may fail: once oneDNN has got no memory
    # for the code of a convolution, it makes no other one in that process. So each room is tried again.
    for room in [*range(90, 360, 15)] * 4:
        events = runShortOfMemory(room)
        if isinstance(events[-1], Failed):
            assert told_out_of_memory(events[-1])
            continue
        assert [event.number for event in events_of(FrameDone, events)] == [0, 1]
        warnings = [warning for warning in events[-1].report.warnings if "out of memory on cpu" in warning]
        if warnings:
            assert "tiles shrink from (24, 192, 192)" in warnings[0]
            return
    pytest.fail("the tiles never shrank")


@pytest.mark.parametrize("room", [0, 30])
def test_worker_without_free_memory_fails_and_says_what_to_do(room, runShortOfMemory):
    failure = runShortOfMemory(room)[-1]

    assert told_out_of_memory(failure)
    assert "choose a smaller region" in failure.message


PARENT = """
import sys, time
from pathlib import Path
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.worker_process import SEGMENT, WorkerProcess

folder = JobFolder.make(RunSettings(sys.argv[1], device="cpu"), ["0", "1"], Path(sys.argv[2]))
worker = WorkerProcess(SEGMENT, folder)
worker.start()
print(folder.path, flush=True)
time.sleep(600)
"""


def test_worker_ends_with_its_parent_and_removes_the_job_folder(bundle, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-c", PARENT, str(bundle), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        folder = JobFolder(tmp_path / parent.stdout.readline().strip())
        wait(lambda: events_of(Started, folder.new_events()))

        parent.kill()  # so that it can clean up nothing itself

    wait(lambda: not folder.path.exists())


def test_worker_takes_no_library_from_the_folder_in_which_it_runs(tmp_path):
    shutil.copytree(PACKAGE_FOLDER / "CLSTMSegmentLib", tmp_path / "CLSTMSegmentLib")
    for name in ("json", "runpy", "torch", "SimpleITK"):
        (tmp_path / f"{name}.py").write_text("open('taken', 'w').close()", encoding="utf-8")
    _, ours, *arguments = module_command(sys.executable, "CLSTMSegmentLib.worker.list_devices")
    command = [sys.executable, tmp_path / Path(ours).relative_to(PACKAGE_FOLDER), *arguments]

    # it ends when its standard input does
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        answer = worker.stdout.read()

    assert not (tmp_path / "taken").exists()
    assert json.loads(answer)[-1][0] == "cpu"
