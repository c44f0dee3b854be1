"""The worker dies: at any moment, this is reported, finished frames are complete, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from CLSTMSegmentLib.core.progress import Progress
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.worker.events import Done, Failed, FrameDone, Started
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.work_folder import FOLDER_PREFIX
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER, SEGMENT, WorkerProcess, creation_flags
from conftest import large_frame
from worker.waiting import events_of, events_until, wait

FRAMES = 12


def writing_a_frame(folder, events):
    return any(not path.stem.isdecimal() for path in (folder.path / "results").iterdir())


MOMENTS = {
    "at the start": lambda folder, events: True,
    "in the middle of a tile": lambda folder, events: events_of(Progress, events),
    "between frames": lambda folder, events: events_of(FrameDone, events),
    "while a frame is written": writing_a_frame,
}


@pytest.fixture
def startRun(bundle, tmp_path):
    """Start a run on large frames of which some have arrived; it is ended after the test and leaves no file."""
    runs = []

    def begin(frames, arrived):
        folder = JobFolder.make(RunSettings(str(bundle), device="cpu"), [str(n) for n in range(frames)], tmp_path)
        run = SimpleNamespace(folder=folder, worker=WorkerProcess(SEGMENT, folder))
        runs.append(run)
        for number in range(arrived):
            folder.write_frame(number, large_frame())
        run.worker.start()
        return run

    yield begin
    for run in runs:
        run.worker.end()
        run.folder.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_worker_is_reported_and_its_finished_frames_are_complete(moment, how, startRun):
    if not hasattr(signal, how):
        pytest.skip(f"there is no {how} on this system")
    run, events = startRun(FRAMES, arrived=FRAMES), []

    def come():
        events.extend(run.worker.poll())
        return MOMENTS[moment](run.folder, events)

    wait(come, pause_s=0.0005)
    os.kill(run.worker.process_id, getattr(signal, how))
    if not events_of(Failed, events):
        events += events_until(run.worker, Failed)

    assert "worker" in events[-1].message
    finished = events_of(FrameDone, events)
    assert len(finished) < FRAMES
    for event in finished:
        assert run.folder.read_result(event).labels.GetSize() == large_frame().GetSize()


MAKER = """
import sys, time
from pathlib import Path
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.worker.job_folder import JobFolder

folder = JobFolder.make(RunSettings(), ["0"], Path(sys.argv[1]))
print(folder.path.name, flush=True)
time.sleep(600)
"""


def test_folder_of_a_process_that_was_killed_with_its_worker_is_removed_by_the_next_run(tmp_path):
    command = [sys.executable, "-c", MAKER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as maker:
        killed = tmp_path / maker.stdout.readline().strip()
        meanwhile = JobFolder.make(RunSettings(), ["0"], tmp_path)
        assert killed.exists()
        maker.kill()
    (tmp_path / f"{FOLDER_PREFIX}{maker.pid}-thesis").mkdir()

    folders = [meanwhile, *(JobFolder.make(RunSettings(), ["0"], tmp_path) for _ in range(2))]

    kept = {folder.path for folder in folders} | {tmp_path / f"{FOLDER_PREFIX}{maker.pid}-thesis"}
    assert set(tmp_path.iterdir()) == kept


PARENT = """
import sys, time
from pathlib import Path
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.worker_process import SEGMENT, WorkerProcess

worker = WorkerProcess(SEGMENT, JobFolder.make(RunSettings(sys.argv[1], device="cpu"), ["0"], Path(sys.argv[2])))
worker.start()
while not worker.poll():
    time.sleep(0.01)
print("started", flush=True)
time.sleep(600)
"""


def test_worker_and_its_folder_go_within_two_seconds_of_their_parent(bundle, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-c", PARENT, str(bundle), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout.readline()

        parent.kill()

    began = time.monotonic()
    wait(lambda: not list(tmp_path.iterdir()))
    assert time.monotonic() - began < 2


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited on Windows")
def test_disk_full_while_a_finished_frame_is_written_is_a_failure_that_names_the_frame(startRun):
    import resource

    if not hasattr(resource, "prlimit"):
        pytest.skip("a running process cannot be limited on this system")
    run = startRun(2, arrived=0)
    events_until(run.worker, Started)
    resource.prlimit(run.worker.process_id, resource.RLIMIT_FSIZE, (4096, 4096))

    for number in range(2):
        run.folder.write_frame(number, large_frame())
    events = events_until(run.worker, Failed, Done)

    assert isinstance(events[-1], Failed)
    assert "frame 0 (0) is done but cannot be written" in events[-1].message
    assert "is the disk full?" in events[-1].message
    assert events[-1].details == ""
    assert not events_of(FrameDone, events)


def test_frame_damaged_on_its_way_to_the_worker_is_named(startRun):
    run = startRun(2, arrived=0)
    run.folder.write_frame(0, large_frame())
    content = (run.folder.path / "frames" / "0.nrrd").read_bytes()

    (run.folder.path / "frames" / "1.nrrd").write_bytes(content[:2000])
    events = events_until(run.worker, Failed)

    assert "frame 1 (1) cannot be read" in events[-1].message


def test_worker_opens_no_console_window_on_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)

    assert creation_flags() == 0x08000000
