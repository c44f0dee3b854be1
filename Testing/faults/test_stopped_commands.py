"""A command that is stopped by a signal, or killed, leaves no part of an output behind."""

import os
import signal
import subprocess
import sys

import pytest
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER
from conftest import AS_USUAL, default_signals, large_frame
from worker.waiting import wait


@pytest.fixture
def run(bundle, tmp_path):
    """A run in a process of its own that is writing its output into the folder `out`, where an earlier output is."""
    write_sequence(tmp_path / "cine.seq.nrrd", SequenceIndex([str(n) for n in range(4)]), [large_frame()] * 4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels.seq.nrrd").write_bytes(b"an earlier output")
    arguments = [str(tmp_path / "cine.seq.nrrd"), "-o", str(tmp_path / "out" / "labels.seq.nrrd"), "--quiet"]
    arguments += ["--model", str(bundle), "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, "-m", "CLSTMSegmentLib", "segment", *arguments],
        env=os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)},
        stderr=subprocess.PIPE,
        text=True,
        **AS_USUAL,
    ) as process:
        wait(lambda: list((tmp_path / "out").glob(".*/labels.seq.nrrd")))
        yield process, arguments
        process.kill()


def names_in(folder):
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"])
def test_stopped_run_says_so_and_leaves_the_earlier_output_alone(name, run, tmp_path):
    if sys.platform == "win32":
        pytest.skip("Windows cannot send signals to other processes")
    process, _ = run

    process.send_signal(getattr(signal, name))
    _, printed = process.communicate(timeout=60)

    assert process.returncode == 1
    assert printed.strip() == "clstm-segment: error: stopped; no unfinished result was written"
    assert names_in(tmp_path / "out") == ["labels.seq.nrrd"]
    assert (tmp_path / "out" / "labels.seq.nrrd").read_bytes() == b"an earlier output"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no nohup")
def test_run_that_shall_survive_the_terminal_does(run, tmp_path):
    """As `nohup` starts it."""
    command = [sys.executable, "-m", "CLSTMSegmentLib", "segment", *run[1], "--report", str(tmp_path / "r.json")]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)},
        preexec_fn=lambda: (default_signals(), signal.signal(signal.SIGHUP, signal.SIG_IGN)),
    ) as process:
        wait(lambda: list(tmp_path.glob(".clstm-segment-*")))
        process.send_signal(signal.SIGHUP)

        assert process.wait(120) == 0

    assert (tmp_path / "r.json").exists()


def test_parts_of_a_killed_run_are_removed_by_the_next_run_into_the_same_folder(run, tmp_path):
    process, arguments = run
    process.kill()
    process.wait()
    assert len(names_in(tmp_path / "out")) == 2

    status = main(["segment", *arguments, "--frames", "0"])

    assert status == 0
    assert names_in(tmp_path / "out") == ["labels.seq.nrrd"]
