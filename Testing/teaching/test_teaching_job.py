"""A teaching job: what it makes of a training set, and that it can be stopped, broken off and resumed."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.errors import InputError, RunFailed, StorageError
from CLSTMSegmentLib.core.progress import TeachingProgress
from CLSTMSegmentLib.core.sequence import Frame, SequenceIndex
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.core.volume_curve import FrameVolumes, VolumeCurve
from CLSTMSegmentLib.engine import first_look
from CLSTMSegmentLib.engine.intensity_window import find_intensity_window
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.teaching.teaching_folders import preview_path
from CLSTMSegmentLib.teaching.teaching_job import teach
from CLSTMSegmentLib.training.trainer import Trainer
from conftest import shortenTeaching
from hook_phantom import SMALL, hook_sequence

from teaching.small_teaching import description_in, hook_training_set, stop_after, weights_of

pytestmark = pytest.mark.usefixtures("few_steps")


class Killed(BaseException):
    """Breaks a teaching job off at once, as the end of its process does."""


def kill_after(training, step):
    """Return a progress callback that breaks a teaching job off after a step of one of its trainings."""

    def progress(reached):
        if (reached.training, reached.step) == (training, step):
            raise Killed

    return progress


@pytest.fixture
def job(hook, bundle, tmp_path):
    """The folder of a teaching job that begins with the small model, and the folder of models."""
    hook_training_set(tmp_path / "job", hook, initial=str(bundle))
    return tmp_path / "job", tmp_path / "models"


@pytest.fixture(scope="module")
def taught_in_one_go(hook, bundle, tmp_path_factory):
    """The model that such a job gives when nothing interrupts it."""
    folder = tmp_path_factory.mktemp("one go")
    hook_training_set(folder / "job", hook, initial=str(bundle))
    with pytest.MonkeyPatch.context() as patch:
        shortenTeaching(patch)
        result = teach(folder / "job", folder / "models")
    return SimpleNamespace(weights=weights_of(result.folder), scores=load_model(result.folder).scores)


def test_finished_job_gives_a_model_with_its_origin_and_the_score_of_each_fold(job):
    result = teach(*job)
    model = load_model(result.folder)

    assert result.folder == job[1] / "hook"
    assert not result.stopped
    assert len(result.scores) == 3
    assert result.notes[-1].startswith("Began with Small, width 2")
    assert model.training == {"taught_from": "3 annotated frames", "beginning": result.notes[-1], "steps": 8}
    assert "in 3 folds" in model.scores["Dice of held-out frames"]
    assert "this network learnt from all 3 frames in 8 steps" in model.scores["Dice of held-out frames"]
    assert preview_path(job[0]).exists()


def test_model_of_a_job_without_held_out_frames_claims_no_score(hook, bundle, tmp_path):
    hook_training_set(tmp_path / "job", hook, initial=str(bundle), hold_out_frames=False)

    result = teach(tmp_path / "job", tmp_path / "models")

    assert result.scores == ()
    assert load_model(result.folder).scores == {}


def test_propagated_frames_are_learnt_from_but_never_held_out_or_scored(hook, bundle, tmp_path, monkeypatch):
    numbers = (0, 2, 4, 5)
    hook_training_set(tmp_path / "job", hook, numbers, initial=str(bundle), propagated_frames=((0, 2), (0, 4), (0, 5)))
    tasks = []
    monkeypatch.setattr(
        "CLSTMSegmentLib.teaching.teaching_job.Trainer", lambda task, *rest: tasks.append(task) or Trainer(task, *rest)
    )

    result = teach(tmp_path / "job", tmp_path / "models")

    (task,) = tasks
    assert (len(task.training), len(task.validation)) == (4, 1)
    training = load_model(result.folder).training
    assert training["taught_from"] == "1 annotated frame, and 3 frames to which they were propagated"
    assert load_model(result.folder).scores == {}
    assert "quality was not measured" in result.notes[-1]


def test_every_step_is_told_once_and_asked_about_once(job):
    steps, questions = [], []

    teach(*job, steps.append, lambda: bool(questions.append(True)))

    assert all(isinstance(step, TeachingProgress) for step in steps)
    assert [(step.training, step.step) for step in steps] == [(t, s) for t in range(1, 5) for s in range(1, 9)]
    assert {(step.trainings, step.steps) for step in steps} == {(4, 8)}
    assert [step.step for step in steps if step.dice is not None] == [2, 4, 6, 8] * 4
    assert len(questions) == len(steps)


def test_stopped_job_keeps_the_best_so_far(hook, bundle, tmp_path):
    hook_training_set(tmp_path / "job", hook, initial=str(bundle))
    steps = []

    result = teach(tmp_path / "job", tmp_path / "models", steps.append, stop_after(6))

    assert load_model(result.folder).training["ended_early"] == "stopped by the user"
    assert load_model(result.folder).build_network() is not None
    assert len(steps) >= 6
    assert result.stopped
    assert result.scores == ()


def test_job_stopped_in_its_second_fold_gives_that_network_and_the_score_of_the_first_fold(job):
    result = teach(*job, cancelled=stop_after(11))

    assert len(result.scores) == 1
    model = load_model(result.folder)
    assert "in 1 folds" in model.scores["Dice of held-out frames"]
    assert "this network" not in model.scores["Dice of held-out frames"]


def test_job_stopped_before_anything_was_learnt_leaves_no_model_and_can_be_resumed(hook, tmp_path):
    hook_training_set(tmp_path / "job", hook, hold_out_frames=False)  # random weights are not validated at first

    with pytest.raises(RunFailed, match="stopped by the user, before anything had been learnt"):
        teach(tmp_path / "job", tmp_path / "models", cancelled=lambda: True)

    assert list((tmp_path / "models").iterdir()) == []
    assert not teach(tmp_path / "job", tmp_path / "models").stopped


def test_job_broken_off_and_resumed_gives_the_model_of_a_job_in_one_go(job, taught_in_one_go):
    steps = []

    with pytest.raises(Killed):
        teach(*job, kill_after(2, 7))
    resumed = teach(*job, steps.append)

    assert (steps[0].training, steps[0].step) == (2, 7)  # the last checkpoint is that of the sixth step
    torch.testing.assert_close(weights_of(resumed.folder), taught_in_one_go.weights, atol=1e-4, rtol=1e-3)
    assert load_model(resumed.folder).scores == taught_in_one_go.scores


@pytest.mark.slow
def test_job_with_random_weights_broken_off_and_resumed_gives_the_same_model(hook, tmp_path):
    for name in ("whole", "parts"):
        hook_training_set(tmp_path / name, hook, hold_out_frames=False)

    whole = teach(tmp_path / "whole", tmp_path / "models of whole")
    with pytest.raises(Killed):
        teach(tmp_path / "parts", tmp_path / "models of parts", kill_after(1, 5))
    resumed = teach(tmp_path / "parts", tmp_path / "models of parts")

    torch.testing.assert_close(weights_of(resumed.folder), weights_of(whole.folder), atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_stopped_job_resumes_after_the_step_at_which_it_stopped(job, taught_in_one_go):
    stopped = teach(*job, cancelled=stop_after(11))
    shutil.rmtree(stopped.folder)
    steps = []

    resumed = teach(*job, steps.append)

    assert (steps[0].training, steps[0].step) == (2, 4)
    assert not resumed.stopped
    torch.testing.assert_close(weights_of(resumed.folder), taught_in_one_go.weights, atol=1e-4, rtol=1e-3)


def test_job_of_a_model_that_exists_is_refused(job):
    (job[1] / "hook").mkdir(parents=True)

    with pytest.raises(InputError, match=r"there is a model 'hook' .* choose another name"):
        teach(*job)

    assert list((job[1] / "hook").iterdir()) == []


def test_job_whose_name_is_taken_meanwhile_keeps_what_was_learnt(job, taught_in_one_go, monkeypatch):
    monkeypatch.setattr("CLSTMSegmentLib.teaching.teaching_plan.STEPS", (8, 8))
    job[1].mkdir()

    with pytest.raises(StorageError, match=r"hook is a folder that exists already.* then resume the teaching job in"):
        teach(*job, lambda _: (job[1] / "hook").mkdir(exist_ok=True))

    assert list((job[1] / "hook").iterdir()) == []
    (job[1] / "hook").rename(job[1] / "other")
    torch.testing.assert_close(weights_of(teach(*job).folder), taught_in_one_go.weights, atol=1e-4, rtol=1e-3)


def test_annotated_frame_with_voxels_that_are_no_numbers_is_learnt_from(hook, bundle, tmp_path):
    frames, truth = hook
    array = sitk.GetArrayFromImage(frames[2].image).astype(np.float32)
    array[8, 16, 16], array[0, 0, 0], array[1, 2, 3] = np.nan, np.inf, -np.inf
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(frames[2].image)
    damaged = [*frames[:2], Frame(image, frames[2].index_value), *frames[3:]]
    hook_training_set(tmp_path / "job", (damaged, truth), (2,), initial=str(bundle))
    losses = []

    result = teach(tmp_path / "job", tmp_path / "models", lambda step: losses.append(step.loss))

    assert not result.stopped
    assert len(losses) == 8
    assert np.isfinite(losses).all()
    assert "ended_early" not in load_model(result.folder).training


@pytest.mark.parametrize("initial", [None, "bundle"])
def test_run_of_the_sequence_uses_the_intensity_window_of_the_teaching_job(initial, bundle, tmp_path, monkeypatch):
    frames, truth = hook_sequence(3, 9, *SMALL)
    brighter = [Frame(frame.image * (1.0 + t), frame.index_value) for t, frame in enumerate(frames)]
    training_set = hook_training_set(tmp_path / "job", (brighter, truth), (0,), initial=initial and str(bundle))
    result = teach(tmp_path / "job", tmp_path / "models")
    found = []
    window_of = first_look.window_of_limits
    monkeypatch.setattr(first_look, "window_of_limits", lambda *given: found.append(window_of(*given)) or found[-1])

    next(Segmenter(load_model(result.folder), RunSettings(device="cpu")).segment(brighter))

    assert found == list(training_set.windows)
    # four of the nine frames belong to the annotated one; over them alone, the window would be narrower
    nearby = find_intensity_window(
        training_set.windows[0].rule, (sitk.GetArrayFromImage(frame.image) for frame in brighter[:4])
    )
    assert found[0].high > 1.5 * nearby.high


def test_ejection_fraction_is_given_for_the_segments_that_were_taught_as_ejecting_chambers(hook, bundle, tmp_path):
    segments = (Segment("a", "Ventricle", PALETTE[0], ejecting_chamber=True), Segment("b", "Atrium", PALETTE[1]))
    hook_training_set(tmp_path / "job", hook, (2,), segments=segments, initial=str(bundle))

    result = teach(tmp_path / "job", tmp_path / "models")

    described = description_in(result.folder)["segments"]
    assert [segment["ejecting_chamber"] for segment in described] == [True, False]
    curve = VolumeCurve(load_model(result.folder).segments, SequenceIndex(["0", "1"]))
    curve.add(FrameVolumes(0, "0", (100.0, 100.0)))
    curve.add(FrameVolumes(1, "1", (40.0, 40.0)))
    assert curve.ejection_fraction(0) == pytest.approx(60)
    assert curve.ejection_fraction(1) is None
