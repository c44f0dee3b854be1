"""A job in a real worker process: frames arrive one by one, and whatever ends it is said and cleaned up."""

import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.model.bundle import read_bundle, write_bundle
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.worker.events import EVENTS, EventReader
from CLSTMSegmentLib.worker.job_folder import Job, frame_path, result_path
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER, JobRunner
from conftest import address_space, large_frame, smallModel

from worker.waiting import events_until, wait


@pytest.fixture
def start(bundle, phantom, tmp_path):
    """Starts a runner on the phantom's frames; ends it after the test."""
    runners = []

    def begin(put=range(6), **changes):
        job = {"model": str(bundle), "index_values": [f.index_value for f in phantom[0]], "device": "cpu"} | changes
        runner = JobRunner(Job(**job), folder=tmp_path)
        runners.append(runner)
        for number in put:
            runner.put_frame(number, phantom[0][number].image)
        runner.start()
        return runner

    yield begin
    for runner in runners:
        runner.close()
    assert not list(tmp_path.glob("CLSTMSegment-*"))


def test_frames_arrive_one_by_one_and_are_those_of_a_run_in_this_process(start, bundle, phantom):
    runner = start()
    events = events_until(runner, "done", "failed")
    assert events[0] == {"event": "started", "device": "cpu"}
    frames = [event for event in events if event["event"] == "frame"]
    assert [(f["number"], f["index_value"]) for f in frames] == [(n, f.index_value) for n, f in enumerate(phantom[0])]
    assert events[-1]["event"] == "done"
    assert events[-1]["report"]["device"] == "cpu"
    progress = [event for event in events if event["event"] == "progress"]
    assert (progress[-1]["frame"], progress[-1]["frames"]) == (6, 6)
    for expected in Segmenter(read_bundle(bundle), "cpu").segment(phantom[0]):
        found = runner.result(expected.number)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected.labels))
        assert found.GetOrigin() == pytest.approx(expected.labels.GetOrigin())
        assert found.GetDirection() == pytest.approx(expected.labels.GetDirection())
    assert runner.poll() == []


def test_options_reach_the_engine(start, bundle, phantom):
    image = phantom[0][0].image
    center = image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()])
    region = Region(center, (60.0, 60.0, 60.0))
    runner = start(wanted=[1, 4], region=asdict(region), tile=[8, 32, 32], overlap=0.5, time="window:2", prime=1)
    events = events_until(runner, "done", "failed")
    assert [event["number"] for event in events if event["event"] == "frame"] == [1, 4]
    report = events[-1]["report"]
    assert report["tile"] == [8, 24, 24]  # the region is smaller than a tile
    steps = [event for event in events if event["event"] == "progress"]
    assert len(steps) == 5  # frame 1 before 0 and 1, 3 before 4


def test_worker_waits_for_frames_that_come_later(start, phantom):
    runner = start(put=range(3))
    events = events_until(runner, "started")
    time.sleep(0.2)
    assert not any(event["event"] == "frame" for event in events + runner.poll())
    for number in range(3, 6):
        runner.put_frame(number, phantom[0][number].image)
    assert events_until(runner, "done", "failed")[-1]["event"] == "done"


def test_closed_runner_ends_its_worker_and_removes_its_folder(start):
    runner = start(put=range(3))  # it waits for the others
    events_until(runner, "started")
    assert runner.running
    runner.close()
    assert not runner.running
    assert not runner.folder.exists()
    assert runner.poll() == []


def test_killed_worker_is_a_failure_that_says_so(start):
    runner = start(put=range(3))
    events_until(runner, "started")
    runner._process.kill()
    (failure,) = events_until(runner, "failed")
    assert "worker was killed" in failure["message"] or "ended unexpectedly" in failure["message"]
    assert runner.poll() == []


