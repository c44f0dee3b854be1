"""Training of a CLSTM-UNet4D from sparse labels and phantoms: seeded, logged, resumable."""

import csv
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..core.devices import has_bfloat16
from ..core.errors import InputError, RunFailed, StorageError, TrainingDiverged
from ..core.stop_signals import stopped_after_this
from ..network.unet import CLSTMUNet4D
from .batch_norms import freeze_batch_norms, measure_batch_norms
from .stack_loss import bfloat16_learns, stack_loss
from .stacks import TrainingStacks
from .training_rule import Stage
from .training_state import CHECKPOINT, HistoryEntry, TrainingState
from .training_task import TrainingStep, TrainingTask, TrainResult
from .validation import Score, validate
from .widening import widened

MOST_SKIPPED = 0.01
"""Largest fraction of the steps of a stage that may give no finite gradient, as happens in mixed precision."""

MEASURED_BATCHES = 16
"""Number of batches over which the statistics of batch norms are measured."""


class Trainer:
    """A training in a folder, begun or resumed.

    The folder holds `checkpoint.pt`, from which the training is resumed, `stage-1.pt` and so on, the checkpoint at the
    end of each stage, from which another training can branch off, and `log.csv`, for people to read.

    Args:
        folder: the folder of the training, which is made if it is missing.
        device: where to compute.
        start: a checkpoint of another training, from which a new training begins; see `folder`.

    Raises:
        InputError: the initial weights do not fit, or a checkpoint is damaged or of another training.
        OSError: the folder cannot be made.
    """

    def __init__(self, task: TrainingTask, folder: Path, device: torch.device, start: Path | None = None):
        self._task, self._folder, self._device, self._start = task, folder, device, start
        self._began = time.monotonic()
        self._losses: list[float] = []
        self._skipped = 0
        self._stopped = False
        self._error: RunFailed | None = None
        self._state = self._begun_or_resumed()

    def _begun_or_resumed(self) -> TrainingState:
        task, rule = self._task, self._task.rule
        torch.manual_seed(rule.seed)
        network = CLSTMUNet4D(task.model.network).to(self._device, memory_format=torch.channels_last_3d)
        if task.initial is not None:
            network.load_state_dict(widened(task.initial, network.state_dict(), rule.seed))
        state = TrainingState.of(network, rule.average_decay)
        if self.has_begun(self._folder):
            state.read(self._folder / CHECKPOINT, self._device)
        elif self._start is not None:
            state.read(self._start, self._device)
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._start is not None and not self.has_begun(self._folder):
            state.write(self._folder / CHECKPOINT)
        network.train()
        if state.iteration > rule.norms_frozen_from:
            freeze_batch_norms(network)
        return state

    @staticmethod
    def has_begun(folder: Path) -> bool:
        """Return whether a folder holds a training that can be resumed."""
        return (folder / CHECKPOINT).exists()

    def run(
        self,
        progress: Callable[[TrainingStep], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> TrainResult:
        """Train to the end, or until something ends the training; what was learnt until then is in the result.

        Args:
            progress: called once after every step.
            cancelled: asked once after every step; once it returns True, this step is validated and is the last.
        """
        for span in _spans(self._task.rule.stages):
            for step in self._steps(span, cancelled):
                if progress is not None:
                    progress(step)
        return self._result()

    def _steps(self, span: "_Span", cancelled: Callable[[], bool] | None) -> Iterator[TrainingStep]:
        """Take the remaining steps of a stage."""
        task, state = self._task, self._state
        if self._has_ended() or state.iteration >= span.last:
            return
        stacks = TrainingStacks(
            task.training, task.phantom, task.model, span.stage.stacks, task.rule.seed, task.rule.structures
        )
        bfloat16 = self._computes_in_bfloat16(span.stage)
        # one worker process prepares the next stacks in the meantime
        sampler = range(state.iteration, span.last)
        loader = DataLoader(
            stacks, None, sampler=sampler, num_workers=1, collate_fn=_as_arrays, worker_init_fn=_end_with_parent
        )
        with stopped_after_this():  # PyTorch cannot remove an iterator that is not quite made, and prints many lines
            batches = iter(loader)
        for images, allowed in batches:
            self._prepare_network(span, stacks)
            loss = self._learn(span, torch.from_numpy(images), torch.from_numpy(allowed), bfloat16)
            if self._has_ended():
                return
            self._stopped = cancelled is not None and cancelled()
            score = None
            if state.iteration % task.rule.validate_every == 0 or state.iteration == span.last or self._stopped:
                score = self._validate(span, stacks)
                self._store(span)
            yield TrainingStep(
                state.iteration,
                task.rule.iterations,
                span.number,
                len(task.rule.stages),
                bfloat16,
                loss,
                score,
                state.average.module,
            )
            if self._has_ended():
                return

    def _has_ended(self) -> bool:
        return self._stopped or self._error is not None

    def _computes_in_bfloat16(self, stage: Stage) -> bool:
        if not self._task.rule.bfloat16 or not has_bfloat16(self._device):
            return False
        return bfloat16_learns(self._state.network, stage.stacks.patches, self._device)

    def _prepare_network(self, span: "_Span", stacks: TrainingStacks) -> None:
        """Do what is due before a step: begin a stage from the moving average, or freeze the batch norms."""
        state, rule = self._state, self._task.rule
        if state.iteration == span.first:
            state.network.load_state_dict(state.average.module.state_dict())
        if state.iteration == rule.norms_frozen_from:
            measure_batch_norms(state.network, stacks, self._device, MEASURED_BATCHES)
            state.average.n_averaged.zero_()  # the moving average begins anew

    def _learn(self, span: "_Span", images: torch.Tensor, allowed: torch.Tensor, bfloat16: bool) -> float:
        """Take a step of the optimiser, and return the loss."""
        state, stage = self._state, span.stage
        for group, factor in zip(state.optimiser.param_groups, (stage.encoder_rate, 1.0), strict=True):
            group["lr"] = factor * stage.learning_rate_at(state.iteration - span.first)
        heads = state.heads if self._task.rule.deep_supervision else None
        images, allowed = images.to(self._device), allowed.to(self._device)
        loss = stack_loss(state.network, images, allowed, stage.stacks.frames, bfloat16, heads)
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)):
            state.optimiser.step()
            state.average.update_parameters(state.network)
            self._losses.append(float(loss.detach()))
        else:
            self._skipped += 1
            if self._skipped > MOST_SKIPPED * stage.iterations:
                self._error = TrainingDiverged(
                    f"the loss is no longer a number ({self._skipped} stacks gave no finite gradient): lower the "
                    "learning rate"
                )
        state.iteration += 1
        return float(loss.detach())

    def _validate(self, span: "_Span", stacks: TrainingStacks) -> Score | None:
        """Score the moving average, keep it if it is the best network by `rule.keep`, and add to the history."""
        task, rule, state = self._task, self._task.rule, self._state
        if state.iteration <= rule.norms_frozen_from:
            # the mean of former statistics is not that of the averaged weights, which was seen to cost 0.7 of Dice
            measure_batch_norms(state.average.module, stacks, self._device, MEASURED_BATCHES)
        score = validate(
            state.average.module, task.validation, task.model, rule.structures, span.stage.is_recurrent, self._device
        )
        learnt = not self._stopped or state.iteration > rule.norms_frozen_from
        if learnt and (span.number == len(rule.stages) or self._stopped):
            best = -1.0 if state.best_score is None else state.best_score.mean
            if rule.keep == "last" or (score is not None and score.mean > best):
                state.keep_average(score)
        loss = float(np.mean(self._losses)) if self._losses else math.nan
        state.history.append(HistoryEntry(state.iteration, loss, score))
        self._losses = []
        return score

    def _store(self, span: "_Span") -> None:
        """Write the checkpoint and a line of the log."""
        paths = [self._folder / CHECKPOINT]
        if self._state.iteration == span.last:
            paths.insert(0, self._folder / f"stage-{span.number}.pt")
        try:
            self._state.write(*paths)
            _log(self._folder / "log.csv", self._state.history[-1], time.monotonic() - self._began)
        except (OSError, InputError, StorageError) as error:
            self._error = StorageError(
                f"what was learnt cannot be stored in {self._folder}: is the disk full? ({error})"
            )

    def _result(self) -> TrainResult:
        state, network = self._state, None
        if state.best_weights is not None:
            network = state.network.cpu()
            network.load_state_dict(state.best_weights)
            network.eval()
        return TrainResult(network, state.best_score, tuple(state.history), self._stopped, self._error)


