"""The command line as it is typed: files in, files out, exit status, one line for what is wrong."""

import contextlib
import csv
import errno
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import SequenceNrrdWriter, write_sequence
from CLSTMSegmentLib.network.inference import InferenceNetwork
from conftest import REPOSITORY
from dicom_files import write_small_cine


@pytest.fixture(scope="module")
def cine(tmp_path_factory, phantom):
    """The phantom as a .seq.nrrd."""
    path = tmp_path_factory.mktemp("cine ü") / "cine.seq.nrrd"
    index = SequenceIndex([f.index_value for f in phantom[0]], "time", "ms")
    write_sequence(path, index, [frame.image for frame in phantom[0]])
    return path


def segment(source, output, bundle, *options):
    return main(["segment", str(source), "-o", str(output), "--model", str(bundle), "--device", "cpu", *options])


def test_options_name_the_frames_the_tile_and_every_file_to_write(cine, bundle, tmp_path):
    files = {name: tmp_path / f"out.{name}" for name in ("csv", "json", "png")}
    options = ["--measurements", files["csv"], "--report", files["json"], "--preview", files["png"]]

    status = segment(
        cine, tmp_path / "out.seq.nrrd", bundle, "--frames", "1,4", "--tile", "8,32,32", *map(str, options)
    )

    assert status == 0
    with files["csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["frame", "1", "4"]
    report = json.loads(files["json"].read_text(encoding="utf-8"))
    assert (report["frames"], report["tile"], report["device"]) == (2, [8, 32, 32], "cpu")
    assert files["png"].stat().st_size > 5000
    assert len(read_sequence(tmp_path / "out.seq.nrrd")) == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--ram", "0.001", "--state", "window:2", "--warm-up", "1"],
        ["--memory", "0.001", "--time", "window:2", "--prime", "1"],
    ],
    ids=["present", "former"],
)
def test_former_option_names_do_what_the_present_ones_do(options, cine, bundle, tmp_path, capsys):
    status = segment(cine, tmp_path / "out.seq.nrrd", bundle, "--report", str(tmp_path / "report.json"), *options)

    assert status == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["state_rule"] == {"rule": "window:2", "warm_up_frames": 1}
    assert any("RAM limit of 0.001 GB" in warning for warning in report["warnings"])


