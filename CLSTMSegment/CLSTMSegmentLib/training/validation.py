"""What a network answers to annotated sequences while it is trained: its scores, and what is typical of it."""

from collections.abc import Iterator

import numpy as np
import torch

from ..engine.labelling import largest_component
from ..engine.out_of_distribution import measure_answer, measure_image, typical_ranges
from ..engine.tiles import pad, padded_shape, unpad
from ..model.description import Model
from ..network.unet import CLSTMUNet4D
from .labelled_hearts import LabelledSequence


@torch.inference_mode()
def answers(
    network: CLSTMUNet4D, sequences: list[LabelledSequence], model: Model, memory: bool, device: torch.device
) -> Iterator[tuple[LabelledSequence, int, torch.Tensor]]:
    """For each annotated frame of each sequence: the sequence, the frame's number, and the logits (C, D, H, W).

    With a memory, the two frames before are read first; a sequence of one frame is held.
    """
    network.eval()
    for sequence in sequences:
        for t in sequence.allowed:
            state = None
            for s in (t - 2, t - 1, t) if memory else (t,):
                image = sequence.frames[s % len(sequence.frames)].astype(np.float32)
                padded = torch.from_numpy(pad(image, padded_shape(image.shape, model.geometry)))
                logits, state = network.step(padded[None, None].to(device), state)
            yield sequence, t, unpad(logits[0], image.shape)


def validate(
    network: CLSTMUNet4D,
    sequences: list[LabelledSequence],
    model: Model,
    structures: tuple[int, ...],
    memory: bool,
    device: torch.device,
) -> dict[str, float]:
    """Mean and least Dice of some classes over annotated whole frames, the model's rule on components applied.

    A class that was not drawn in a frame does not count there.
    """
    dice = []
    for sequence, t, logits in answers(network, sequences, model, memory, device):
        labels, allowed = logits.argmax(0).to(torch.uint8).cpu().numpy(), sequence.allowed[t]
        if model.components == "largest":
            labels = largest_component(labels)
        for c in structures:
            found, drawn, decided = labels == c, allowed == 1 << c, (allowed == 1 << c) | (allowed & (1 << c) == 0)
            if drawn.any():
                dice.append(2 * (found & drawn).sum() / ((found & decided).sum() + drawn.sum()))
    return {"mean": float(np.mean(dice)), "least": float(np.min(dice))}


def typical_of(
    network: CLSTMUNet4D, sequences: list[LabelledSequence], model: Model, device: torch.device
) -> dict[str, tuple[float, float]]:
    """What annotated frames, and the network's answers to them, are like: see `familiarity`."""
    return typical_ranges(
        measure_image(sequence.frames[t].astype(np.float32)) | measure_answer(logits.softmax(0), "softmax")
        for sequence, t, logits in answers(network, sequences, model, model.time.rule != "reset", device)
    )