@dataclass(frozen=True)
class _Span:
    """A stage with its number from 1, and the numbers of iterations that are done when it begins and when it ends."""

    number: int
    stage: Stage
    first: int

    @property
    def last(self) -> int:
        return self.first + self.stage.iterations


def _spans(stages: tuple[Stage, ...]) -> Iterator[_Span]:
    first = 0
    for number, stage in enumerate(stages, 1):
        yield _Span(number, stage, first)
        first += stage.iterations


def _log(path: Path, entry: HistoryEntry, seconds: float) -> None:
    new = not path.exists()
    score = entry.score or Score(math.nan, math.nan)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["iteration", "seconds", "loss", "validation_mean_dice", "validation_least_dice"])
        row = [f"{seconds:.0f}", f"{entry.loss:.4f}", f"{score.mean:.4f}", f"{score.least:.4f}"]
        writer.writerow([entry.iteration, *row])


def _as_arrays(stack: tuple[torch.Tensor, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch as arrays, which its process sends through a pipe.

    Tensors would go through a socket in the temporary folder and through shared memory: where the path of that folder
    is too long for a socket, they never arrive, and no error is told.
    """
    images, allowed = stack
    return images.numpy(), allowed.numpy()


def _end_with_parent(_: int) -> None:
    """Let this process end with the one that has started it, to which it would want to send its batches forever."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
