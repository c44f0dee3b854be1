"""The plan of a teaching job: which frames are held out, how many steps the time allows, and how large a patch is."""

import json
import sys

import numpy as np
import pytest
import torch
from CLSTMSegmentLib.core.errors import InputError, StorageError
from CLSTMSegmentLib.teaching.annotated_sequence import annotated_sequence
from CLSTMSegmentLib.teaching.taught_model import untaught_model
from CLSTMSegmentLib.teaching.teaching_plan import STEPS, folds_of, patch_for, plan_trainings

from teaching.small_teaching import CPU, hook_training_set, largest_file


def plan_of(training_set):
    untaught = untaught_model(training_set, CPU)
    sequences = [annotated_sequence(training_set, frame, untaught.description) for frame in training_set.frames]
    return plan_trainings(training_set, untaught, sequences, CPU)


def test_every_annotated_frame_is_held_out_of_one_fold():
    folds = folds_of(7)

    assert [fold.name for fold in folds] == ["fold-1", "fold-2", "fold-3", "fold-4", "model"]
    assert sorted(n for fold in folds for n in fold.held_out) == list(range(7))
    assert folds[-1].held_out == ()


@pytest.mark.parametrize(("frames", "hold_out_frames"), [(2, True), (7, False)])
def test_no_frame_is_held_out_of_two_or_where_the_user_wants_none(frames, hold_out_frames):
    assert [fold.name for fold in folds_of(frames, hold_out_frames)] == ["model"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "many"}', "[" * 100_000])
def test_stored_plan_that_is_damaged_is_refused_by_name(content, hook, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0,))
    (tmp_path / "job" / "plan.json").write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=r"plan\.json is damaged .*: start the teaching job again"):
        plan_of(training_set)


def test_steps_fit_the_time_and_stay_as_planned(hook, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, minutes=1000)

    plan = plan_of(training_set)
    path = tmp_path / "job" / "plan.json"
    steps = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(steps | {"model": 77}), encoding="utf-8")
    again = plan_of(training_set)

    assert plan.rules[-1].iterations == 4000 == STEPS[1]  # no more than that, whatever the time
    assert again.rules[-1].iterations == 77
    assert again.steps_after(2) == 77
    assert again.steps_after(1) == 77 + again.rules[2].iterations
    assert again.steps_after(3) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_plan_that_cannot_be_stored_is_a_failure_that_names_the_folder(hook, bundle, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, initial=str(bundle))

    with pytest.raises(StorageError, match=r"the plan of the teaching job cannot be stored in .*job"), largest_file(10):
        plan_of(training_set)

    assert not (tmp_path / "job" / "plan.json").exists()


def test_half_of_the_time_is_for_the_folds(hook, tmp_path, monkeypatch):
    monkeypatch.setattr("CLSTMSegmentLib.teaching.teaching_plan.STEPS", (1, 10**9))

    plan = plan_of(hook_training_set(tmp_path / "job", hook, minutes=100))

    *folds, model = [rule.iterations for rule in plan.rules]
    assert sum(folds) == pytest.approx(model, rel=0.01)


def test_patch_holds_what_is_annotated_and_fits_the_device(hook, bundle, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0,), initial=str(bundle))
    model = untaught_model(training_set, CPU).description
    sequence = annotated_sequence(training_set, training_set.frames[0], model)
    (allowed,) = sequence.allowed.values()
    annotated = np.argwhere(allowed == 1 << 1)

    patch = patch_for([sequence], model, CPU)

    assert all(n % 8 == 0 for n in patch)
    assert (np.array(patch) >= np.ptp(annotated, axis=0) + 1).all()


def test_patch_of_a_large_structure_is_smaller_on_a_cpu(hook, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0,))
    model = untaught_model(training_set, CPU).description
    sequence = annotated_sequence(training_set, training_set.frames[0], model)
    sequence.frames = [np.zeros((64, 160, 160), np.float16)]
    sequence.allowed = {0: np.full((64, 160, 160), 1 << 1, np.uint8)}

    on_cpu, on_gpu = (patch_for([sequence], model, torch.device(name)) for name in ("cpu", "cuda"))

    assert np.prod(on_cpu) <= 16 * 80 * 80 < np.prod(on_gpu) <= 32 * 128 * 128


def test_structure_smaller_than_the_voxels_of_the_initial_model_is_refused(hook, bundle, tmp_path):
    frames, truth = hook
    dot = truth[0] * 0
    dot[16, 16, 8] = 1
    training_set = hook_training_set(tmp_path / "job", (frames, {0: dot}), (0,), initial=str(bundle))

    with pytest.raises(InputError, match=r"too small for the voxels of .* mm of the initial model"):
        plan_of(training_set)