def test_bad_model_is_a_failure_with_the_engines_message(start, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_text("{", encoding="utf-8")
    (failure,) = events_until(start(model=str(broken)), "failed")
    assert "is not valid JSON" in failure["message"]
    assert failure["details"] == ""


def test_worker_that_fails_otherwise_says_where(start):
    runner = start(put=[], region={"center": "nowhere"})
    (_, failure) = events_until(runner, "failed")
    assert "TypeError" in failure["message"]
    assert "Traceback" in failure["details"]


@pytest.fixture
def short_of_memory(start, tmp_path):
    """Runs two large frames in a worker that may take no more than `room` MiB beside what it had when it started."""
    resource = pytest.importorskip("resource", reason="memory can be limited on Linux alone")
    if not hasattr(resource, "prlimit"):
        pytest.skip("memory can be limited on Linux alone")

    # wide enough for the features to need most, not so wide that the weights do, which no tile makes smaller
    network = {"in_channels": 1, "classes": 3, "width": 8, "last_stage": "none"}
    write_bundle(replace(smallModel(), network=network), CLSTMUNet4D(**network).state_dict(), tmp_path / "wide")

    def run(room):
        runner = start(put=[], index_values=["0", "1"], model=str(tmp_path / "wide"))
        events_until(runner, "started")
        limit = address_space(runner._process.pid) + room * 2**20
        resource.prlimit(runner._process.pid, resource.RLIMIT_AS, (limit, limit))
        for number in range(2):
            runner.put_frame(number, large_frame())
        return events_until(runner, "done", "failed")

    return run


def test_worker_short_of_memory_takes_smaller_tiles_and_says_so(short_of_memory):
    # how much is short but not too short depends on the machine
    for room in range(60, 600, 15):
        events = short_of_memory(room)
        if events[-1]["event"] == "failed":
            assert "out of memory on the CPU" in events[-1]["message"]
            continue
        assert [event["number"] for event in events if event["event"] == "frame"] == [0, 1]
        warnings = [warning for warning in events[-1]["report"]["warnings"] if "out of memory on cpu" in warning]
        if warnings:
            assert "tiles shrink from (24, 192, 192)" in warnings[0]
            return
    pytest.fail("the tiles never shrank")


@pytest.mark.parametrize("room", [0, 30])
def test_worker_with_no_memory_left_fails_and_says_what_to_do(short_of_memory, room):
    failure = short_of_memory(room)[-1]
    assert failure["event"] == "failed"
    assert "out of memory on the CPU" in failure["message"]
    assert "choose a smaller region" in failure["message"]


def test_worker_leaves_with_its_parent_and_takes_the_job_folder_along(bundle, phantom, tmp_path):
    """The parent is killed, so that it can clean up nothing itself."""
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from CLSTMSegmentLib.worker.job_folder import Job\n"
        "from CLSTMSegmentLib.worker.worker_process import JobRunner\n"
        "runner = JobRunner(Job(sys.argv[1], ['0', '1'], device='cpu'), folder=Path(sys.argv[2]))\n"
        "runner.start()\n"
        "print(runner._process.pid, runner.folder, flush=True)\n"
        "time.sleep(600)\n",
        encoding="utf-8",
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, str(parent), str(bundle), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        _, folder = process.stdout.readline().split()
        reader = EventReader(tmp_path / folder)
        wait(lambda: any(event["event"] == "started" for event in reader.read()))
        process.kill()
    wait(lambda: not (tmp_path / folder).exists())


def test_half_written_line_of_an_event_waits_for_its_rest(tmp_path):
    reader = EventReader(tmp_path)
    assert reader.read() == []
    with (tmp_path / EVENTS).open("wb") as file:
        file.write(b'{"event": "started"}\n{"eve')
        file.flush()
        assert [event["event"] for event in reader.read()] == ["started"]
        file.write(b'nt": "done"}\n')
        file.flush()
        assert [event["event"] for event in reader.read()] == ["done"]


def test_job_folder_gives_back_the_job(tmp_path):
    job = Job("model", ["0", "1"], wanted=[1], tile=[8, 32, 32], prime=2)
    job.write(tmp_path)
    assert Job.read(tmp_path) == job
    assert frame_path(tmp_path, 1).parent.is_dir()
    assert result_path(tmp_path, 1).parent.is_dir()
