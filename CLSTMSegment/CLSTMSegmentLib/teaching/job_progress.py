"""The progress of a teaching job: where it is, the seconds left, and a picture of what is found so far."""

import time
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from ..core.progress import TeachingProgress
from ..model.description import Model
from ..network.unet import CLSTMUNet4D
from ..report.quick_picture import write_quick_picture
from ..training.labelled_hearts import LabelledSequence
from ..training.sparse_labels import certain_labels
from ..training.training_task import TrainingStep
from ..training.validation import predictions
from .teaching_plan import TeachingPlan

LOSSES = 20
"""Number of steps whose mean loss is told."""


class TrainingClock:
    """Turns the steps of one training of a plan into the progress of the whole job.

    Args:
        number: number of the training in the plan, from 0.
    """

    def __init__(self, plan: TeachingPlan, number: int):
        self._training, self._trainings = number + 1, len(plan.rules)
        self._steps_after = plan.steps_after(number)
        self._first: tuple[int, float] | None = None
        self._losses: list[float] = []

    def progress(self, step: TrainingStep) -> TeachingProgress:
        """Return where the job is after a step."""
        self._losses = [*self._losses[1 - LOSSES :], step.loss]
        return TeachingProgress(
            self._training,
            self._trainings,
            step.iteration,
            step.iterations,
            round(fmean(self._losses), 4),
            self._seconds_left(step),
            None if step.score is None else round(step.score.mean, 4),
        )

    def _seconds_left(self, step: TrainingStep) -> int | None:
        now = time.monotonic()
        if self._first is None:
            self._first = (step.iteration, now)
            return None
        iteration, began = self._first
        seconds_per_step = (now - began) / (step.iteration - iteration)
        return round(seconds_per_step * (step.iterations - step.iteration + self._steps_after))


def write_preview(
    path: Path, network: CLSTMUNet4D, sequence: LabelledSequence, model: Model, device: torch.device
) -> None:
    """Draw the annotated frame of a sequence: what is annotated, and what a network finds in it.

    Args:
        path: a PNG, which is replaced.

    Raises:
        StorageError, InputError, OSError: it cannot be written.
    """
    _, place, logits = next(predictions(network, [sequence], model, True, device))
    write_quick_picture(
        path,
        sequence.frames[place].astype(np.float32),
        certain_labels(sequence.allowed[place]),
        logits.argmax(0).to(torch.uint8).cpu().numpy(),
        tuple(n or 1.0 for n in model.geometry.spacing or (None,) * 3),  # of the frame, where the model gives none
    )
