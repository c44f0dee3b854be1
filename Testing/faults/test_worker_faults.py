"""The worker dies: whatever the moment, that is told, finished frames are whole, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.run.job import Job, frame_path
from CLSTMSegmentLib.run.runner import FOLDER_PREFIX, PACKAGE_FOLDER, JobRunner
from conftest import large_frame

FRAMES = 12
PATIENCE_S = 60


def wait_for(found):
    deadline = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.0005)


MOMENTS = {
    "at the start": lambda runner, seen: True,
    "in the middle of a tile": lambda runner, seen: "progress" in seen,
    "between frames": lambda runner, seen: "frame" in seen,
    "while a frame is written": lambda runner, seen: any((runner.folder / "results").glob("*.partial.*")),
}


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_worker_killed(moment, how, bundle, tmp_path):
    if not hasattr(signal, how):
        pytest.skip(f"there is no {how} on this system")
    runner = JobRunner(Job(str(bundle), [str(n) for n in range(FRAMES)], device="cpu"), folder=tmp_path)
    frame = large_frame()
    for number in range(FRAMES):
        runner.put_frame(number, frame)
    runner.start()
    events = []

    def come():
        events.extend(runner.poll())
        return MOMENTS[moment](runner, [event["event"] for event in events])

    wait_for(come)
    os.kill(runner._process.pid, getattr(signal, how))
    wait_for(lambda: events.extend(runner.poll()) or (events and events[-1]["event"] == "failed"))
    assert "worker" in events[-1]["message"]
    finished = [event["number"] for event in events if event["event"] == "frame"]
    assert len(finished) < FRAMES
    for number in finished:
        assert runner.result(number).GetSize() == frame.GetSize()
    runner.close()
    assert not list(tmp_path.iterdir())


def test_folder_left_by_a_process_and_its_worker_killed_together_goes_with_the_next_start(bundle, tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    orphan = tmp_path / f"{FOLDER_PREFIX}{gone.pid}-abc"
    (orphan / "frames").mkdir(parents=True)
    (tmp_path / f"{FOLDER_PREFIX}notes").mkdir()
    mine = JobRunner(Job(str(bundle), ["0"]), folder=tmp_path)
    other = JobRunner(Job(str(bundle), ["0"]), folder=tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine.folder, other.folder, tmp_path / f"{FOLDER_PREFIX}notes"])
    mine.close()
    other.close()


def test_worker_and_its_folder_go_within_two_seconds_of_their_parent(bundle, tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from CLSTMSegmentLib.run.job import Job;"
        "from CLSTMSegmentLib.run.runner import JobRunner;"
        "r = JobRunner(Job(sys.argv[1], ['0'], device='cpu'), folder=Path(sys.argv[2])); r.start();"
        "exec('while not r.poll(): time.sleep(0.01)'); print(r._process.pid, flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-c", program, str(bundle), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout.readline()
        parent.kill()
    began = time.monotonic()
    wait_for(lambda: not list(tmp_path.iterdir()))
    assert time.monotonic() - began < 2


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited on Windows")
def test_disk_full_while_a_finished_frame_is_written(bundle, tmp_path):
    import resource

    runner = JobRunner(Job(str(bundle), ["0", "1"], device="cpu"), folder=tmp_path)
    runner.start()
    events = []
    wait_for(lambda: events.extend(runner.poll()) or events)
    if not hasattr(resource, "prlimit"):
        runner.close()
        pytest.skip("a running process cannot be limited on this system")
    resource.prlimit(runner._process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    for number in range(2):
        runner.put_frame(number, large_frame())
    wait_for(lambda: events.extend(runner.poll()) or events[-1]["event"] in ("failed", "done"))
    assert events[-1]["event"] == "failed"
    assert "frame 0 (0) is done but cannot be written" in events[-1]["message"]
    assert "is the disk full?" in events[-1]["message"]
    assert not any(event["event"] == "frame" for event in events)
    runner.close()
    assert not list(tmp_path.iterdir())


def test_frame_damaged_on_its_way_to_the_worker_is_named(bundle, tmp_path):
    runner = JobRunner(Job(str(bundle), ["0", "1"], device="cpu"), folder=tmp_path)
    for number in range(2):
        runner.put_frame(number, large_frame())
    path = frame_path(runner.folder, 1)
    path.write_bytes(path.read_bytes()[:2000])
    runner.start()
    events = []
    wait_for(lambda: events.extend(runner.poll()) or (events and events[-1]["event"] == "failed"))
    assert "frame 1" in events[-1]["message"]
    runner.close()


def test_frames_are_read_back_exactly(bundle, tmp_path):
    runner = JobRunner(Job(str(bundle), ["0"]), folder=tmp_path)
    frame = large_frame()
    frame.SetOrigin((1 / 3, -2e-7, 12345.678))
    runner.put_frame(0, frame)
    back = sitk.ReadImage(str(frame_path(runner.folder, 0)))
    assert (back.GetOrigin(), back.GetSpacing(), back.GetDirection()) == (
        frame.GetOrigin(),
        frame.GetSpacing(),
        frame.GetDirection(),
    )
    runner.close()
