"""What a trainer is given, what it reports after each step, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..core.errors import RunFailed
from ..model.description import Model
from ..network.unet import CLSTMUNet4D
from ..phantoms.phantom import Phantom
from .labelled_hearts import LabelledSequence
from .training_rule import TrainingRule
from .training_state import HistoryEntry
from .validation import Score


@dataclass(frozen=True)
class TrainingTask:
    """What is to be learnt, and from what.

    Attributes:
        model: its network, grid, intensities and state rule; its weights are not used.
        training, validation: sequences to learn from, and to score the network on.
        rule: how the training goes.
        phantom: makes a phantom from a seed; None where no stage asks for phantoms.
        initial: state dict to begin with, of this network or of a narrower one; None for random weights.
    """

    model: Model
    training: list[LabelledSequence]
    validation: list[LabelledSequence]
    rule: TrainingRule
    phantom: Callable[[int], Phantom] | None = None
    initial: dict[str, torch.Tensor] | None = None


@dataclass(frozen=True)
class TrainingStep:
    """Where a training is after a step.

    Attributes:
        iteration, iterations: steps done, and their number in all stages.
        stage, stages: the stage at work, from 1, and their number.
        bfloat16: whether this stage computes in mixed precision.
        loss: loss of this step.
        score: score of the moving average of the weights, where the step ended with a validation.
        network: that moving average.
    """

    iteration: int
    iterations: int
    stage: int
    stages: int
    bfloat16: bool
    loss: float
    score: Score | None
    network: CLSTMUNet4D


@dataclass(frozen=True)
class TrainResult:
    """What came of a training, however it ended.

    Attributes:
        network: the moving average of the weights that the rule keeps, in eval mode on the CPU; None where the
            training ended before there was one.
        score: score of this network on validation; None where it was not validated.
        history: an entry for each validation.
        stopped: whether the caller stopped the training.
        error: why the training ended early, where neither the caller nor the rule ended it.
    """

    network: CLSTMUNet4D | None
    score: Score | None
    history: tuple[HistoryEntry, ...]
    stopped: bool
    error: RunFailed | None

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights of the network as a bundle holds them: half precision takes half the space."""
        state = self.network.state_dict()
        return {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
