"""Results are never written over an input, over each other, or over a file of somebody else."""

import os
import shutil

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.plain_files import read_text
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.image_files import write_image
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from conftest import REPOSITORY


@pytest.fixture
def folder(bundle, tmp_path, monkeypatch):
    """The current folder, with the sequence `cine.seq.nrrd` and a model `tiny` in it."""
    frames, _ = heart_sequence(0, 3, (8, 32, 32), (8.0, 4.0, 4.0))
    index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
    write_sequence(tmp_path / "cine.seq.nrrd", index, [frame.image for frame in frames])
    shutil.copytree(bundle, tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def segment(*options):
    return main(["segment", "cine.seq.nrrd", "--model", "tiny", "--device", "cpu", "--quiet", *options])


def batch(*options):
    return main(["batch", *options, "--model", "tiny", "--device", "cpu", "--quiet"])


@pytest.mark.parametrize("option", ["--measurements", "--report", "--preview"])
@pytest.mark.parametrize("name", [".clstm-segment-files", ".CLSTM-Segment-Files", ".clstm-segment-owner"])
def test_file_in_which_results_are_recorded_is_never_replaced(folder, option, name, capsys):
    (folder / ".clstm-segment-files").write_text('{"one.json": null}', encoding="utf-8")
    before = contents(folder)

    status = segment("-o", "out.seq.nrrd", option, name)

    assert status == 2
    assert "kept for files of this program" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "cine.seq.nrrd"),
        ("-o", "./sub/../cine.seq.nrrd"),
        ("-o", "link.seq.nrrd"),
        ("-o", "hard-link.seq.nrrd"),
        ("-o", "out.seq.nrrd", "--measurements", "cine.seq.nrrd"),
        ("-o", "out.seq.nrrd", "--report", "cine.seq.nrrd"),
        ("-o", "out.seq.nrrd", "--preview", "cine.seq.nrrd"),
        ("-o", "out.seq.nrrd", "--report", "tiny/model.json"),
        ("-o", "out.seq.nrrd", "--report", "tiny/weights.safetensors"),
    ],
    ids=" ".join,
)
def test_input_is_never_replaced_by_a_result(folder, options, capsys):
    (folder / "sub").mkdir()
    (folder / "link.seq.nrrd").symlink_to(folder / "cine.seq.nrrd")
    os.link(folder / "cine.seq.nrrd", folder / "hard-link.seq.nrrd")
    before = contents(folder)

    status = segment(*options)

    assert status == 2
    assert "is an input and would be replaced: choose another place" in capsys.readouterr().err
    assert contents(folder) == before


def test_bundled_model_is_never_replaced_by_a_result(folder, bundle, monkeypatch, capsys):
    shutil.copytree(bundle, folder / "models" / "ours")
    monkeypatch.setattr("CLSTMSegmentLib.model.bundle.MODELS_FOLDER", folder / "models")
    before = contents(folder)

    status = segment("--model", "ours", "-o", "out.seq.nrrd", "--report", "models/ours/model.json")

    assert status == 2
    assert "is an input and would be replaced" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "out.nii.gz", "--measurements", "out.nii.gz"),
        ("-o", "out.nii.gz", "--measurements", "OUT.nii.gz"),
        ("-o", "out.nii.gz", "--report", "a.json", "--preview", "tiny/../a.json"),
    ],
    ids=" ".join,
)
def test_two_results_of_one_place_are_refused(folder, options, capsys):
    before = contents(folder)

    status = segment(*options)

    assert status == 2
    assert "two results have the same place" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_pipe_is_not_replaced_by_a_file(folder, capsys):
    os.mkfifo(folder / "report.json")

    status = segment("-o", "out.seq.nrrd", "--report", "report.json")

    assert status == 2
    assert "report.json is a device or a pipe" in capsys.readouterr().err
    assert (folder / "report.json").is_fifo()
    assert not (folder / "out.seq.nrrd").exists()


def test_cohort_does_not_replace_its_inputs(folder, capsys):
    (folder / "inputs").mkdir()
    shutil.move(folder / "cine.seq.nrrd", folder / "inputs")
    before = contents(folder)

    status = batch("inputs", "--out", "inputs")

    assert status == 2
    assert "is an input and would be replaced" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["cine.json", "summary.csv", "overview.png", "cine.seq.nrrd"])
@pytest.mark.parametrize("resume", [(), ("--resume",)], ids=["", "resume"])
def test_cohort_does_not_replace_a_file_that_no_cohort_wrote(folder, name, resume, capsys):
    (folder / "inputs").mkdir()
    shutil.move(folder / "cine.seq.nrrd", folder / "inputs")
    (folder / "out").mkdir()
    (folder / "out" / name).write_text("of the user", encoding="utf-8")
    before = contents(folder)

    status = batch("inputs", "--out", "out", *resume)

    assert status == 2
    assert f"{name} exists, and no cohort wrote it" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize("place", ["a file", "a file/new", "a file/new/newer"])
