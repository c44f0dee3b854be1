"""Teaching: a few annotated frames become a model, whatever interrupts it."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.evaluation.metrics import dice
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.teaching import teacher as teaching
from CLSTMSegmentLib.teaching.preparing import geometry_of, model_for, taught_sequence
from CLSTMSegmentLib.teaching.teacher import parts_of, planned
from CLSTMSegmentLib.teaching.training_set import Lesson, lesson_folder, write_lesson
from CLSTMSegmentLib.training.sparse_labels import UNKNOWN
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER
from hook_phantom import SMALL, hook_sequence
from model.published_state_dict import random_published_weights
from worker.waiting import wait

DRAWN = (0, 2, 4)


@pytest.fixture(scope="module")
def hook():
    """Six frames of a hook, and their true labels."""
    return hook_sequence(3, 6, *SMALL)


@pytest.fixture
def files(hook, tmp_path):
    """The hook as a file, three frames of its labels in a folder, and a place for models."""
    write_files(tmp_path, *hook, DRAWN)
    return tmp_path


@pytest.fixture
def few_steps(monkeypatch):
    """Lessons of eight steps a part, whatever the time."""
    monkeypatch.setattr(teaching, "STEPS", (8, 8))


def write_files(folder, frames, truth, drawn):
    index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
    write_sequence(folder / "hook.seq.nrrd", index, [frame.image for frame in frames])
    for name in ("labels", "models"):
        (folder / name).mkdir()
    for number in drawn:
        sitk.WriteImage(truth[number], str(folder / "labels" / f"{number}.nrrd"))


def arguments(folder, *more, minutes=0.05):
    return [
        *("teach", str(folder / "hook.seq.nrrd"), str(folder / "labels"), "--name", "hook", "--device", "cpu"),
        *("--models", str(folder / "models"), "--minutes", str(minutes), "--quiet", *more),
    ]


def one_segment():
    return (Segment("hook", "Hook", PALETTE[0]),)


def lesson_in(folder, frames, annotations, marks=None, **options):
    return write_lesson(folder, Lesson("hook", one_segment(), **options), [(frames, annotations)], marks)


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
    results = list(Segmenter(model, "cpu").segment(frames))
    found = [dice(result.labels, truth[result.number], 1) for result in results]
    print("Dice:", *(f"{value:.3f}" for value in found))
    assert min(value for t, value in enumerate(found) if t % 3) >= 0.9


def test_short_lesson_learns_and_leaves_a_model_that_says_what_it_is_worth(files, capsys):
    assert main(arguments(files, "--segments", "Hook", "--picture", str(files / "p.png"), minutes=0.2)) == 0
    printed = capsys.readouterr().out
    assert "began from nothing" in printed
    assert printed.count("of the frames left out") == 3
    model = load_model(files / "models" / "hook")
    assert [segment.name for segment in model.segments] == ["Hook"]
    assert model.components == "largest"
    assert "had not learnt from them" in model.scores["Dice of annotated frames left out"]
    assert not lesson_folder(files / "models", "hook").exists()
    assert sitk.ReadImage(str(files / "p.png")).GetSize()[1] >= 256
    assert main(arguments(files)) == 2  # the name is taken
    assert "there is a model 'hook'" in capsys.readouterr().err


def test_killed_lesson_goes_on_where_it_was(files):
    command = [sys.executable, "-m", "CLSTMSegmentLib", *arguments(files)]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    lesson = lesson_folder(files / "models", "hook")
    wait((lesson / "check-2" / "checkpoint.pt").exists, patience_s=120)
    process.kill()
    process.wait()
    before = (lesson / "check-1" / "checkpoint.pt").stat().st_mtime_ns
    assert main(arguments(files)) == 2  # there is a lesson already
    assert (lesson / "check-1" / "checkpoint.pt").stat().st_mtime_ns == before
    assert main(arguments(files, "--resume")) == 0
    assert load_model(files / "models" / "hook").build_network() is not None


def stopped_after(steps):
    """`going_on` that ends a lesson after some steps."""
    left = [steps]

    def going_on():
        left[0] -= 1
        return left[0] > 0

    return going_on


def test_stopped_lesson_keeps_the_best_so_far(hook, few_steps, tmp_path):
    lesson_in(tmp_path / "lesson", hook[0], {t: hook[1][t] for t in DRAWN}, minutes=0.05, initial="airway-phantom")
    events = []
    folder = teaching.teach(
        tmp_path / "lesson", tmp_path / "models", lambda event, **d: events.append(event), stopped_after(6)
    )
    model = load_model(folder)
    assert model.training["ended_early"] == "stopped by the user"
    assert events.count("progress") >= 6
    assert "score" not in events


def test_loss_that_is_no_number_ends_the_lesson_with_the_best_so_far(hook, few_steps, tmp_path, monkeypatch):
    lesson_in(tmp_path / "lesson", hook[0], {t: hook[1][t] for t in DRAWN}, minutes=0.05, initial="airway-phantom")
    really, steps = teaching.train.__globals__["stack_loss"], [0]

    def spoiled(*arguments, **options):
        steps[0] += 1
        return really(*arguments, **options) * (float("nan") if steps[0] > 14 else 1.0)

    monkeypatch.setitem(teaching.train.__globals__, "stack_loss", spoiled)
    with pytest.raises(InputError, match=r"no longer a number .* The best so far was kept as .*hook"):
        teaching.teach(tmp_path / "lesson", tmp_path / "models", lambda event, **d: None, lambda: True)
    network = load_model(tmp_path / "models" / "hook").build_network()
    assert all(torch.isfinite(value).all() for value in network.state_dict().values() if value.is_floating_point())


def test_full_disk_ends_the_lesson_with_the_best_so_far(hook, few_steps, tmp_path, monkeypatch):
    lesson_in(tmp_path / "lesson", hook[0], {t: hook[1][t] for t in DRAWN}, minutes=0.05, initial="airway-phantom")
    really = teaching.train.__globals__["_save"]

    def full(content, path):
        if path.parent.name == "check-2":
            raise OSError(28, "No space left on device")
        really(content, path)

    monkeypatch.setitem(teaching.train.__globals__, "_save", full)
    with pytest.raises(InputError, match=r"is the disk full.*No space left.*kept as"):
        teaching.teach(tmp_path / "lesson", tmp_path / "models", lambda event, **d: None, lambda: True)
    assert load_model(tmp_path / "models" / "hook").build_network() is not None


def test_name_that_leads_elsewhere_is_refused(files, capsys):
    assert main([argument if argument != "hook" else "../hook" for argument in arguments(files)]) == 2
    assert "a model's name is letters" in capsys.readouterr().err
    assert sorted(path.name for path in files.iterdir()) == ["hook.seq.nrrd", "labels", "models"]


def test_every_annotated_frame_is_left_out_of_one_check():
    lesson = Lesson("a", one_segment(), tuple(range(7)))
    parts = parts_of(lesson)
    assert [part.name for part in parts] == ["check-1", "check-2", "check-3", "check-4", "model"]
    assert sorted(n for part in parts for n in part.left_out) == list(range(7))
    assert [part.name for part in parts_of(Lesson("a", one_segment(), (0, 1)))] == ["model"]


@pytest.mark.parametrize("mark", ["drawn", "whole", "slices", "partly"])
def test_mark_says_what_is_known_beside_the_drawing(mark, hook, tmp_path):
    two = (*one_segment(), Segment("eye", "Eye", PALETTE[1]))
    lesson = write_lesson(tmp_path / "lesson", Lesson("hook", two), [(hook[0], {2: hook[1][2]})], {(0, 2): mark})
    device = torch.device("cpu")
    model, _, _ = model_for(lesson, tmp_path / "lesson", device)
    sequence = taught_sequence(lesson, lesson.frames[0], tmp_path / "lesson", model)
    (allowed,) = sequence.allowed.values()
    assert (allowed == 1 << 1).any()  # the hook, drawn
    others = set(np.unique(allowed)) - {1 << 1}
    # background or eye; background; anything
    known = {"drawn": {0b101}, "whole": {0b001}, "slices": {0b101, UNKNOWN}, "partly": {UNKNOWN}}
    assert others == known[mark]
    assert (allowed[(allowed == 1 << 1).any(axis=(1, 2))] == UNKNOWN).any() == (mark == "partly")
    assert model.components == ("all" if mark == "partly" else "largest")


def test_voxels_follow_what_is_drawn(hook, tmp_path):
    lesson = lesson_in(tmp_path / "lesson", hook[0], {0: hook[1][0]})
    rule = geometry_of(lesson, tmp_path / "lesson")
    assert rule.spacing == (3.0, 3.0, 3.0)  # the image's own: it spans fewer voxels than `DETAIL`
    fine = sitk.Expand(hook[0][0].image, [4, 4, 1])
    labels = sitk.Expand(hook[1][0], [4, 4, 1], sitk.sitkNearestNeighbor)
    frame = type(hook[0][0])(fine, "0")
    lesson = lesson_in(tmp_path / "fine", [frame], {0: labels})
    spacing = geometry_of(lesson, tmp_path / "fine").spacing
    assert spacing[0] == 3.0
    assert 0.75 < spacing[1] < 3.0


def test_published_checkpoint_is_a_beginning_and_what_is_kept_is_told(hook, tmp_path):
    torch.save(random_published_weights(4, 1), tmp_path / "published.pth")
    lesson = lesson_in(tmp_path / "lesson", hook[0], {0: hook[1][0]}, initial=str(tmp_path / "published.pth"))
    model, weights, kept = model_for(lesson, tmp_path / "lesson", torch.device("cpu"))
    assert "encoder, memory and decoder without the published last stage" in kept
    assert "the output for Hook is new" in kept
    assert model.network["width"] == 4
    assert model.network["classes"] == 2
    original = torch.load(tmp_path / "published.pth", weights_only=True)
    torch.testing.assert_close(
        weights["down2.maxpool_conv.1.double_conv.0.weight"].to(torch.float32),
        original["down2.maxpool_conv.1.double_conv.0.weight"].to(torch.float32),
    )


def test_segments_that_the_first_model_knows_are_kept(hook, tmp_path):
    cavity = load_model("cardiac-cine-lv").segments[0]
    lesson = write_lesson(
        tmp_path / "lesson",
        Lesson("hook", (Segment("x", "Eye", PALETTE[0]), cavity), initial="cardiac-cine-lv"),
        [(hook[0], {0: hook[1][0]})],
    )
    _, weights, kept = model_for(lesson, tmp_path / "lesson", torch.device("cpu"))
    assert "the output for Left ventricular cavity too; the output for Eye is new" in kept
    source = load_model("cardiac-cine-lv").build_network().state_dict()
    torch.testing.assert_close(weights["outc.conv.weight"][2], source["outc.conv.weight"][1])


def test_steps_fit_the_time_and_stay_as_planned(hook, tmp_path):
    lesson = lesson_in(tmp_path / "lesson", hook[0], {t: hook[1][t] for t in DRAWN}, minutes=1000)
    device, folder = torch.device("cpu"), tmp_path / "lesson"
    model, _, _ = model_for(lesson, folder, device)
    sequences = [taught_sequence(lesson, frame, folder, model) for frame in lesson.frames]
    rules = planned(lesson, parts_of(lesson), sequences, model, True, device, folder)
    assert rules["model"].stages[0].iterations == 4000  # no more than that, whatever the time
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    (folder / "plan.json").write_text(json.dumps(plan | {"model": 77}), encoding="utf-8")
    again = planned(lesson, parts_of(lesson), sequences, model, True, device, folder)
    assert again["model"].stages[0].iterations == 77


def test_label_sequence_in_which_empty_frames_are_not_annotated(hook, files):
    frames, truth = hook
    index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
    write_sequence(files / "labels.seq.nrrd", index, [t if n in DRAWN else t * 0 for n, t in enumerate(truth)])
    from CLSTMSegmentLib.cli.teach import read_annotations

    images = read_sequence(files / "hook.seq.nrrd")
    assert sorted(read_annotations(files / "labels.seq.nrrd", images)) == list(DRAWN)
    assert sorted(read_annotations(files / "labels", images)) == list(DRAWN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels[:, :, :8], "voxels, its annotation"),
        (lambda labels: labels * 0, "nothing is drawn in it"),
        (lambda labels: labels * 9, "labels must be whole numbers from 0 to 1"),
    ],
)
def test_annotation_that_does_not_fit_is_refused_and_leaves_nothing(change, message, hook, tmp_path):
    with pytest.raises(InputError, match=message):
        lesson_in(tmp_path / "lesson", hook[0], {0: hook[1][0], 3: change(hook[1][3])})
    assert list(tmp_path.iterdir()) == []