@pytest.mark.parametrize("command", ["segment", "batch"])
def test_help_shows_the_present_option_names_only(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(name in shown for name in ("--ram", "--state", "--warm-up", "--precision", "--tile", "--overlap"))
    assert not any(name in shown for name in ("--memory", "--time", "--prime"))


def test_warnings_and_frames_to_check_are_printed_at_the_end(bundle, phantom, tmp_path, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    for n in range(2):
        array = sitk.GetArrayFromImage(phantom[0][n].image).astype(np.float32)
        array[0, 0, n] = np.nan
        sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{n}.nrrd"))

    status = segment(folder, tmp_path / "out.seq.nrrd", bundle, "--report", str(tmp_path / "report.json"))

    assert status == 0
    printed = capsys.readouterr().err
    assert "clstm-segment: warning: frame 1 (1): 1 voxels are not finite numbers" in printed
    assert "clstm-segment: frames to check: frame 0: " in printed
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {flag["frame"] for flag in report["flags"]} == {0, 1}


def test_region_in_ras_restricts_the_labels(cine, bundle, phantom, tmp_path):
    image = phantom[0][0].image
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    r, a, s = -middle[0], -middle[1], middle[2]
    box = [str(v) for v in (r - 40, r + 40, a - 45, a + 45, s - 50, s + 50)]

    assert segment(cine, tmp_path / "out.seq.nrrd", bundle, "--frames", "0", "--roi", *box) == 0

    labels = read_sequence(tmp_path / "out.seq.nrrd")[0].image
    inside = np.argwhere(sitk.GetArrayViewFromImage(labels) > 0)[:, ::-1].tolist()
    places = np.array([labels.TransformIndexToPhysicalPoint(index) for index in inside]) * (-1, -1, 1)
    assert len(places) > 100
    assert (np.abs(places - (r, a, s)) <= np.array([40, 45, 50]) + 1e-3).all()


def test_series_of_a_dicom_folder_are_listed_and_one_is_segmented(bundle, tmp_path, capsys):
    def tags(t, k):
        return {"TriggerTime": 40.0 * t, "SpacingBetweenSlices": 8}

    write_small_cine(tmp_path / "both", tags, slices=1)
    other = {"SeriesInstanceUID": "1.2.3.9", "SeriesDescription": "again", "SeriesNumber": 12}
    write_small_cine(tmp_path / "both", lambda t, k: tags(t, k) | other, times=2, slices=1, prefix="X")
    output = tmp_path / "out.seq.nrrd"

    status = segment(tmp_path / "both", output, bundle)

    assert status == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert "1. again (number 12): 2 images" in said
    assert "2. without a description" in said
    for series, frames in (("1", 2), ("2", 3)):
        assert segment(tmp_path / "both", output, bundle, "--series", series) == 0
        assert len(read_sequence(output)) == frames


def bad_inputs(folder):
    """Command lines that cannot work, with what they say."""
    sitk.WriteImage(sitk.Image((8, 8), sitk.sitkInt16), str(folder / "plane.nrrd"))
    sitk.WriteImage(sitk.Image((8, 8, 8), sitk.sitkVectorUInt8, 3), str(folder / "colour.mha"))
    (folder / "text.nrrd").write_text("no image", encoding="utf-8")
    (folder / "notes.txt").write_text("notes", encoding="utf-8")
    (folder / "empty").mkdir()
    broken = folder / "broken"
    shutil.copytree(folder.parent / "bundle", broken)
    weights = (broken / "weights.safetensors").read_bytes()
    (broken / "weights.safetensors").write_bytes(weights[: len(weights) // 2])
    torch.save({"a": torch.zeros(1)}, folder / "other.pth")
    return {
        "plane": (["plane.nrrd"], "has 2 axes of 8 x 8 voxels: three axes of space"),
        "colour": (["colour.mha"], "colour or vector image"),
        "text": (["text.nrrd"], "cannot be read as an image"),
        "suffix": (["notes.txt"], "unknown file type"),
        "empty": (["empty"], "holds no image files"),
        "missing": (["missing.seq.nrrd"], "no such file"),
        "weights": (["CINE", "--model", "broken"], "not the file model.json was written for"),
        "checkpoint": (["CINE", "--model", "other.pth"], "not a CLSTM-UNet4D"),
        "model": (["CINE", "--model", "nothing"], "no model 'nothing'"),
        "frames": (["CINE", "--frames", "3:99:x"], "frames 3:99:x: give a slice"),
        "outside": (["CINE", "--frames", "6"], "frames 0 to 5"),
        "roi": (["CINE", "--roi", "900", "950", "900", "950", "900", "950"], "outside the image"),
        "device": (["CINE", "--device", "cuda:99"], "cannot be used"),
        "state": (["CINE", "--state", "sometimes"], "unknown state rule"),
        "warm-up": (["CINE", "--warm-up", "few"], "warm up frames: 'few' is not a whole number"),
        "overlap": (["CINE", "--overlap", "1"], "overlap"),
        "tile": (["CINE", "--tile", "8,8"], "'8,8' is not D,H,W"),
        "small": (["CINE", "--tile", "8,8,9"], "multiples of 8"),
        "ram": (["CINE", "--ram", "0"], "the RAM limit must be more than 0 GB"),
        "series": (["CINE", "--series", "1"], "is not DICOM"),
        "no series": (["CINE", "--series", "0"], "series are counted from 1"),
        "precision": (["CINE", "--precision", "float8"], "unknown precision"),
        "output": (["CINE", "-o", "out.txt"], "give a name that ends in"),
        "place": (["CINE", "-o", "nowhere/out.seq.nrrd"], "cannot be written"),
        "preview": (["CINE", "--preview", "nowhere/out.png"], "cannot be written"),
        "csv": (["CINE", "--measurements", "plane.nrrd/out.csv"], "cannot be written"),
    }


WRONG = """plane colour text suffix empty missing weights checkpoint model frames outside roi device state warm-up
overlap tile small ram series no_series precision output place preview csv"""


@pytest.mark.parametrize("case", WRONG.split())
def test_wrong_input_gives_one_line_and_leaves_the_disk_as_it_was(case, cine, bundle, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copytree(bundle, tmp_path / "bundle")
    (arguments, message) = bad_inputs(folder)[case.replace("_", " ")]
    (folder / "out.seq.nrrd").write_bytes(b"an earlier result")
    monkeypatch.chdir(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    arguments = [str(cine) if argument == "CINE" else argument for argument in arguments]
    defaults = ["-o", "out.seq.nrrd", "--model", str(bundle), "--device", "cpu"]

    status = main(["segment", *defaults, *arguments])

    assert status == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("clstm-segment: error: ")
    assert message in lines[0]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("path", ["sub/" * 1200, "cine.nii"], ids=["long", "not permitted"])
def test_input_that_the_disk_does_not_give_is_bad_input(path, bundle, tmp_path, monkeypatch, capsys):
    (tmp_path / "cine.nii").write_bytes(b"anything")
    path_open = Path.open

    def unreadable(self, *arguments, **options):
        if self.name == "cine.nii":
            raise PermissionError(errno.EACCES, "Permission denied")
        return path_open(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", unreadable)

    status = segment(tmp_path / path, tmp_path / "out.seq.nrrd", bundle)

    assert status == 2
    assert "cannot be read (" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--model", "--frames", "--tile", "--device", "--state", "--ram", "--warm-up"])
@pytest.mark.parametrize("text", ["", " "])
def test_option_that_is_empty_is_refused(option, text, cine, tmp_path, capsys):
    """As a shell gives it for a variable that is not set."""
    status = main(["segment", str(cine), "-o", str(tmp_path / "out.seq.nrrd"), option, text])

    assert status == 2
    assert "the option is empty: give a value, or leave the option out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "", "-o", "out.seq.nrrd"),
        ("segment", "cine.seq.nrrd", "-o", "out.seq.nrrd", "--report", ""),
        ("batch", "", "--out", "out"),
        ("batch", "in", "--out", ""),
        ("teach", "cine.seq.nrrd", "", "--name", "a"),
        ("evaluate", "--data", ""),
        ("demo", "--out", " "),
        ("train", "recipe.toml", "--out", ""),
        ("model", "import", "a.pth", "-o", ""),
    ],
    ids=" ".join,
)
def test_path_that_is_empty_is_not_the_current_folder(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(list(words))

    assert ended.value.code == 2
    assert "the path is empty: give the name of a file or folder" in capsys.readouterr().err


def test_pickle_that_would_run_code_is_refused_unread(cine, tmp_path, monkeypatch, capsys):
    class Malicious:
        def __reduce__(self):
            return (os.mkdir, ("executed",))

    monkeypatch.chdir(tmp_path)
    torch.save({"a": Malicious()}, "bad.pth")

    status = segment(cine, "out.seq.nrrd", "bad.pth")

    assert status == 2
    assert "could run code" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]


def fails(error):
    """A function that raises an error, whatever it is called with."""

    def raise_it(*_):
        raise error

    return raise_it


FAILURES = {
    "memory": (InferenceNetwork, "step", RuntimeError("can't allocate memory"), "the run failed: out of memory"),
    "disk": (
        SequenceNrrdWriter,
        "add",
        OSError(errno.ENOSPC, "No space left"),
        "the run failed: out.seq.nrrd cannot be",
    ),
    "stop": (SequenceNrrdWriter, "add", KeyboardInterrupt(), "stopped; no unfinished result was written"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_run_that_fails_says_so_with_status_1_and_leaves_the_old_output(
    failure, cine, bundle, tmp_path, monkeypatch, capsys
):
    owner, name, error, message = FAILURES[failure]
    (tmp_path / "out.seq.nrrd").write_bytes(b"an earlier result")
    monkeypatch.setattr(owner, name, fails(error))

    status = segment(cine, tmp_path / "out.seq.nrrd", bundle)

    assert status == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "out.seq.nrrd").read_bytes() == b"an earlier result"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX only")
def test_progress_bar_on_a_terminal_tells_frame_tile_and_time_left(cine, bundle, tmp_path):
    import fcntl
    import pty
    import termios

    terminal, child_side = pty.openpty()
    fcntl.ioctl(child_side, termios.TIOCSWINSZ, struct.pack("4H", 25, 100, 0, 0))  # 25 lines of 100 columns
    command = [sys.executable, "-m", "CLSTMSegmentLib", "segment", cine, "-o", tmp_path / "out.seq.nrrd"]
    command += ["--model", bundle, "--device", "cpu"]
    shown = b""

    with subprocess.Popen(command, cwd=REPOSITORY / "CLSTMSegment", stderr=child_side):
        os.close(child_side)
        with contextlib.suppress(OSError):  # how a pseudo-terminal says that nobody writes to it any more
            while part := os.read(terminal, 10_000):
                shown += part
    os.close(terminal)

    shown = shown.decode("utf-8")
    assert "frame 1 of 6, tile 1 of 1" in shown
    assert re.search(r"frame 6 of 6, tile 1 of 1, \d+ s left", shown)
