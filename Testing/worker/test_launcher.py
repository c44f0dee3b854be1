"""Workers behind a launcher, as PythonSlicer is: they end when they should, and how they ended is told."""

import ctypes
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from CLSTMSegmentLib.worker.events import Failed, Started
from CLSTMSegmentLib.worker.process_ids import is_running

from worker.waiting import events_until, wait


def processes_of(folder):
    """Return the ids of the processes that work in a folder, oldest first: the launcher, and the worker itself."""
    if sys.platform != "linux":
        pytest.skip("the processes of a folder are found in /proc")
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if str(folder.path).encode() in command:
            found.append(int(path.parent.name))
    return sorted(found)


@pytest.fixture
def waitingRun(startRun):
    """A run whose worker has loaded its model and waits for frames; with the ids of launcher and worker."""
    run = startRun(arrived=range(3))
    events_until(run.worker, Started)
    run.launcherID, run.workerID = processes_of(run.folder)
    return run


def test_id_of_the_worker_itself_is_known(waitingRun):
    assert waitingRun.worker.process_id == waitingRun.workerID


def test_ended_worker_has_gone_with_its_launcher(waitingRun):
    waitingRun.worker.end()

    assert not is_running(waitingRun.workerID)
    assert not is_running(waitingRun.launcherID)


def test_worker_that_is_ended_before_it_has_begun_has_gone_too(startRun):
    run = startRun()
    wait(lambda: len(processes_of(run.folder)) == 2)

    run.worker.end()

    assert processes_of(run.folder) == []


def test_worker_whose_launcher_was_killed_is_told_and_ended(waitingRun):
    os.kill(waitingRun.launcherID, signal.SIGKILL)
    events_until(waitingRun.worker, Failed)

    waitingRun.worker.end()

    assert not is_running(waitingRun.workerID)


def test_killed_worker_is_a_failure_with_the_advice_about_memory(waitingRun):
    os.kill(waitingRun.workerID, signal.SIGKILL)

    (failure,) = events_until(waitingRun.worker, Failed)

    assert "the computer ran out of memory" in failure.message


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGABRT])
def test_crashed_worker_is_a_failure_without_the_advice_about_memory(how, waitingRun):
    os.kill(waitingRun.workerID, how)

    (failure,) = events_until(waitingRun.worker, Failed)

    assert "ended unexpectedly" in failure.message
    assert "Fatal Python error" in failure.details


def test_windows_is_asked_for_processes_without_signals(monkeypatch):
    """There, os.kill(process, 0) would end the process."""
    closed = []

    class Kernel32:
        @staticmethod
        def OpenProcess(access, inherit, process):
            return 77 if process == 4242 else 0

        CloseHandle = closed.append

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=Kernel32), raising=False)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))

    assert is_running(4242)
    assert closed == [77]
    assert not is_running(4243)
