"""Training of a CLSTM-UNet4D from sparse labels and phantoms: seeded, logged, resumable."""

import csv
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..engine.frames import GeometryRule
from ..engine.network import CLSTMUNet4D
from ..engine.tiles import pad, padded_shape, unpad
from .datasets import LabelledSequence
from .sparse import UNKNOWN, marginal_loss
from .stacks import StackRule, TrainingStacks

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class TrainingRule:
    """How long and how fast a training goes.

    Attributes:
        iterations: optimiser steps, one batch of stacks each.
        learning_rate: its maximum, after a warm-up of 100 steps; a cosine takes it to 1 %.
        validate_every: iterations between validations and checkpoints.
        norms_frozen_from: iteration at which the network goes on from its moving average, and from
            which batch norms use their running statistics, as they will when the model is used.
            With few stacks a batch, these differ too much from those of the batch.
        bfloat16: mixed precision, for machines that have it in hardware.
    """

    iterations: int
    learning_rate: float
    validate_every: int
    norms_frozen_from: int
    seed: int = 0
    bfloat16: bool = False


def train(
    network: CLSTMUNet4D,
    training: list[LabelledSequence],
    validation: list[LabelledSequence],
    geometry: GeometryRule,
    stack_rule: StackRule,
    rule: TrainingRule,
    out: Path,
    device: torch.device,
) -> CLSTMUNet4D:
    """Train, or go on from the checkpoint in `out` where there is one.

    Returns:
        The exponential moving average of the weights with the best validation score, in eval mode.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint_path, best_path = out / CHECKPOINT, out / "best.pt"
    network.to(device, memory_format=torch.channels_last_3d)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rule.learning_rate, weight_decay=1e-4)
    start, best = 0, -1.0
    if checkpoint_path.exists():
        saved = torch.load(checkpoint_path, weights_only=True, map_location=device)
        for part, key in ((network, "network"), (average, "average"), (optimiser, "optimiser")):
            part.load_state_dict(saved[key])
        start, best = saved["iteration"], saved["best"]

    # one worker prepares the stacks beside the network
    source = DataLoader(
        TrainingStacks(training, stack_rule, rule.seed),
        batch_size=None,
        sampler=range(start, rule.iterations),
        num_workers=1,
    )
    losses, left_out, began = [], 0, time.monotonic()
    train_mode(network, start >= rule.norms_frozen_from)
    steps = tqdm(source, initial=start, total=rule.iterations, mininterval=30, desc="train")
    for n, (images, allowed) in enumerate(steps, start):
        if n == rule.norms_frozen_from:
            network.load_state_dict(average.module.state_dict())
            train_mode(network, norms_frozen=True)
        for group in optimiser.param_groups:
            group["lr"] = rule.learning_rate * learning_rate_factor(n, rule.iterations)
        loss = stack_loss(network, images.to(device), allowed.to(device), stack_rule.frames, rule.bfloat16)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)):
            optimiser.step()
            average.update_parameters(network)
            losses.append(float(loss.detach()))
        else:  # an accident of mixed precision: the stack is left out
            left_out += 1
            if left_out > 0.01 * rule.iterations:
                raise FloatingPointError(f"{left_out} stacks gave no finite gradient: lower the learning rate")
        if (n + 1) % rule.validate_every == 0 or n + 1 == rule.iterations:
            score = validate(average.module, validation, geometry, device)
            if score["mean"] > best:
                best = score["mean"]
                _save(average.module.state_dict(), best_path)
            _save(
                {
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "iteration": n + 1,
                    "best": best,
                },
                checkpoint_path,
            )
            _log(out / "log.csv", n + 1, time.monotonic() - began, float(np.mean(losses)), score)
            losses = []
    network.load_state_dict(torch.load(best_path, weights_only=True, map_location=device))
    return network.eval()


def train_mode(network: CLSTMUNet4D, norms_frozen: bool) -> None:
    """Train mode, with slow running statistics: every frame updates them, and frames of a stack are alike."""
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.momentum = 0.01
            module.train(not norms_frozen)


def learning_rate_factor(n: int, iterations: int) -> float:
    """Linear warm-up over 100 steps, then a cosine to 1 %."""
    warm = min(1.0, (n + 1) / 100)
    return warm * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * min(n / iterations, 1.0))))


def stack_loss(
    network: CLSTMUNet4D, images: torch.Tensor, allowed: torch.Tensor, frames: int, bfloat16: bool = False
) -> torch.Tensor:
    """Marginal loss of a batch of stacks, over its annotated frames.

    Args:
        images, allowed: (B, T, D, H, W).
        frames: the last ones, through which gradients flow; those before only fill the memory
            (truncated back-propagation through time).
    """
    state, logits, known = None, [], []
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        for t, frame in enumerate(images.unbind(1)):
            frame, frame_allowed = frame[:, None], allowed[:, t]
            if t < images.shape[1] - frames:
                with torch.no_grad():
                    state = network.remember(frame, state)
            elif (frame_allowed == UNKNOWN).all():
                state = network.remember(frame, state)
            else:
                frame_logits, state = network.step(frame, state)
                logits.append(frame_logits)
                known.append(frame_allowed)
    return marginal_loss(torch.cat(logits), torch.cat(known))


@torch.inference_mode()
def validate(
    network: CLSTMUNet4D, sequences: list[LabelledSequence], geometry: GeometryRule, device: torch.device
) -> dict[str, float]:
    """Mean and least Dice of class 1 over annotated frames, whole frame, after two frames of memory.

    A sequence of one frame is held; in a longer one the memory comes from the frames before.
    """
    network.eval()
    dice = []
    for sequence in sequences:
        for t, allowed in sequence.allowed.items():
            state = None
            for s in (t - 2, t - 1, t):
                image = sequence.frames[s % len(sequence.frames)].astype(np.float32)
                padded = torch.from_numpy(pad(image, padded_shape(image.shape, geometry)))
                logits, state = network.step(padded[None, None].to(device), state)
            found = unpad(logits[0], allowed.shape).argmax(0).cpu().numpy() == 1
            cavity, known = allowed == 1 << 1, allowed != UNKNOWN
            dice.append(2 * (found & cavity).sum() / max((found & known).sum() + cavity.sum(), 1))
    return {"mean": float(np.mean(dice)), "least": float(np.min(dice))}


def _save(content: dict, path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def _log(path: Path, iteration: int, seconds: float, loss: float, score: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["iteration", "seconds", "loss", "validation_mean_dice", "validation_least_dice"])
        writer.writerow([iteration, f"{seconds:.0f}", f"{loss:.4f}", f"{score['mean']:.4f}", f"{score['least']:.4f}"])
