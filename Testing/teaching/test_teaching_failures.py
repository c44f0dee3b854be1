"""A teaching job that cannot be finished: the best network so far is kept, and nothing is half-written."""

import shutil

import pytest
import torch
from CLSTMSegmentLib.core.errors import StorageError, TrainingDiverged
from CLSTMSegmentLib.model.bundle import load_model, write_bundle
from CLSTMSegmentLib.teaching import teaching_job
from CLSTMSegmentLib.teaching.teaching_job import teach
from CLSTMSegmentLib.training import trainer
from CLSTMSegmentLib.training.training_state import TrainingState
from training.small_training import diverging_after

from teaching.small_teaching import hook_training_set, weights_of

pytestmark = pytest.mark.usefixtures("few_steps")


@pytest.fixture
def job(hook, bundle, tmp_path):
    """The folder of a teaching job that begins with the small model, and the folder of models."""
    hook_training_set(tmp_path / "job", hook, initial=str(bundle))
    return tmp_path / "job", tmp_path / "models"


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


MODEL_FILES = ["hook/model.json", "hook/weights.safetensors"]


def test_loss_that_is_no_number_ends_the_job_with_the_best_so_far(hook, bundle, tmp_path, monkeypatch):
    hook_training_set(tmp_path / "job", hook, initial=str(bundle))
    monkeypatch.setattr(trainer, "stack_loss", diverging_after(14))

    with pytest.raises(TrainingDiverged, match=r"no longer a number .* The best network so far was kept as .*hook"):
        teach(tmp_path / "job", tmp_path / "models")

    weights = weights_of(tmp_path / "models" / "hook")
    assert all(torch.isfinite(value).all() for value in weights.values() if value.is_floating_point())
    assert files_in(tmp_path / "models") == MODEL_FILES


def test_loss_that_is_no_number_from_the_beginning_leaves_no_model(job, monkeypatch):
    monkeypatch.setattr(trainer, "stack_loss", diverging_after(0))

    with pytest.raises(TrainingDiverged, match=r"no longer a number .* before anything had been learnt: begin again"):
        teach(*job)

    assert list(job[1].iterdir()) == []


def test_model_of_a_job_that_diverged_says_why_it_ended_early(job, monkeypatch):
    monkeypatch.setattr(trainer, "stack_loss", diverging_after(14))

    with pytest.raises(TrainingDiverged):
        teach(*job)

    assert load_model(job[1] / "hook").training["ended_early"].startswith("the loss is no longer a number")


def test_full_disk_ends_the_job_with_the_best_so_far(hook, bundle, tmp_path, monkeypatch):
    hook_training_set(tmp_path / "job", hook, initial=str(bundle))
    write = TrainingState.write

    def full_from_the_second_fold(state, *paths):
        if paths[0].parent.name == "fold-2":
            raise OSError(28, "No space left on device")
        write(state, *paths)

    monkeypatch.setattr(TrainingState, "write", full_from_the_second_fold)

    with pytest.raises(StorageError, match=r"is the disk full.*No space left.*kept as"):
        teach(tmp_path / "job", tmp_path / "models")

    assert weights_of(tmp_path / "models" / "hook")
    assert files_in(tmp_path / "models") == MODEL_FILES
    assert list((tmp_path / "job" / "fold-2").iterdir()) == []


def test_disk_full_while_the_model_is_written_leaves_no_part_of_it_and_nothing_is_learnt_twice(job, monkeypatch):
    def full(model, weights, folder):
        write_bundle(model, weights, folder)
        (folder / "weights.safetensors").write_bytes(b"")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(teaching_job, "write_bundle", full)
        with pytest.raises(
            StorageError, match=r"cannot be written to .*hook \(No space left .*resume the teaching job"
        ):
            teach(*job)
    left = list(job[1].iterdir())
    steps = []
    result = teach(*job, steps.append)

    assert left == []
    assert steps == []
    assert len(result.scores) == 3
    assert files_in(job[1]) == MODEL_FILES


def test_folder_of_a_fold_that_cannot_be_made_ends_the_job_with_the_best_so_far(job):
    (job[0] / "fold-2").write_text("in the way", encoding="utf-8")

    with pytest.raises(StorageError, match=r"cannot be stored in .*fold-2.* was kept as .*hook"):
        teach(*job)

    assert "in 1 folds" in load_model(job[1] / "hook").scores["Dice of held-out frames"]


def test_job_whose_folder_is_gone_ends_with_the_best_so_far(job):
    def remove_folder(progress):
        if (progress.training, progress.step) == (2, 3):
            shutil.rmtree(job[0])

    with pytest.raises(StorageError, match=r"cannot be stored in .* was kept as .*hook"):
        teach(*job, remove_folder)

    assert files_in(job[1]) == MODEL_FILES


def test_picture_that_cannot_be_written_does_not_end_the_job(job):
    (job[0] / "preview.png").mkdir()

    result = teach(*job)

    assert not result.stopped
    assert len(result.scores) == 3
