"""What a command imports before it works: help and errors come without the libraries that take seconds to import."""

import json
import os
import subprocess
import sys

import pytest
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from conftest import REPOSITORY

PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv.pop(1))
from CLSTMSegmentLib.__main__ import main
try:
    status = main()
except SystemExit as end:
    status = end.code
heavy = ("torch", "dask", "distributed", "matplotlib", "monai", "SimpleITK", "numpy")
print(json.dumps([status, [name for name in heavy if name in sys.modules]]))
"""

COMMANDS = ["segment", "model", "train", "teach", "batch", "propagate", "watch", "evaluate", "demo"]


def outcome(*words):
    """Return the exit status of a command line, the slow libraries that it imported, and what it printed."""
    command = [sys.executable, "-c", PROGRAM, str(REPOSITORY / "CLSTMSegment"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    lines = done.stdout.splitlines()
    return *json.loads(lines[-1]), "\n".join([*lines[:-1], done.stderr])


@pytest.fixture(scope="module")
def cine(tmp_path_factory, phantom):
    path = tmp_path_factory.mktemp("cine") / "cine.seq.nrrd"
    write_sequence(path, SequenceIndex(["0", "1"]), [frame.image for frame in phantom[0][:2]])
    return path


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["nonsense"], []])
def test_help_and_usage_need_no_library(words):
    _, imported, text = outcome(*words)

    assert imported == []
    assert "clstm-segment" in text


def test_help_names_every_command():
    status, _, text = outcome("--help")

    assert status == 0
    assert all(f"\n    {name}" in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_needs_no_torch(name):
    status, imported, text = outcome(name, "--help")

    assert status == 0
    assert not {"torch", "dask", "distributed", "matplotlib", "monai"} & set(imported)
    assert f"usage: clstm-segment {name}" in text


BAD = {
    "unknown option": (["segment", "CINE", "-o", "OUT", "--nonsense"], "unrecognized arguments"),
    "missing input": (["segment", "HERE/missing.nrrd", "-o", "OUT"], "missing.nrrd"),
    "missing folder": (["segment", "CINE", "-o", "HERE/missing/out.seq.nrrd"], "does not exist"),
    "wrong suffix": (["segment", "CINE", "-o", "HERE/out.png"], "give a name that ends in"),
    "output is the input": (["segment", "CINE", "-o", "CINE"], "is an input and would be replaced"),
    "bad number": (["segment", "CINE", "-o", "OUT", "--ram", "much"], "is not a number"),
    "bad box": (
        ["segment", "CINE", "-o", "OUT", "--roi", *["1e308", "1.7e308"] * 3],
        "is 1e+308 mm: give numbers up to",
    ),
    "bad tile": (["segment", "CINE", "-o", "OUT", "--tile", "16,64"], "give three whole numbers"),
    "bad device": (["segment", "CINE", "-o", "OUT", "--device", "gpu"], "unknown device 'gpu'"),
    "bad frames": (["segment", "CINE", "-o", "OUT", "--frames", "0:9:0"], "give a slice"),
    "frame that is not there": (["segment", "CINE", "-o", "OUT", "--frames", "7"], "frames 0 to 1"),
    "negative numbers with an exponent": (
        ["segment", "CINE", "-o", "OUT", "--roi", "-1e2", "-1.5e+1", "-.5E3", "0", "-inf", "1"],
        "error: a number of the region of interest is -inf mm",
    ),
    "unknown model": (["segment", "CINE", "-o", "OUT", "--model", "liver"], "no model 'liver'"),
    "no model": (["model", "info", "liver"], "no model 'liver'"),
    "missing table": (["batch", "HERE/missing.csv", "--out", "HERE/cohort"], "missing.csv"),
    "unknown model of a cohort": (["batch", "HERE", "--out", "HERE/cohort", "--model", "liver"], "no model 'liver'"),
    "missing labels": (["propagate", "CINE", "HERE/missing", "-o", "OUT"], "missing"),
    "missing watched folder": (["watch", "HERE/missing", "-o", "HERE/labels"], "missing"),
    "teaching without images": (["teach", "--name", "mine", "--models", "HERE"], "give a sequence and its annotation"),
    "missing recipe": (["train", "HERE/missing.toml", "--out", "HERE/training"], "missing.toml"),
    "twin that is no model": (["evaluate", "--data", "HERE", "--twin", "liver"], "no model 'liver'"),
    "missing images of a demo": (["demo", "--out", "HERE/demo", "--input", "HERE/missing.nrrd"], "missing.nrrd"),
}


@pytest.mark.parametrize(("words", "message"), BAD.values(), ids=BAD)
def test_bad_argument_is_answered_without_torch(words, message, cine, tmp_path):
    places = {"CINE": cine, "HERE": cine.parent, "OUT": tmp_path / "out.seq.nrrd"}
    for place, path in places.items():
        words = [word.replace(place, str(path)) for word in words]

    status, imported, text = outcome(*words)

    assert status == 2
    assert message in text
    assert "RuntimeWarning" not in text
    assert not {"torch", "dask", "distributed", "matplotlib", "monai"} & set(imported)


@pytest.mark.skipif(sys.platform != "linux", reason="only GNU OpenMP shows its settings")
def test_waiting_threads_of_a_command_sleep(cine, bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_DISPLAY_ENV", "VERBOSE")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)

    status, _, text = outcome("segment", cine, "-o", tmp_path / "out.seq.nrrd", "--model", bundle, "--device", "cpu")

    assert status == 0
    assert "GOMP_SPINCOUNT = '0'" in text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove the folder in which a process is")
@pytest.mark.parametrize("place", ["relative", "absolute"])
def test_removed_current_folder_is_said_in_one_line(place, cine, bundle, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    source = cine if place == "absolute" else cine.name

    status, imported, text = outcome("segment", source, "-o", tmp_path / "out.seq.nrrd", "--model", bundle)

    assert status == 2
    assert text.strip().splitlines() == [
        "clstm-segment: error: the current folder was removed: change to a folder that exists, and run again"
    ]
    assert "torch" not in imported
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def picture_words(cine):
    """Command lines of runs that make a picture, in the current folder, by their commands."""
    return {
        "segment": ("segment", cine, "-o", "out.seq.nrrd", "--preview", "out.png"),
        "batch": ("batch", cine.parent, "--out", "out"),
        "evaluate": ("evaluate", "--data", cine.parent, "--page", "out.png"),
    }


@pytest.mark.parametrize("command", ["segment", "batch", "evaluate"])
def test_picture_without_matplotlib_is_refused_before_the_run(command, picture_words, bundle, tmp_path, monkeypatch):
    # given
    (tmp_path / "missing").mkdir()
    (tmp_path / "missing" / "matplotlib.py").write_text("raise ModuleNotFoundError('No module')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "missing"))
    monkeypatch.chdir(tmp_path)

    # when
    status, _, text = outcome(*picture_words[command], "--model", bundle)

    # then
    assert status == 2
    assert "Traceback" not in text
    assert "pip install matplotlib" in text.splitlines()[-1]
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("command", "wrong"),
    [("segment", "its own file"), ("segment", "variable"), ("batch", "variable"), ("evaluate", "variable")],
)
def test_settings_that_matplotlib_cannot_read_are_said_before_the_run(
    command, wrong, picture_words, bundle, tmp_path, monkeypatch
):
    # given
    if wrong == "variable":
        monkeypatch.setenv("MPLBACKEND", "nonsense")
    else:
        (tmp_path / "settings").mkdir()
        (tmp_path / "settings" / "matplotlibrc").write_bytes(b"\xff\xfe garbage")
        monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "settings"))
    monkeypatch.chdir(tmp_path)

    # when
    status, _, text = outcome(*picture_words[command], "--model", bundle)

    # then
    assert status == 2
    assert "Traceback" not in text
    assert "correct or remove the file matplotlibrc in the folder of its settings, or the variable MPLBACKEND" in text
    assert not list(tmp_path.glob("out*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
@pytest.mark.parametrize(
    ("importer", "kind"),
    [
        ("report.figure_text", "pipe"),
        ("report.figure_text", "damaged"),
        pytest.param("training.augmentation", "pipe", marks=pytest.mark.slow),
    ],
)
def test_settings_of_matplotlib_in_the_current_folder_are_not_read(importer, kind, tmp_path):
    # given
    if kind == "pipe":
        os.mkfifo(tmp_path / "matplotlibrc")
    else:
        (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe garbage")
    package = REPOSITORY / "CLSTMSegment"
    program = f"import os, sys; sys.path.insert(0, {str(package)!r})\nimport CLSTMSegmentLib.{importer}, matplotlib"
    program += "\nprint(os.getcwd())"

    # when
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    # then
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path.resolve())
