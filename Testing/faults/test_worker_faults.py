"""The worker dies: whatever the moment, that is told, finished frames are whole, and nothing is left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.worker import worker_process as runner
from CLSTMSegmentLib.worker.job_folder import Job, frame_path
from CLSTMSegmentLib.worker.worker_process import FOLDER_PREFIX, PACKAGE_FOLDER, JobRunner
from conftest import large_frame
from worker.waiting import events_until, wait

FRAMES = 12
MOMENTS = {
    "at the start": lambda started, seen: True,
    "in the middle of a tile": lambda started, seen: "progress" in seen,
    "between frames": lambda started, seen: "frame" in seen,
    "while a frame is written": lambda started, seen: any((started.folder / "results").glob("partial-*")),
}


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_worker_killed(moment, how, bundle, tmp_path):
    if not hasattr(signal, how):
        pytest.skip(f"there is no {how} on this system")
    started = JobRunner(Job(str(bundle), [str(n) for n in range(FRAMES)], device="cpu"), folder=tmp_path)
    frame = large_frame()
    for number in range(FRAMES):
        started.put_frame(number, frame)
    started.start()
    events = []

    def come():
        events.extend(started.poll())
        return MOMENTS[moment](started, [event["event"] for event in events])

    wait(come, pause_s=0.0005)
    os.kill(started._process.pid, getattr(signal, how))
    if not events or events[-1]["event"] != "failed":
        events += events_until(started, "failed")
    assert "worker" in events[-1]["message"]
    finished = [event["number"] for event in events if event["event"] == "frame"]
    assert len(finished) < FRAMES
    for number in finished:
        assert started.result(number).GetSize() == frame.GetSize()
    started.close()
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
        "import sys, time; from pathlib import Path; from CLSTMSegmentLib.worker.job_folder import Job;"
        "from CLSTMSegmentLib.worker.worker_process import JobRunner;"
        "r = JobRunner(Job(sys.argv[1], ['0'], device='cpu'), folder=Path(sys.argv[2])); r.start();"
        "exec('while not r.poll(): time.sleep(0.01)'); print(r._process.pid, flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-c", program, str(bundle), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout.readline()
        parent.kill()
    began = time.monotonic()
    wait(lambda: not list(tmp_path.iterdir()))
    assert time.monotonic() - began < 2


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited on Windows")
def test_disk_full_while_a_finished_frame_is_written(bundle, tmp_path):
    import resource

    started = JobRunner(Job(str(bundle), ["0", "1"], device="cpu"), folder=tmp_path)
    started.start()
    events_until(started, "started")
    if not hasattr(resource, "prlimit"):
        started.close()
        pytest.skip("a running process cannot be limited on this system")
    resource.prlimit(started._process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    for number in range(2):
        started.put_frame(number, large_frame())
    events = events_until(started, "failed", "done")
    assert events[-1]["event"] == "failed"
    assert "frame 0 (0) is done but cannot be written" in events[-1]["message"]
    assert "is the disk full?" in events[-1]["message"]
    assert not any(event["event"] == "frame" for event in events)
    started.close()
    assert not list(tmp_path.iterdir())


def test_frame_damaged_on_its_way_to_the_worker_is_named(bundle, tmp_path):
    started = JobRunner(Job(str(bundle), ["0", "1"], device="cpu"), folder=tmp_path)
    for number in range(2):
        started.put_frame(number, large_frame())
    path = frame_path(started.folder, 1)
    path.write_bytes(path.read_bytes()[:2000])
    started.start()
    events = events_until(started, "failed")
    assert "frame 1" in events[-1]["message"]
    started.close()


def test_frames_are_read_back_exactly(bundle, tmp_path):
    started = JobRunner(Job(str(bundle), ["0"]), folder=tmp_path)
    frame = large_frame()
    frame.SetOrigin((1 / 3, -2e-7, 12345.678))
    started.put_frame(0, frame)
    back = sitk.ReadImage(str(frame_path(started.folder, 0)))
    assert (back.GetOrigin(), back.GetSpacing(), back.GetDirection()) == (
        frame.GetOrigin(),
        frame.GetSpacing(),
        frame.GetDirection(),
    )
    started.close()


def test_on_windows_processes_are_asked_for_without_signals(monkeypatch):
    """There, os.kill(process, 0) would end it."""
    closed = []

    class Kernel32:
        @staticmethod
        def OpenProcess(access, inherit, process):
            return 77 if process == 4242 else 0

        CloseHandle = closed.append

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=Kernel32), raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
    assert runner._is_running(4242)
    assert closed == [77]
    assert not runner._is_running(4243)
    assert runner.without_console() == 0x08000000
