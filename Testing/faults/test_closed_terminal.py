"""A terminal that is closed, or that nobody reads any more, ends no run."""

import os
import subprocess
import sys

import pytest
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the descriptors of POSIX systems")


def command(*words, **streams):
    """Run a command in a process of its own."""
    variables = {"PYTHONPATH": str(PACKAGE_FOLDER)} | streams.pop("variables", {})
    words = [sys.executable, "-m", "CLSTMSegmentLib", *map(str, words)]
    return subprocess.run(words, env=os.environ | variables, timeout=300, check=False, **streams)


@pytest.fixture
def run(bundle, tmp_path):
    """The words of a run that shows progress, warns and says which frames to check."""
    frames, _ = heart_sequence(1, 3, (8, 32, 32), (8.0, 4.0, 4.0))
    index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
    write_sequence(tmp_path / "cine.seq.nrrd", index, [frame.image for frame in frames])
    words = ["segment", tmp_path / "cine.seq.nrrd", "-o", tmp_path / "out.seq.nrrd", "--model", bundle]
    return [*words, "--device", "cpu", "--report", tmp_path / "report.json", "--tile", "8,16,16"]


def pipe_that_nobody_reads():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def terminal_that_was_closed():
    controller, terminal = os.openpty()
    os.close(controller)
    return terminal


@pytest.mark.parametrize("stream", [pipe_that_nobody_reads, terminal_that_was_closed])
def test_run_goes_on_though_nobody_sees_its_progress(stream, run, tmp_path):
    errors = stream()

    done = command(*run, stderr=errors)

    assert done.returncode == 0
    assert (tmp_path / "report.json").exists()


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)], ids=str)
def test_run_without_standard_streams_writes_the_same_files(closed, run, tmp_path):
    assert command(*run, stderr=subprocess.DEVNULL).returncode == 0
    labels = (tmp_path / "out.seq.nrrd").read_bytes()
    (tmp_path / "out.seq.nrrd").unlink()

    done = command(*run, preexec_fn=lambda: [os.close(number) for number in closed])

    assert done.returncode == 0
    assert (tmp_path / "out.seq.nrrd").read_bytes() == labels


def test_text_that_nobody_reads_to_its_end_is_no_error():
    writer = pipe_that_nobody_reads()

    done = command("model", "list", stdout=writer, stderr=subprocess.PIPE, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_text_for_which_the_disk_has_no_space_is_an_error():
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = command("model", "list", stdout=full, stderr=subprocess.PIPE, text=True)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr


def test_signs_that_the_terminal_does_not_have_are_shown_as_codes():
    done = command(
        "segment", "\u5fc3.nrrd", "-o", "o.seq.nrrd", capture_output=True, variables={"PYTHONIOENCODING": "ascii"}
    )

    assert done.returncode == 2
    assert b"\\u5fc3.nrrd" in done.stderr
