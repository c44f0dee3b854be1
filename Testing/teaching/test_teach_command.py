"""`clstm-segment teach`: a few annotated frames become a model, whatever interrupts it."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.cli.teach import read_annotations
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.own_folder import alone_in
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import named_segments
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.evaluation.metrics import dice
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.teaching.teaching_folders import check_nobody_teaches, teaching_folder
from CLSTMSegmentLib.teaching.teaching_settings import TeachingSettings
from CLSTMSegmentLib.teaching.training_set import TrainingSet, write_training_set
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER
from hook_phantom import hook_sequence
from worker.waiting import wait

from teaching.small_teaching import ANNOTATED, description_in


def index_of(frames):
    return SequenceIndex([frame.index_value for frame in frames], "time", "ms")


def write_files(folder, frames, truth, numbers):
    """Write a sequence, a folder with labels of some of its frames, and a folder for models."""
    write_sequence(folder / "hook.seq.nrrd", index_of(frames), [frame.image for frame in frames])
    for name in ("labels", "models"):
        (folder / name).mkdir()
    for number in numbers:
        sitk.WriteImage(truth[number], str(folder / "labels" / f"{number}.nrrd"))


@pytest.fixture
def files(hook, tmp_path):
    """The hook as a file, three frames of its labels in a folder, and a place for models."""
    write_files(tmp_path, *hook, ANNOTATED)
    return tmp_path


def arguments(folder, *more, minutes=0.05):
    return [
        *("teach", str(folder / "hook.seq.nrrd"), str(folder / "labels"), "--name", "hook", "--device", "cpu"),
        *("--models", str(folder / "models"), "--minutes", str(minutes), "--quiet", *more),
    ]


def test_what_is_odd_in_the_images_is_told_before_the_work(hook, files, capsys):
    images = [frame.image for frame in hook[0]]
    write_sequence(files / "hook.seq.nrrd", SequenceIndex(["12"] * len(images), "time", "ms"), images)
    (files / "labels" / "no-number.nrrd").write_bytes(b"")

    status = main(arguments(files))

    assert status == 2
    warning, error = capsys.readouterr().err.strip().splitlines()
    assert warning.startswith("clstm-segment: warning: ")
    assert "have the same index value as a frame before them" in warning
    assert "no-number.nrrd" in error


@pytest.mark.parametrize("picture", ["hook.seq.nrrd", "labels/0.nrrd"])
def test_picture_never_replaces_an_input(files, picture, capsys):
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert files / picture in before

    status = main(arguments(files, "--picture", str(files / picture)))

    assert status == 2
    assert "is an input and would be replaced" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("models/hook/model.json", "which the teaching job makes"),
        ("models/hook/new/picture.png", "which the teaching job makes"),
        ("nowhere/picture.png", "its folder does not exist"),
    ],
)
def test_place_of_the_picture_is_checked_before_the_job_and_is_never_in_the_new_model(files, picture, message, capsys):
    status = main(arguments(files, "--picture", str(files / picture)))

    assert status == 2
    assert message in capsys.readouterr().err
    assert list((files / "models").iterdir()) == []


@pytest.mark.slow
def test_four_annotated_frames_teach_a_shape_that_no_model_knows(tmp_path):
    """What the README promises: ten minutes on two cores."""
    frames, truth = hook_sequence(3)
    write_files(tmp_path, frames, truth, (0, 3, 6, 9))
    began = time.monotonic()

    assert main(arguments(tmp_path, "--picture", str(tmp_path / "hook.png"), minutes=8)) == 0
    print(f"taught in {time.monotonic() - began:.0f} s")
    model = load_model(tmp_path / "models" / "hook")
    print(model.scores)
    results = list(Segmenter(model, RunSettings(device="cpu")).segment(frames))

    found = [dice(result.labels, truth[result.number], 1) for result in results]
    print("Dice:", *(f"{value:.3f}" for value in found))
    assert min(value for t, value in enumerate(found) if t % 3) >= 0.9


def test_short_teaching_job_leaves_a_model_that_says_what_it_is_worth(files, few_steps, capsys):
    assert main(arguments(files, "--segments", "Hook", "--picture", str(files / "p.png"))) == 0
    printed = capsys.readouterr().out
    model = load_model(files / "models" / "hook")

    assert "Began with random weights" in printed
    assert printed.count("of the held-out frames") == 3
    assert [segment.name for segment in model.segments] == ["Hook"]
    assert model.components == "largest"
    assert "had not learnt from these frames" in model.scores["Dice of held-out frames"]
    assert not teaching_folder(files / "models", "hook").exists()
    assert sitk.ReadImage(str(files / "p.png")).GetSize()[1] >= 256
    assert main(arguments(files)) == 2  # the name is taken
    assert "there is a model 'hook'" in capsys.readouterr().err


def test_propagated_frames_without_a_flag_are_learnt_from_too(few_steps, tmp_path, monkeypatch, capsys):
    write_files(tmp_path, *heart_sequence(5, frames=6, shape=(8, 48, 48), spacing=(8.0, 4.0, 4.0)), (0,))
    trainingSets = []
    monkeypatch.setattr(
        "CLSTMSegmentLib.cli.teach.write_training_set",
        lambda *given: trainingSets.append(write_training_set(*given)) or trainingSets[-1],
    )

    assert main(arguments(tmp_path, "--propagate", "--cyclic", "--whole", "all")) == 0

    (trainingSet,) = trainingSets
    assert trainingSet.drawn == [0]
    assert [frame.number for frame in trainingSet.frames] == list(range(6))
    assert {frame.mark for frame in trainingSet.frames} == {"whole"}
    assert "5 propagated frames are learnt from too, and 0 are not" in capsys.readouterr().out


def test_label_files_whose_headers_name_one_label_differently_are_refused_before_the_work(files, hook, capsys):
    for number, name in zip(ANNOTATED, ("Hook", "Eye", "Hook"), strict=False):
        labels = hook[1][number] + 0
        labels.SetMetaData("Segment0_Name", name)
        labels.SetMetaData("Segment0_LabelValue", "1")
        sitk.WriteImage(labels, str(files / "labels" / f"{number}.nrrd"))

    status = main(arguments(files))

    assert status == 2
    assert "contradict each other: label 1 is Hook in the first one, and label 1 is Eye" in capsys.readouterr().err
    assert list((files / "models").iterdir()) == []


def test_cyclic_without_a_propagation_is_refused(files, capsys):
    assert main(arguments(files, "--cyclic")) == 2

    assert "give --propagate too" in capsys.readouterr().err


def test_name_that_is_taken_is_refused_before_anything_is_written(files, capsys):
    (files / "models" / "hook").mkdir()

    status = main(arguments(files))

    assert status == 2
    assert "there is a model 'hook'" in capsys.readouterr().err
    assert [path.name for path in (files / "models").iterdir()] == ["hook"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right that users of Windows do not have")
def test_name_that_a_link_to_nothing_has_is_taken(files, capsys):
    link = files / "models" / "hook"
    link.symlink_to(files / "missing")

    status = main(arguments(files))

    assert status == 2
    assert "there is a model 'hook'" in capsys.readouterr().err
    assert list((files / "models").iterdir()) == [link]
    assert link.is_symlink()


def test_what_is_left_of_a_job_that_was_killed_when_its_model_was_finished_is_named(files, capsys):
    (files / "models" / "hook").mkdir()
    left = teaching_folder(files / "models", "hook")
    left.mkdir()

    status = main(arguments(files, "--resume"))

    assert status == 2
    assert f"remove {left}" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_teaching_job_is_resumed_only_when_that_is_asked_for(files, bundle):
    command = [sys.executable, "-m", "CLSTMSegmentLib", *arguments(files, "--initial", str(bundle))]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    folder = teaching_folder(files / "models", "hook")
    wait((folder / "fold-2" / "checkpoint.pt").exists, patience_s=120)
    process.kill()
    process.wait()
    before = (folder / "fold-1" / "checkpoint.pt").stat().st_mtime_ns

    anew = main(arguments(files))
    between = (folder / "fold-1" / "checkpoint.pt").stat().st_mtime_ns
    resumed = main(arguments(files, "--resume"))

    assert (anew, resumed) == (2, 0)
    assert between == before
    assert load_model(files / "models" / "hook").build_network() is not None


@pytest.mark.parametrize(
    "words",
    [
        ("--segments", "Other"),
        ("--ejecting-chamber", "Hook"),
        ("--initial", "cardiac-cine-lv"),
        ("--minutes", "3"),
        ("--device", "cuda"),
        ("--no-check",),
        ("--whole", "all"),
        ("--slices", "0"),
        ("--partly", "0,6"),
        ("--cyclic",),
    ],
    ids=" ".join,
)
def test_option_with_which_a_job_was_not_begun_is_refused_when_it_is_resumed(words, files, capsys):
    folder = teaching_folder(files / "models", "hook")
    frames = read_sequence(files / "hook.seq.nrrd")
    settings = TeachingSettings("hook", named_segments(["Hook"]), minutes=0.05, device="cpu")
    write_training_set(folder, settings, [(frames, read_annotations(files / "labels", frames))])
    before = sorted(folder.rglob("*"))

    status = main(["teach", "--name", "hook", "--models", str(files / "models"), "--resume", *words])

    assert status == 2
    assert f"{words[0]} is not what the teaching job" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_name_that_leads_elsewhere_is_refused(files, capsys):
    assert main([argument if argument != "hook" else "../hook" for argument in arguments(files)]) == 2

    assert "a model's name is letters" in capsys.readouterr().err
    assert sorted(path.name for path in files.iterdir()) == ["hook.seq.nrrd", "labels", "models"]


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"spacing": [1e-6, 1e-6, 1e-6]}, "is the model for images of this resolution"),
        ({"spacing": [0.02, 0.02, 0.02]}, "is the model for images of this resolution"),
        ({"spacing": [900, 900, 900]}, "what is annotated is too small"),
        ({"smallest": [512, 512, 512]}, "too much to teach on this device"),
    ],
)
def test_initial_model_of_another_resolution_is_refused_and_leaves_nothing(geometry, message, files, bundle, capsys):
    shutil.copytree(bundle, files / "initial")
    description = description_in(files / "initial")
    description["geometry"] |= geometry
    (files / "initial" / "model.json").write_text(json.dumps(description), encoding="utf-8")

    status = main(arguments(files, "--initial", str(files / "initial")))

    assert status == 2
    assert message in capsys.readouterr().err
    assert list((files / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "ejects"), [((), [False]), (("--segments", "Ventricle", "--ejecting-chamber", "Ventricle"), [True])]
)
def test_option_makes_a_segment_of_the_new_model_an_ejecting_chamber(options, ejects, files, few_steps, bundle):
    assert main(arguments(files, "--initial", str(bundle), "--no-check", *options)) == 0

    segments = description_in(files / "models" / "hook")["segments"]
    assert [segment["ejecting_chamber"] for segment in segments] == ejects


def test_ejecting_chamber_that_is_no_segment_is_refused(files, capsys):
    assert main(arguments(files, "--segments", "Hook", "--ejecting-chamber", "Atrium")) == 2

    assert "ejecting chamber Atrium: the segments are Hook" in capsys.readouterr().err
    assert list((files / "models").iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--segments", "Hook,Eye,Scar")])
def test_segment_that_is_drawn_in_no_frame_is_refused(options, files, capsys):
    for path in (files / "labels").iterdir():
        sitk.WriteImage(sitk.ReadImage(str(path)) * 3, str(path))

    assert main(arguments(files, *options)) == 2

    assert "(label 1), so that nothing could be learnt of it" in capsys.readouterr().err
    assert list((files / "models").iterdir()) == []


def test_frames_that_are_all_drawn_in_part_are_refused(files, capsys):
    assert main(arguments(files, "--partly", "all")) == 2

    assert "nothing says where there is no segment: draw one frame completely" in capsys.readouterr().err


def test_job_at_which_somebody_is_at_work_is_not_taken_for_an_unfinished_one(files, capsys):
    folder = teaching_folder(files / "models", "hook")
    folder.mkdir()

    with alone_in(folder, "teaching job"):
        assert main(arguments(files)) == 2

    error = capsys.readouterr().err
    assert "another teaching job is at work" in error
    assert "--resume" not in error


def test_settings_that_matplotlib_cannot_read_are_said_before_images_are_written(files):
    command = [sys.executable, "-m", "CLSTMSegmentLib", *arguments(files)]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER), "MPLBACKEND": "nonsense"}

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "the variable MPLBACKEND" in ended.stderr
    assert list((files / "models").iterdir()) == []


def test_somebody_is_at_the_job_before_its_first_step(files, monkeypatch):
    seen = []

    def see(folder, *_):
        with pytest.raises(InputError, match="another teaching job is at work"):
            check_nobody_teaches(folder)
        seen.append(folder)
        raise InputError("the rest of the job is not of interest here")

    monkeypatch.setattr("CLSTMSegmentLib.teaching.teaching_job.teach", see)

    assert main(arguments(files)) == 2
    assert len(seen) == 1
    assert not seen[0].exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_images_of_a_job_in_a_shared_folder_are_for_its_user_alone(hook, tmp_path):
    frames, truth = hook
    settings = TeachingSettings("hook", named_segments(["Hook"]))

    training_set = write_training_set(tmp_path / "job", settings, [(frames, {2: truth[2]})])

    assert training_set.folder.stat().st_mode & 0o077 == 0


def test_options_say_how_complete_the_annotation_of_a_frame_is(files, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("CLSTMSegmentLib.teaching.teaching_job.teach", interrupted)

    assert main(arguments(files, "--whole", "0", "--slices", "4")) == 1

    assert "the teaching job is not finished: give --resume to go on, or remove" in capsys.readouterr().err
    training_set = TrainingSet.read(teaching_folder(files / "models", "hook"))
    assert {frame.number: frame.mark for frame in training_set.frames} == {0: "whole", 2: "drawn", 4: "slices"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--whole", "0", "--partly", "0"), "frame 0 is both in --whole and in --partly"),
        (("--whole", "4", "--slices", "all"), "frame 4 is both in --whole and in --slices"),
    ],
)
def test_frame_that_has_two_marks_is_refused(options, message, files, capsys):
    assert main(arguments(files, *options)) == 2

    assert message in capsys.readouterr().err
    assert list((files / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("option", "message"),
    [("1", "frame 1 is not annotated"), ("first", "give frame numbers such as 0,12, or all")],
)
def test_mark_of_a_frame_that_is_not_annotated_is_refused(option, message, files, capsys):
    assert main(arguments(files, "--partly", option)) == 2

    assert message in capsys.readouterr().err
    assert list((files / "models").iterdir()) == []


def test_mark_of_a_frame_is_refused_where_its_number_is_in_the_name_of_another_image(hook, files, capsys):
    (files / "images").mkdir()
    for n, frame in enumerate(hook[0]):
        sitk.WriteImage(frame.image, str(files / "images" / f"image{n + 1:02d}.nrrd"))
    for number in ANNOTATED:
        (files / "labels" / f"{number}.nrrd").rename(files / "labels" / f"image{number + 1:02d}.nrrd")
    images = [str(files / "images") if given.endswith("hook.seq.nrrd") else given for given in arguments(files)]

    assert main([*images, "--whole", str(ANNOTATED[1])]) == 2

    error = f"{ANNOTATED[1]} may be frame {ANNOTATED[1]}, counted from 0, or image{ANNOTATED[1]:02d}.nrrd"
    assert error in capsys.readouterr().err


def test_empty_frames_of_a_label_sequence_are_not_annotated(hook, files):
    frames, truth = hook
    labels = [image if n in ANNOTATED else image * 0 for n, image in enumerate(truth)]
    write_sequence(files / "labels.seq.nrrd", index_of(frames), labels)

    images = read_sequence(files / "hook.seq.nrrd")

    assert sorted(read_annotations(files / "labels.seq.nrrd", images)) == list(ANNOTATED)
    assert sorted(read_annotations(files / "labels", images)) == list(ANNOTATED)
