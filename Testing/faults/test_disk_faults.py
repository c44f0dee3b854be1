"""Full and read-only disks, and paths of every kind: files from before stay, and the message says what is wrong."""

import errno
import locale
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import MODELS_FOLDER, load_model, write_bundle
from CLSTMSegmentLib.panel.model_choice import addModel, choosableModels
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER
from conftest import REPOSITORY

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and limits")


def obeying_permissions(command):
    """Return the command with the capabilities dropped by which root ignores permissions."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("root may write anywhere")
    return ["setpriv", "--inh-caps", "-dac_override", "--bounding-set", "-dac_override", *command]


@pytest.fixture
def cine(phantom, tmp_path):
    """The first frames of the phantom as a file."""
    frames = phantom[0][:3]
    path = tmp_path / "cine.seq.nrrd"
    index = SequenceIndex([f.index_value for f in frames], "time", "ms")
    write_sequence(path, index, [frame.image for frame in frames])
    return path


def limited(command, bytes_per_file, **options):
    """Run a command that cannot write files above a size, as on a full disk."""
    import resource

    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file)),
        **options,
    )


@posix
@pytest.mark.parametrize("suffix", [".seq.nrrd", ".seq.mrb", ".nii.gz"])
def test_disk_full_while_the_output_is_written_is_a_failed_run(suffix, cine, bundle, tmp_path):
    output = tmp_path / f"out{suffix}"
    output.write_bytes(b"a result of before")
    arguments = ["segment", str(cine), "-o", str(output), "--model", str(bundle), "--device", "cpu", "--quiet"]

    done = limited([sys.executable, "-m", "CLSTMSegmentLib", *arguments], 600)

    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "error" in last
    assert output.name in last
    assert output.read_bytes() == b"a result of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cine.seq.nrrd", output.name]


@posix
def test_disk_full_while_a_watch_writes_labels_leaves_no_truncated_file(phantom, bundle, tmp_path):
    (tmp_path / "scanner").mkdir()
    sitk.WriteImage(phantom[0][0].image, tmp_path / "scanner" / "1.nrrd")
    watch = [sys.executable, "-m", "CLSTMSegmentLib", "watch", str(tmp_path / "scanner"), "--model", str(bundle)]
    watch += ["--device", "cpu", "--stop-after", "1", "-o"]
    labels = tmp_path / "enough" / "1-labels.nrrd"
    limited([*watch, str(labels.parent)], 1_000_000)

    # SimpleITK reports nothing when only the end of a file finds no room
    done = limited([*watch, str(tmp_path / "short")], labels.stat().st_size - 1)

    assert done.returncode == 1, done.stderr
    assert "1-labels.nrrd cannot be written (the disk is full)" in done.stderr
    assert [path.name for path in (tmp_path / "short").iterdir()] == ["volumes.csv"]


@posix
def test_disk_full_while_a_cohort_copies_its_model_says_where_room_is_missing(cine, bundle, tmp_path):
    (tmp_path / "cohort").mkdir()
    cine.rename(tmp_path / "cohort" / cine.name)
    arguments = ["batch", str(tmp_path / "cohort"), "--out", str(tmp_path / "out"), "--model", str(bundle)]
    weights = (bundle / "weights.safetensors").stat().st_size

    done = limited([sys.executable, "-m", "CLSTMSegmentLib", *arguments], weights // 2)

    assert done.returncode == 1, done.stderr
    assert "a copy of the model cannot be written into" in done.stderr.splitlines()[-1]


@posix
def test_folder_that_cannot_be_written_is_named_before_anything_runs(cine, bundle, tmp_path):
    folder = tmp_path / "read only"
    folder.mkdir()
    folder.chmod(0o500)
    arguments = ["segment", str(cine), "-o", str(folder / "out.seq.nrrd"), "--model", str(bundle)]

    done = subprocess.run(
        obeying_permissions([sys.executable, "-m", "CLSTMSegmentLib", *arguments]),
        env=os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "read only" in done.stderr
    assert "frame 1 of" not in done.stderr
    assert not list(folder.iterdir())


def test_job_folder_that_cannot_be_made_is_an_error_at_the_start(bundle, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(OSError, match="file"):
        JobFolder.make(RunSettings(str(bundle)), ["0"], tmp_path / "file")


def test_model_written_on_a_full_disk_leaves_no_part_of_it(model, tmp_path, monkeypatch):
    def full(path, *_, **__):
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    monkeypatch.setattr(Path, "write_text", full)

    for name in ("mine", "new"):
        with pytest.raises(OSError, match="No space left"):
            write_bundle(model, model.weights, tmp_path / name)

    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "mine",
        str(Path("mine", "notes.txt")),
    ]


def test_model_added_on_a_full_disk_leaves_no_incomplete_copy(bundle, tmp_path, monkeypatch):
    def full(source, target, *rest, **more):
        Path(target).write_text("{", encoding="utf-8")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)

    with pytest.raises(OSError, match="No space left"):
        addModel(bundle / "model.json", tmp_path / "models")

    assert not list((tmp_path / "models").iterdir())


NAMES = ["Jürgen Müller", "médecin-été", "心臓 動画", "a b  c", "x" * 200, "100% [test] {1} #2 & 'q'"]


@pytest.mark.parametrize("name", NAMES)
def test_input_model_and_output_can_have_any_path(name, cine, bundle, tmp_path):
    folder = tmp_path / name / name[:50]
    folder.mkdir(parents=True)
    sequence = shutil.copy(cine, folder / f"{name[:60]}.seq.nrrd")
    shutil.copytree(bundle, folder / "model")
    others = [f"--{what}={folder / what}{end}" for what, end in (("measurements", ".csv"), ("report", ".json"))]

    for suffix in (".seq.nrrd", ".seq.mrb", ".nii.gz"):
        output = folder / f"out {name[:40]}{suffix}"
        status = main(["segment", str(sequence), "-o", str(output), f"--model={folder / 'model'}", *others, "--quiet"])
        assert status == 0
        assert output.stat().st_size > 0

    assert len(read_sequence(folder / f"out {name[:40]}.seq.nrrd")) == 3


@pytest.mark.parametrize("name", NAMES)
def test_job_folder_can_be_in_a_temporary_folder_of_any_name(name, bundle, phantom, tmp_path):
    (tmp_path / name).mkdir()
    settings, image = RunSettings(str(bundle), device="cpu"), phantom[0][0].image
    folder = JobFolder.make(settings, ["0"], tmp_path / name)

    folder.write_frame(0, image)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(folder.read_frame(0)), sitk.GetArrayFromImage(image))
    assert folder.settings() == settings
    folder.remove()
    assert not list((tmp_path / name).iterdir())


@posix
def test_installation_that_cannot_be_written_works(cine, tmp_path):
    """The administrator may own the folder, so that users cannot write to it."""
    installed = tmp_path / "installed"
    shutil.copytree(REPOSITORY / "CLSTMSegment", installed, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for path in [*installed.rglob("*"), installed]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(installed.rglob("*"))
    arguments = ["segment", str(cine), "-o", str(tmp_path / "out.seq.nrrd"), "--quiet", "--frames", "0"]

    done = subprocess.run(
        obeying_permissions([sys.executable, "-m", "CLSTMSegmentLib", *arguments]),
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert sorted(installed.rglob("*")) == before
    for path in [*installed.rglob("*"), installed]:
        path.chmod(0o755)


@pytest.fixture
def decimal_comma(tmp_path, monkeypatch):
    """The name of a locale with a decimal comma: an installed one, else one that is generated."""
    names = [name for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "German_Germany.1252") if _can_be_set(name)]
    if names:
        return names[0]
    if shutil.which("localedef") is not None:
        folder = tmp_path / "locales"
        folder.mkdir()
        making = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
        subprocess.run(making, capture_output=True, check=False)
        monkeypatch.setenv("LOCPATH", str(folder))
        if _can_be_set("de_DE.UTF-8"):
            return "de_DE.UTF-8"
    pytest.skip("no locale with a decimal comma is installed, and none can be generated")


@pytest.mark.parametrize("suffix", [".seq.nrrd", ".nii.gz", ".seq.mrb"])
def test_decimal_comma_of_the_locale_changes_nothing(suffix, cine, bundle, tmp_path, decimal_comma):
    outputs = []

    for name in ("C", decimal_comma):
        locale.setlocale(locale.LC_ALL, name)
        try:
            assert locale.localeconv()["decimal_point"] == ("." if name == "C" else ",")
            output, table = tmp_path / f"{name}{suffix}", tmp_path / f"{name}.csv"
            arguments = ["segment", str(cine), "-o", str(output), "--model", str(bundle), f"--measurements={table}"]
            assert main([*arguments, "--quiet"]) == 0
            assert locale.setlocale(locale.LC_NUMERIC) == name
            outputs.append((content_of(output), table.read_bytes()))
        finally:
            locale.setlocale(locale.LC_ALL, "C")

    assert outputs[0] == outputs[1]


def content_of(path):
    """Return the bytes of a file; of an archive, the bytes of its images."""
    if path.suffix != ".mrb":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        contents = [archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".nrrd")]
    assert contents
    return contents


def _can_be_set(name):
    try:
        locale.setlocale(locale.LC_ALL, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_ALL, "C")
    return True


def test_bundled_models_are_found_without_models_of_the_user():
    names = [load_model(source).name for source, _ in choosableModels(Path("nowhere"))]

    assert names == sorted(path.name for path in MODELS_FOLDER.iterdir() if path.is_dir())
