"""A cohort that is resumed keeps results that still hold, and no others."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.own_folder import alone_in
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import load_model, model_digest, write_bundle
from CLSTMSegmentLib.pipeline.cohort_table import CohortSequence
from CLSTMSegmentLib.pipeline.output_paths import RECORD
from CLSTMSegmentLib.pipeline.result_files import Outputs
from CLSTMSegmentLib.pipeline.segment_to_files import segment_to_files


@pytest.fixture
def sequence(cine, tmp_path):
    """A sequence of a cohort, in files of its own."""
    (tmp_path / "out").mkdir()
    outputs = Outputs(tmp_path / "out" / "cine.seq.nrrd", report=tmp_path / "out" / "cine.json")
    return CohortSequence("cine", Path(shutil.copy(cine, tmp_path)), outputs)


@pytest.fixture
def finished(sequence, settings):
    """The sequence after a run over two of its frames."""
    segment_to_files(replace(settings, frames="0,3"), sequence.input, sequence.outputs)
    return sequence


def row_of(sequence, settings, **changes):
    model = load_model(changes.get("model", settings.model))
    settings = replace(settings, **{"frames": "0,3"} | changes)
    return sequence.finished_row(model.segments, model_digest(model), settings)


def rewrite(path, change):
    """Change the images of a sequence file."""
    frames = list(read_sequence(path))
    index = read_sequence(path).index
    write_sequence(path, index, [change(frame.image) for frame in frames])


def one_voxel_more(image):
    voxels = sitk.GetArrayFromImage(image)
    voxels[2, 3, 4] += 1
    changed = sitk.GetImageFromArray(voxels)
    changed.CopyInformation(image)
    return changed


def moved(image):
    image = sitk.Image(image)
    image.SetOrigin(np.add(image.GetOrigin(), 1.0).tolist())
    return image


def test_result_is_kept_whatever_the_device_and_the_ram_and_wherever_model_and_input_are(finished, settings, tmp_path):
    model = load_model(settings.model)
    write_bundle(model, model.build_network().state_dict(), tmp_path / "copy of the model")
    (tmp_path / "moved").mkdir()
    elsewhere = replace(finished, input=finished.input.rename(tmp_path / "moved" / "cine.seq.nrrd"))

    row = row_of(elsewhere, settings, model=str(tmp_path / "copy of the model"), device="auto", ram_gb=64.0)

    assert row.curve.numbers == [0, 3]
    assert row.error == ""


@pytest.mark.parametrize("change", [one_voxel_more, moved])
def test_result_of_an_input_that_has_changed_is_not_kept(change, finished, settings):
    rewrite(finished.input, change)

    assert row_of(finished, settings) is None


@pytest.mark.parametrize("change", [{"name": "phase"}, {"unit": "%"}, {"type": "text"}])
def test_result_of_an_input_whose_index_means_something_else_now_is_not_kept(change, finished, settings):
    frames = read_sequence(finished.input)
    write_sequence(finished.input, replace(frames.index, **change), [frame.image for frame in frames])

    assert row_of(finished, settings) is None


@pytest.mark.parametrize("bytes_left", [0, 100, 2000])
def test_result_with_truncated_labels_is_not_kept(bytes_left, finished, settings):
    labels = finished.outputs.labels
    content = labels.read_bytes()

    labels.write_bytes(content[:bytes_left])

    assert row_of(finished, settings) is None


def test_labels_that_the_user_edited_are_never_replaced(finished, settings):
    rewrite(finished.outputs.labels, one_voxel_more)

    with pytest.raises(InputError, match="was changed after the run"):
        row_of(finished, settings)


def as_text(path):
    path.write_text("remember to call the patient", encoding="utf-8")


def with_a_line_more(path):
    path.write_bytes(path.read_bytes() + b"\nof the user")


def with_another_end(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 40] + bytes(40))


def as_one_image(path):
    image = sitk.Image([5, 4, 3], sitk.sitkUInt8)
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("change", [as_text, with_a_line_more, with_another_end, as_one_image])
def test_file_of_somebody_else_with_the_name_of_the_labels_is_never_replaced(change, finished, settings):
    change(finished.outputs.labels)

    with pytest.raises(InputError, match=r"cine\.seq\.nrrd was changed after the run"):
        row_of(finished, settings)


@pytest.mark.parametrize("labels", ["there", "changed", "removed"])
def test_report_that_the_user_edited_is_never_replaced(labels, finished, settings):
    report = json.loads(finished.outputs.report.read_text(encoding="utf-8"))
    finished.outputs.report.write_text(json.dumps(report | {"note": "looked at on Monday"}), encoding="utf-8")
    if labels == "removed":
        finished.outputs.labels.unlink()
    if labels == "changed":
        finished.outputs.labels.write_bytes(b"")

    with pytest.raises(InputError, match=r"cine\.json cannot be used \(it was changed after the run\)"):
        row_of(finished, settings)


def arguments_in(folder, bundle):
    """Return the arguments of a cohort with the sequences in `in` and the results in `out`."""
    arguments = ["batch", str(folder / "in"), "--out", str(folder / "out"), "--model", str(bundle), "--quiet"]
    return [*arguments, "--frames", "0", "--device", "cpu"]


@pytest.fixture(scope="session")
def finished_cohort(cine, bundle, tmp_path_factory):
    """The folder of a cohort of one sequence that is finished; a worker took seconds to start for it."""
    folder = tmp_path_factory.mktemp("finished cohort")
    (folder / "in").mkdir()
    shutil.copy(cine, folder / "in" / "one.seq.nrrd")
    assert main(arguments_in(folder, bundle)) == 0
    return folder


@pytest.fixture
def cohort(finished_cohort, bundle, tmp_path):
    """The arguments of a cohort of one sequence, which is finished in the folder `out`."""
    shutil.copytree(finished_cohort, tmp_path, dirs_exist_ok=True)
    return arguments_in(tmp_path, bundle)


def test_resume_replaces_the_summary_that_a_cohort_wrote_as_often_as_it_likes(cohort, tmp_path):
    for _ in range(2):
        (tmp_path / "out" / "one.seq.nrrd").write_bytes(b"")

        assert main([*cohort, "--resume"]) == 0

    assert (tmp_path / "out" / "one.seq.nrrd").stat().st_size > 0


@pytest.mark.parametrize("name", ["summary.csv", "overview.png"])
def test_summary_that_the_user_edited_is_never_replaced(name, cohort, tmp_path, capsys):
    with (tmp_path / "out" / name).open("ab") as file:
        file.write(b"heart 77,measured by hand\r\n")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    status = main([*cohort, "--resume"])

    assert status == 2
    assert f"{name} was changed after a cohort wrote it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_summary_of_another_cohort_is_replaced_only_when_that_is_asked_for(cohort, tmp_path, capsys):
    (tmp_path / "in" / "one.seq.nrrd").rename(tmp_path / "in" / "other.seq.nrrd")
    before = (tmp_path / "out" / "summary.csv").read_bytes()

    status = main(cohort)

    assert status == 2
    assert "contains results already (summary.csv)" in capsys.readouterr().err
    assert (tmp_path / "out" / "summary.csv").read_bytes() == before

    assert main([*cohort, "--resume"]) == 0

    assert "summary.csv and overview.png no longer show one, which" in capsys.readouterr().out
    assert (tmp_path / "out" / "one.seq.nrrd").exists()


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe", b'{"one.json": 5}', b"5"])
def test_record_of_the_files_that_is_damaged_is_named(content, cohort, tmp_path, capsys):
    (tmp_path / "out" / RECORD).write_bytes(content)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    status = main([*cohort, "--resume"])

    assert status == 2
    assert RECORD in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_second_cohort_in_the_same_folder_waits_for_the_first(cohort, tmp_path, capsys):
    with alone_in(tmp_path / "out", "cohort"):
        status = main([*cohort, "--resume"])

    assert status == 2
    assert "another cohort is at work in" in capsys.readouterr().err
    assert main([*cohort, "--resume"]) == 0
    assert list((tmp_path / "out").glob(".clstm-segment-*/")) == []


def test_file_that_takes_a_name_after_a_cohort_was_refused_is_never_replaced(cohort, tmp_path, capsys):
    shutil.copy(tmp_path / "in" / "one.seq.nrrd", tmp_path / "in" / "two.seq.nrrd")
    assert main(cohort) == 2  # the results of `one` are there
    (tmp_path / "out" / "two.json").write_text("of the user", encoding="utf-8")

    status = main([*cohort, "--resume"])

    assert status == 2
    assert "two.json" in capsys.readouterr().err
    assert (tmp_path / "out" / "two.json").read_text(encoding="utf-8") == "of the user"


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_labels_without_their_report_are_never_replaced(cohort, tmp_path, capsys, resume):
    out = tmp_path / "out"
    (out / "one.json").unlink()
    labels = (out / "one.seq.nrrd").read_bytes()

    status = main([*cohort, *resume])

    assert status == 2
    assert "not its report one.json" in capsys.readouterr().err
    assert (out / "one.seq.nrrd").read_bytes() == labels


def test_result_of_another_model_is_refused(finished, settings, tmp_path):
    model = load_model(settings.model)
    weights = {key: value * 1.001 for key, value in model.build_network().state_dict().items()}
    write_bundle(replace(model, version="2"), model.build_network().state_dict(), tmp_path / "version 2")
    write_bundle(model, weights, tmp_path / "other weights")

    for name in ("version 2", "other weights"):
        with pytest.raises(InputError, match=r"is a result of another model \(small, version 1\)"):
            row_of(finished, settings, model=str(tmp_path / name))


@pytest.mark.parametrize(
    "change", [{"frames": "all"}, {"tile": (8, 32, 32)}, {"state_rule": "reset"}, {"warm_up_frames": 1}], ids=str
)
def test_result_of_other_settings_is_refused(change, finished, settings):
    with pytest.raises(InputError, match="is a result of a run with other settings"):
        row_of(finished, settings, **change)


def test_labels_that_a_killed_worker_of_the_same_cohort_left_without_a_report_are_replaced(finished, settings):
    finished.outputs.report.unlink()

    with pytest.raises(InputError, match="but not its report"):
        row_of(finished, settings)
    assert row_of(replace(finished, interrupted=True), settings) is None


def test_report_that_does_not_say_what_it_was_made_from_is_refused(finished, settings):
    report = json.loads(finished.outputs.report.read_text(encoding="utf-8"))
    finished.outputs.report.write_text(json.dumps(report | {"sha256": None}), encoding="utf-8")

    with pytest.raises(InputError, match="does not say what it was made from"):
        row_of(finished, settings)


def test_resumed_cohort_segments_again_what_has_changed_and_says_so(cine, bundle, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("changed", "kept", "truncated"):
        shutil.copy(cine, tmp_path / "in" / f"{name}.seq.nrrd")
    arguments = arguments_in(tmp_path, bundle)
    assert main(arguments) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.seq.nrrd")}
    modified = (tmp_path / "out" / "kept.seq.nrrd").stat().st_mtime_ns
    rewrite(tmp_path / "in" / "changed.seq.nrrd", moved)
    (tmp_path / "out" / "truncated.seq.nrrd").write_bytes(before["truncated.seq.nrrd"][:200])

    status = main([*arguments, "--resume"])

    assert status == 0
    printed = capsys.readouterr().out
    assert "changed: segmented again" in printed
    assert "truncated: segmented again" in printed
    assert "kept: segmented again" not in printed
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.seq.nrrd")}
    assert after["truncated.seq.nrrd"] == before["truncated.seq.nrrd"]
    assert after["changed.seq.nrrd"] != before["changed.seq.nrrd"]
    assert (tmp_path / "out" / "kept.seq.nrrd").stat().st_mtime_ns == modified


def test_resume_that_is_refused_leaves_every_file_as_it_was(cohort, tmp_path, capsys):
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    status = main([*cohort, "--frames", "1", "--resume"])

    assert status == 2
    assert "is a result of a run with other settings" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
