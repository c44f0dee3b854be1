"""The output of a network for annotated sequences during its training: its score, and its typical ranges."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..engine.labelling import largest_component
from ..engine.out_of_distribution import measure_image, measure_prediction, typical_ranges
from ..engine.state_schedule import StateSchedule
from ..engine.tiles import pad, padded_shape, unpad
from ..model.description import Model
from ..model.rules import StateRule
from ..network.unet import CLSTMUNet4D
from .labelled_hearts import LabelledSequence


@dataclass(frozen=True)
class Score:
    """Mean and least Dice over annotated frames and structures."""

    mean: float
    least: float


@torch.inference_mode()
def predictions(
    network: CLSTMUNet4D, sequences: list[LabelledSequence], model: Model, recurrent: bool, device: torch.device
) -> Iterator[tuple[LabelledSequence, int, torch.Tensor]]:
    """Yield, for each annotated frame of each sequence, the sequence, the frame's number and the logits (C, D, H, W).

    The recurrent state reads the frames that it reads in a run, in the same order.

    Args:
        recurrent: False reads each frame with an empty state.
    """
    network.eval()
    for sequence in sequences:
        rule = replace(model.state if recurrent else StateRule("reset"), cyclic=sequence.cyclic)
        schedule = StateSchedule(rule, len(sequence.frames))
        for t in sequence.allowed:
            *before, _ = schedule.order_for(t)
            state = None
            for number in before:
                state = network.update_state(_network_input(sequence, number, model, device), state)
            logits, _ = network.step(_network_input(sequence, t, model, device), state)
            yield sequence, t, unpad(logits[0], sequence.frames[t].shape)


def _network_input(sequence: LabelledSequence, number: int, model: Model, device: torch.device) -> torch.Tensor:
    image = sequence.frames[number].astype(np.float32)
    return torch.from_numpy(pad(image, padded_shape(image.shape, model.geometry, model.network)))[None, None].to(device)


def validate(
    network: CLSTMUNet4D,
    sequences: list[LabelledSequence],
    model: Model,
    structures: tuple[int, ...],
    recurrent: bool,
    device: torch.device,
) -> Score | None:
    """Return the Dice of some classes over annotated whole frames; None where none of them is annotated.

    The model's rule on connected components is applied. A class that is not annotated in a frame does not count there.

    Args:
        structures: the classes.
        recurrent: as in `predictions`.
    """
    dice = []
    for sequence, t, logits in predictions(network, sequences, model, recurrent, device):
        labels, allowed = logits.argmax(0).to(torch.uint8).cpu().numpy(), sequence.allowed[t]
        if model.components == "largest":
            labels = largest_component(labels)
        for c in structures:
            found, true = labels == c, allowed == 1 << c
            decided = true | (allowed & (1 << c) == 0)
            if true.any():
                dice.append(2 * (found & true).sum() / ((found & decided).sum() + true.sum()))
    return Score(float(np.mean(dice)), float(np.min(dice))) if dice else None


def typical_of(
    network: CLSTMUNet4D, sequences: list[LabelledSequence], model: Model, device: torch.device
) -> dict[str, tuple[float, float]]:
    """Return the typical ranges of annotated frames and of the network's output, see `engine.out_of_distribution`.

    Args:
        sequences: whole frames; if the model has a locator, the network reads only the box that it should find.
    """
    recurrent = model.state.rule != "reset"
    margin = None if model.locator is None else model.locator.margin_mm
    return typical_ranges(
        measure_image(sequence.frames[t].astype(np.float32)) | measure_prediction(logits.softmax(0), "softmax")
        for sequence in sequences
        for _, t, logits in predictions(
            network, [sequence if margin is None else sequence.cropped(margin)], model, recurrent, device
        )
    )
