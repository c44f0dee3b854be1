"""The rule of a training: its stages, and which network it keeps."""

import math
from dataclasses import dataclass

from ..core.checks import is_number
from ..core.errors import InputError
from .stacks import StackRule

KEEP = ("best", "last")


@dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Attributes:
        iterations: number of optimiser steps, each on one batch of stacks.
        learning_rate: the maximum of the learning rate, see `learning_rate_at`.
        stacks: what the stacks look like.
        encoder_rate: learning rate of the encoder, as a multiple of that of all other weights.

    Raises:
        InputError: a value that makes no sense.
    """

    iterations: int
    learning_rate: float
    stacks: StackRule
    encoder_rate: float = 1.0

    def __post_init__(self):
        if not is_number(self.iterations, whole=True) or self.iterations < 1:
            raise InputError(f"a stage needs at least 1 iteration, not {self.iterations!r}")
        if not all(is_number(rate) and rate >= 0 for rate in (self.learning_rate, self.encoder_rate)):
            raise InputError(f"a stage needs rates of at least 0, not {self.learning_rate!r} and {self.encoder_rate!r}")

    @property
    def is_recurrent(self) -> bool:
        """Return whether the network reads more than one frame of a stack, so that its recurrent state matters."""
        return self.stacks.frames + self.stacks.lead > 1

    def learning_rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from the beginning of the stage.

        It rises linearly for 100 iterations, or a fifth of the stage where that is less, then falls as a cosine to
        2 % of its maximum.
        """
        warm_up = min(100, max(1, self.iterations // 5))
        rise = min(1.0, (iteration + 1) / warm_up)
        fall = 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(iteration / self.iterations, 1.0)))
        return self.learning_rate * (rise * fall)


@dataclass(frozen=True)
class TrainingRule:
    """How a training goes.

    Attributes:
        stages: one after the other; each starts from the moving average of the weights.
        validate_every: number of iterations between validations, each of which stores a checkpoint.
        norms_frozen_from: the iteration from which batch norms use fixed statistics, as they do in a run of the model;
            the number of all iterations for never. A long training learns more with the statistics of each batch; with
            small batches, as of stacks of many frames, these differ too much from the fixed ones.
        seed: the same seed gives the same training.
        bfloat16: whether to compute in mixed precision where the device has it in hardware and its gradients are
            right (see `stack_loss.bfloat16_learns`).
        average_decay: decay of the moving average of the weights at each step.
        structures: the classes around which patches are cut and still images move, and whose Dice is the score.
        deep_supervision: whether the coarse stages of the decoder are trained on the labels, too.
        keep: "best" keeps the network of the last stage with the best score, "last" the last network, which has
            learnt most about what validation does not show, such as corrupted frames.

    Raises:
        InputError: a value that makes no sense.
    """

    stages: tuple[Stage, ...]
    validate_every: int
    norms_frozen_from: int
    seed: int = 0
    bfloat16: bool = False
    average_decay: float = 0.997
    structures: tuple[int, ...] = (1,)
    deep_supervision: bool = False
    keep: str = "best"

    def __post_init__(self):
        if not is_number(self.validate_every, whole=True) or self.validate_every < 1:
            raise InputError(f"validate_every must be at least 1, not {self.validate_every!r}")
        if self.keep not in KEEP:
            raise InputError(f"keep must be 'best' or 'last', not {self.keep!r}")
        if not 0 <= self.norms_frozen_from <= self.iterations:
            raise InputError(f"norms_frozen_from must lie within the {self.iterations} iterations of all stages")

    @property
    def iterations(self) -> int:
        """Return the number of iterations of all stages."""
        return sum(stage.iterations for stage in self.stages)
