"""The progress of a teaching job: the step, the mean loss, the seconds left, and a picture."""

from types import SimpleNamespace

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.progress import TeachingProgress
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.teaching import job_progress
from CLSTMSegmentLib.teaching.annotated_sequence import annotated_sequence
from CLSTMSegmentLib.teaching.job_progress import TrainingClock, write_preview
from CLSTMSegmentLib.teaching.taught_model import untaught_model
from CLSTMSegmentLib.teaching.teaching_plan import Fold, TeachingPlan
from CLSTMSegmentLib.training.training_task import TrainingStep
from CLSTMSegmentLib.training.validation import Score

from teaching.small_teaching import CPU, hook_training_set


def step(iteration, loss=0.5, score=None):
    """Return a step of a training of ten."""
    return TrainingStep(iteration, 10, 1, 1, False, loss, score, network=None)


@pytest.fixture
def clock(monkeypatch):
    """The clock of the second of three trainings of ten steps, in which every look takes two seconds."""
    seconds = iter(range(100, 200, 2))
    monkeypatch.setattr(job_progress, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    rules = (SimpleNamespace(iterations=10),) * 3
    return TrainingClock(TeachingPlan((Fold("fold-1", (0,)), Fold("fold-2", (1,)), Fold("model")), rules), 1)


def test_seconds_left_are_those_of_all_trainings_and_unknown_at_the_first_step(clock):
    told = [clock.progress(step(iteration)).seconds_left for iteration in (1, 2, 3)]

    assert told == [None, 2 * (8 + 10), 2 * (7 + 10)]


def test_resumed_training_is_timed_from_the_step_at_which_it_resumed(clock):
    told = [clock.progress(step(iteration)).seconds_left for iteration in (7, 8)]

    assert told == [None, 2 * (2 + 10)]


def test_loss_is_the_mean_of_the_last_twenty_steps(clock):
    losses = [clock.progress(step(n, loss=float(n))).loss for n in range(1, 26)]

    assert losses[0] == 1
    assert losses[1] == 1.5
    assert losses[24] == pytest.approx(sum(range(6, 26)) / 20)


def test_score_is_told_where_the_step_was_validated(clock):
    without, validated = clock.progress(step(1)), clock.progress(step(2, score=Score(0.87654, 0.5)))

    assert without == TeachingProgress(2, 3, 1, 10, 0.5, None, None)
    assert validated.dice == 0.8765


def test_picture_shows_the_annotated_frame(hook, bundle, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (2,), initial=str(bundle))
    untaught = untaught_model(training_set, CPU)
    sequence = annotated_sequence(training_set, training_set.frames[0], untaught.description)
    network = CLSTMUNet4D(untaught.description.network)
    network.load_state_dict(untaught.weights)

    write_preview(tmp_path / "preview.png", network, sequence, untaught.description, CPU)

    picture = sitk.ReadImage(str(tmp_path / "preview.png"))
    array = sitk.GetArrayFromImage(picture)
    assert picture.GetSize()[1] >= 256
    assert (array != array[..., :1]).any()  # the annotation is coloured