@pytest.mark.parametrize(
    "words",
    [
        ("batch", "in", "--model", "tiny", "--out"),
        ("demo", "--out"),
        ("train", "recipe.toml", "--out"),
        ("teach", "cine.seq.nrrd", "cine.seq.nrrd", "--name", "a", "--models"),
        ("model", "import", "published.pth", "-o"),
    ],
    ids=lambda words: words[0],
)
def test_folder_that_cannot_be_made_is_named_before_the_work(folder, words, place, capsys):
    (folder / "in").mkdir()
    shutil.copy(folder / "cine.seq.nrrd", folder / "in")
    (folder / "recipe.toml").write_text(read_text(REPOSITORY / "recipes" / "airway-phantom.toml"), encoding="utf-8")
    (folder / "a file").write_bytes(b"of the user")
    before = contents(folder)

    status = main([*words, place])

    assert status == 2
    error = capsys.readouterr().err
    assert f"{place} cannot be written: its folder is no folder" in error
    assert len(error.splitlines()) == 1
    assert contents(folder) == before


@pytest.fixture
def images(folder):
    """A folder with each frame of the sequence as a file."""
    (folder / "images").mkdir()
    for number, frame in enumerate(read_sequence(folder / "cine.seq.nrrd")):
        write_image(folder / "images" / f"{number}.nii.gz", frame.image)
    return folder / "images"


def segment_images(output):
    return main(["segment", "images", "-o", f"images/{output}", "--model", "tiny", "--device", "cpu", "--quiet"])


@pytest.mark.parametrize("outputs", [("labels.nii.gz", "labels.nii.gz"), ("a.seq.nrrd", "b.nii.gz")])
def test_labels_in_the_folder_of_their_images_are_no_input_of_the_next_run(outputs, images):
    statuses = [segment_images(output) for output in outputs]

    assert statuses == [0, 0]
    assert len(read_sequence(images / outputs[1])) == 3


def test_propagated_labels_in_the_folder_of_their_images_are_no_input_of_the_next_run(images, folder):
    first = next(iter(read_sequence(images))).image
    write_image(folder / "drawn.nrrd", sitk.Cast(first > sitk.GetArrayViewFromImage(first).mean(), sitk.sitkUInt8))
    command = ["propagate", "images", "drawn.nrrd", "--frame", "0", "-o", "images/3.nii.gz", "--quiet"]

    statuses = [main(command), main(command), segment_images("4.nii.gz")]

    assert statuses == [0, 0, 0]
    assert len(read_sequence(images / "4.nii.gz")) == 3


def test_file_of_the_user_in_the_place_of_earlier_labels_is_an_input(images, capsys):
    segment_images("3.nii.gz")
    shutil.copy(images / "0.nii.gz", images / "3.nii.gz")
    before = contents(images)

    status = segment_images("3.nii.gz")

    assert status == 2
    assert "3.nii.gz is an input and would be replaced" in capsys.readouterr().err
    assert contents(images) == before


def test_sequences_beside_the_frames_of_another_one_are_refused(images, folder, capsys):
    write_image(images / "another.nii.gz", sitk.JoinSeries([frame.image for frame in read_sequence(images)]))

    status = segment_images("out.seq.nrrd")

    assert status == 2
    assert (
        "images holds sequences (such as another.nii.gz) beside 3 single images: give the file"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["loop", "gone", "a\0b"], ids=ascii)
def test_folder_that_is_a_broken_link_or_no_name_is_refused(folder, name, capsys):
    (folder / "in").mkdir()
    shutil.move(folder / "cine.seq.nrrd", folder / "in")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "gone").symlink_to(folder / "nowhere")
    before = contents(folder)

    status = batch("in", "--out", name)

    assert status == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert contents(folder) == before


@pytest.mark.parametrize("output", ["loop.seq.nrrd", "loop.seq.nrrd/o.seq.nrrd"])
def test_link_that_leads_in_a_circle_is_refused(folder, output, capsys):
    (folder / "loop.seq.nrrd").symlink_to(folder / "loop.seq.nrrd")

    status = segment("-o", output)

    assert status == 2
    assert "leads in a circle" in capsys.readouterr().err


def test_results_in_a_folder_of_images_are_replaced_by_those_of_the_next_run(folder):
    (folder / "images").mkdir()
    for number, frame in enumerate(read_sequence(folder / "cine.seq.nrrd")):
        write_image(folder / "images" / f"{number}.nrrd", frame.image)
    options = ("--model", "tiny", "--device", "cpu", "--quiet", "--report", "images/report.json")

    statuses = [main(["segment", "images", "-o", "out.seq.nrrd", *options]) for _ in range(2)]

    assert statuses == [0, 0]


def test_cohort_in_a_folder_of_its_inputs_is_resumed(folder):
    statuses = [batch(".", "--out", "results", *resume) for resume in ((), ("--resume",))]

    assert statuses == [0, 0]
    assert (folder / "results" / "cine.seq.nrrd").exists()


def test_image_of_the_user_with_the_name_of_earlier_labels_is_an_input(folder):
    data, frames = folder / "data", read_sequence(folder / "cine.seq.nrrd")
    image = sitk.JoinSeries([frame.image for frame in frames][:2])
    data.mkdir()
    for name in ("a", "b"):
        write_image(data / f"{name}.nii.gz", image)
    assert batch("data", "--out", "data") == 0
    for name in ("a.nii.gz", "a.json", "a.seq.nrrd"):
        (data / name).unlink()
    shutil.copy(folder / "cine.seq.nrrd", data / "a.seq.nrrd")

    assert batch("data", "--out", "new") == 0

    rows = (folder / "new" / "summary.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == {"a", "b"}
