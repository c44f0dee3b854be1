"""A teaching job: from a training set to a model, scored on held-out frames, stoppable and resumable."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import torch

from ..core.atomic_write import replacing
from ..core.devices import choose_device
from ..core.errors import InputError, RunFailed, StorageError
from ..core.own_folder import alone_in
from ..core.progress import TeachingProgress
from ..model.bundle import write_bundle
from ..training.labelled_hearts import LabelledSequence
from ..training.trainer import Trainer
from ..training.training_task import TrainingStep, TrainingTask, TrainResult
from ..training.validation import Score
from .annotated_sequence import annotated_sequence, check_ram
from .job_progress import TrainingClock, write_preview
from .taught_model import UntaughtModel, untaught_model
from .teaching_folders import check_new_model, preview_path
from .teaching_plan import Fold, TeachingPlan, plan_trainings
from .training_set import TrainingSet


@dataclass(frozen=True)
class TeachResult:
    """What came of a teaching job.

    Attributes:
        folder: folder of the new model.
        notes: sentences for the user: how the job began, and what could not be used.
        scores: Dice of the held-out frames, one for each fold that was finished.
        stopped: whether the caller stopped the job before its end.
    """

    folder: Path
    notes: tuple[str, ...]
    scores: tuple[Score, ...]
    stopped: bool


def teach(
    folder: Path,
    models: Path,
    progress: Callable[[TeachingProgress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TeachResult:
    """Run a teaching job, or resume it where it ended.

    Args:
        folder: folder of its training set, see `training_set.write_training_set`; the job keeps its checkpoints there.
        models: the folder in which the folder of the new model is made.
        progress: called once after every step.
        cancelled: asked once after every step; it may wait, which pauses the job. Once it returns True, the best
            network so far becomes the model.

    Raises:
        InputError: the training set cannot be used, there is a model of this name, or another process runs this job.
        RunFailed: the job could not be finished (`TrainingDiverged`, `StorageError`), or it was stopped before
            anything had been learnt; the message says what was kept.
    """
    training_set = TrainingSet.read(folder)
    with alone_in(folder, "teaching job"):
        return _teach(training_set, models, progress, cancelled)


def _teach(
    training_set: TrainingSet,
    models: Path,
    progress: Callable[[TeachingProgress], None] | None,
    cancelled: Callable[[], bool] | None,
) -> TeachResult:
    target = check_new_model(models, training_set.settings.name)
    models.mkdir(parents=True, exist_ok=True)
    device, warnings = choose_device(training_set.settings.device)
    torch.manual_seed(0)  # so that a resumed job begins with the same random weights
    untaught = untaught_model(training_set, device)
    check_ram(training_set, untaught.description)
    sequences = [annotated_sequence(training_set, frame, untaught.description) for frame in training_set.frames]
    job = _Job(training_set, untaught, sequences, plan_trainings(training_set, untaught, sequences, device), device)
    learnt = job.train(progress, cancelled)
    job.write_model(learnt, target)
    notes = [*warnings, untaught.origin]
    if training_set.settings.propagated_frames and training_set.settings.hold_out_frames:
        notes.append("The quality was not measured, because propagated frames repeat what is drawn in the others")
    return TeachResult(target, tuple(notes), learnt.scores, learnt.stopped)


@dataclass(frozen=True)
class _Learnt:
    """What the trainings of a job have come to.

    Attributes:
        result, fold: the last training that gave a network; None where none did.
        scores: see `TeachResult`.
        stopped, error: how the job ended, see `training.trainer.TrainResult`.
    """

    result: TrainResult | None
    fold: Fold | None
    scores: tuple[Score, ...]
    stopped: bool
    error: RunFailed | None

    def early_end(self) -> str | None:
        """Return why the job ended before it was finished; None where it was finished."""
        return str(self.error) if self.error is not None else "stopped by the user" if self.stopped else None


@dataclass(frozen=True)
class _Job:
    """A teaching job that is ready to be trained."""

    training_set: TrainingSet
    untaught: UntaughtModel
    sequences: list[LabelledSequence]
    plan: TeachingPlan
    device: torch.device

    def train(
        self, progress: Callable[[TeachingProgress], None] | None, cancelled: Callable[[], bool] | None
    ) -> _Learnt:
        """Run the trainings of the plan, one after the other, until one of them ends early."""
        learnt = _Learnt(None, None, (), stopped=False, error=None)
        for number, fold in enumerate(self.plan.folds):
            result = self._train_fold(number, progress, cancelled)
            learnt = replace(learnt, stopped=result.stopped, error=result.error)
            if result.network is not None:
                learnt = replace(learnt, result=result, fold=fold)
            if result.stopped or result.error is not None:
                break
            # the last score, not the best one: to choose on held-out frames would flatter the model
            if fold.held_out and result.history[-1].score is not None:
                learnt = replace(learnt, scores=(*learnt.scores, result.history[-1].score))
        return learnt

    def _train_fold(
        self, number: int, progress: Callable[[TeachingProgress], None] | None, cancelled: Callable[[], bool] | None
    ) -> TrainResult:
        fold, model = self.plan.folds[number], self.untaught.description
        held_out = [self.sequences[n] for n in fold.held_out]
        learnt_from = [sequence for n, sequence in enumerate(self.sequences) if n not in fold.held_out]
        validation = held_out or [self.sequences[n] for n in self.training_set.drawn]
        task = TrainingTask(model, learnt_from, validation, self.plan.rules[number], initial=self.untaught.weights)
        folder = self.training_set.folder / fold.name
        try:
            trainer = Trainer(task, folder, self.device)
        except OSError as error:
            failure = StorageError(f"what is learnt cannot be stored in {folder} ({error.strerror})")
            return TrainResult(None, None, (), stopped=False, error=failure)
        clock = TrainingClock(self.plan, number)

        def on_step(step: TrainingStep) -> None:
            if step.score is not None:
                with suppress(StorageError, InputError, OSError):  # the job can do without its picture
                    preview = preview_path(self.training_set.folder)
                    write_preview(preview, step.network, validation[0], model, self.device)
            if progress is not None:
                progress(clock.progress(step))

        return trainer.run(on_step, cancelled)

    def write_model(self, learnt: _Learnt, target: Path) -> None:
        """Write the model with the best network so far; raise the error with which the job ended, if there is one."""
        early_end, failure = learnt.early_end(), type(learnt.error or RunFailed())
        if learnt.result is None:
            raise failure(f"{early_end}, before anything had been learnt: begin again, and let the job run for longer")
        training = {
            "taught_from": self._taught_from(),
            "beginning": self.untaught.origin,
            "steps": self._steps(learnt.fold),
        }
        if early_end is not None:
            training["ended_early"] = early_end
        model = replace(self.untaught.description, training=training, scores=self._scores(learnt))
        try:
            with replacing(target) as partial:  # a model that is written in part is never seen
                write_bundle(model, learnt.result.weights() | self.untaught.locator_weights, partial)
        except (OSError, InputError) as error:  # a folder of this name may have come meanwhile
            reason = getattr(error, "strerror", None) or error
            raise StorageError(
                f"the model cannot be written to {target} ({reason}): make room there, then resume the teaching job in "
                f"{self.training_set.folder}, where all that was learnt is kept"
            ) from error
        if learnt.error is not None:
            raise failure(f"{early_end}. The best network so far was kept as {target}")

    def _taught_from(self) -> str:
        drawn = len(self.training_set.drawn)
        propagated = len(self.sequences) - drawn
        text = f"{drawn} annotated frame{'s' * (drawn != 1)}"
        return f"{text}, and {propagated} frames to which they were propagated" if propagated else text

    def _steps(self, fold: Fold) -> int:
        return self.plan.rules[self.plan.folds.index(fold)].iterations

    def _scores(self, learnt: _Learnt) -> dict[str, str]:
        """Return the score on held-out frames, in words that say how it was found."""
        if not learnt.scores:
            return {}
        mean, least = fmean(score.mean for score in learnt.scores), min(score.least for score in learnt.scores)
        text = (
            f"mean {mean:.3f}, least {least:.3f}, in {len(learnt.scores)} folds, each by a network of "
            f"{self._steps(self.plan.folds[0])} steps that had not learnt from these frames"
        )
        if not learnt.fold.held_out:
            text += f"; this network learnt from all {len(self.sequences)} frames in {self._steps(learnt.fold)} steps"
        return {"Dice of held-out frames": text}
