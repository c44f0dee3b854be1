"""Training of a CLSTM-UNet4D from sparse labels and phantoms: seeded, logged, resumable."""

import copy
import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..core.boxes import Shape
from ..core.devices import has_bfloat16
from ..core.errors import InputError
from ..model.description import Model
from ..network.unet import CLSTMUNet4D
from ..phantoms.phantom import Phantom
from .labelled_hearts import LabelledSequence
from .sparse_labels import UNKNOWN, marginal_loss
from .stacks import StackRule, TrainingStacks
from .validation import validate
from .widening import widened

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Stage:
    """A part of a training: how long, how fast, on which stacks.

    Attributes:
        iterations: optimiser steps, one batch of stacks each.
        learning_rate: its maximum, see `learning_rate_factor`.
    """

    iterations: int
    learning_rate: float
    stacks: StackRule


@dataclass(frozen=True)
class TrainingRule:
    """How a training goes.

    Attributes:
        stages: one after the other; each starts from the moving average of the weights.
        validate_every: iterations between validations and checkpoints.
        norms_frozen_from: iteration from which batch norms use settled statistics, as they will when
            the model is used. With few stacks a batch, those of the batch differ too much from
            them: until then there is no validation, and the moving average has not begun.
        bfloat16: mixed precision where the machine has it in hardware and its gradients are right (see
            `bfloat16_learns`), float32 elsewhere.
        average_decay: of the moving average of the weights, a step.
        structures: classes around which patches are cut and still images beat, and whose Dice counts.
        keep: of the last stage, "best" keeps the network that scored best on validation, "last" the last
            one, which has learnt most about what validation does not show: spoiled frames.
    """

    stages: tuple[Stage, ...]
    validate_every: int
    norms_frozen_from: int
    seed: int = 0
    bfloat16: bool = False
    average_decay: float = 0.997
    structures: tuple[int, ...] = (1,)
    keep: str = "best"

    def __post_init__(self):
        if self.keep not in ("best", "last"):
            raise InputError(f"keep must be 'best' or 'last', not {self.keep!r}")
        iterations = sum(stage.iterations for stage in self.stages)
        if not 0 <= self.norms_frozen_from < iterations:
            raise InputError(f"norms_frozen_from must lie within the {iterations} iterations of all stages")


@dataclass(frozen=True)
class Step:
    """How a training stands after a step.

    Attributes:
        iteration, iterations: steps done, of how many.
        loss: of this step.
        score: of the moving average, where the step ended with a validation (see `validation.validate`).
        network: the moving average itself.
    """

    iteration: int
    iterations: int
    loss: float
    score: dict[str, float] | None
    network: CLSTMUNet4D


def train(
    model: Model,
    training: list[LabelledSequence],
    validation: list[LabelledSequence],
    phantom: Callable[[int], Phantom] | None,
    rule: TrainingRule,
    out: Path,
    device: torch.device,
    initial: dict[str, torch.Tensor] | None = None,
    watch: Callable[[Step], bool] | None = None,
) -> CLSTMUNet4D:
    """Train, or go on from the checkpoint in `out` where there is one.

    Besides the log and the last checkpoint, `out` keeps the checkpoint at the end of every stage,
    `stage-1.pt` and so on, from which another training can branch off.

    Args:
        model: its network, grid, intensities and time rule; not its weights.
        phantom: makes a phantom from a seed; None where the stages ask for none.
        initial: state dict to begin with, of this network or a narrower one; None for random weights.
        watch: called after every step; once it says False, this step is validated and is the last.

    Returns:
        The exponential moving average of the weights that scored best on validation in the last
        stage, or as it was last (see `TrainingRule.keep`), in eval mode.

    Raises:
        InputError: it was stopped before the first validation.
        FloatingPointError: more than one stack in a hundred gave no finite gradient.
        OSError: a checkpoint cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint_path, best_path = out / CHECKPOINT, out / "best.pt"
    torch.manual_seed(rule.seed)
    network = CLSTMUNet4D(**model.network).to(device, memory_format=torch.channels_last_3d)
    if initial is not None:
        network.load_state_dict(widened(initial, network.state_dict(), rule.seed))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(rule.average_decay), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=1e-4)
    n, best = 0, -1.0
    if checkpoint_path.exists():
        saved = torch.load(checkpoint_path, weights_only=True, map_location=device)
        for part, key in ((network, "network"), (average, "average"), (optimiser, "optimiser")):
            part.load_state_dict(saved[key])
        n, best = saved["iteration"], saved["best"]
    network.train()
    if n > rule.norms_frozen_from:
        freeze_norms(network)

    losses, left_out, began = [], 0, time.monotonic()
    first, going_on = 0, True
    iterations = sum(stage.iterations for stage in rule.stages)
    for number, stage in enumerate(rule.stages, 1):
        last = first + stage.iterations
        if not going_on:
            break
        # one worker prepares the stacks beside the network
        stacks = TrainingStacks(training, phantom, model, stage.stacks, rule.seed, rule.structures)
        source = DataLoader(
            stacks,
            batch_size=None,
            sampler=range(max(n, first), last),
            num_workers=1,
        )
        bfloat16 = rule.bfloat16 and has_bfloat16(device) and bfloat16_learns(network, stage.stacks.patches, device)
        description = f"stage {number} of {len(rule.stages)}, {'bfloat16' if bfloat16 else 'float32'}"
        for images, allowed in tqdm(
            source, description, initial=max(n - first, 0), total=stage.iterations, disable=watch is not None
        ):
            if n == first > rule.norms_frozen_from:
                network.load_state_dict(average.module.state_dict())
            if n == rule.norms_frozen_from:
                settle_norms(network, stacks, device, batches=min(40, max(8, iterations // 20)))
                average.n_averaged.zero_()  # it begins anew, here
            for group in optimiser.param_groups:
                group["lr"] = stage.learning_rate * learning_rate_factor(n - first, stage.iterations)
            loss = stack_loss(network, images.to(device), allowed.to(device), stage.stacks.frames, bfloat16)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if torch.isfinite(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)):
                optimiser.step()
                average.update_parameters(network)
                losses.append(float(loss.detach()))
            else:  # an accident of mixed precision: the stack is left out
                left_out += 1
                if left_out > 0.01 * stage.iterations:
                    raise FloatingPointError(f"{left_out} stacks gave no finite gradient: lower the learning rate")
            n += 1
            if watch is not None:
                going_on = watch(Step(n, iterations, float(loss.detach()), None, average.module))
            if n % rule.validate_every == 0 or n == last or not going_on:
                score = {"mean": math.nan, "least": math.nan}
                if n > rule.norms_frozen_from:
                    memory = stage.stacks.frames + stage.stacks.lead > 1
                    score = validate(average.module, validation, model, rule.structures, memory, device)
                if (number == len(rule.stages) or not going_on) and (score["mean"] > best or rule.keep == "last"):
                    best = score["mean"]
                    _save(average.module.state_dict(), best_path)
                state = {
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "iteration": n,
                    "best": best,
                }
                if n == last:
                    _save(state, out / f"stage-{number}.pt")
                _save(state, checkpoint_path)
                _log(out / "log.csv", n, time.monotonic() - began, float(np.mean(losses)), score)
                losses = []
                if watch is not None:
                    watch(Step(n, iterations, float(loss.detach()), score, average.module))
            if not going_on:
                break
        first = last
    if not best_path.exists():
        raise InputError("the training ended before it had learnt anything that could be kept: let it go on for longer")
    network.load_state_dict(torch.load(best_path, weights_only=True, map_location=device))
    return network.eval()


def batch_norms(network: CLSTMUNet4D) -> list[torch.nn.BatchNorm3d]:
    """All batch norms of a network."""
    return [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm3d)]


def freeze_norms(network: CLSTMUNet4D) -> None:
    """Train mode, but for the batch norms."""
    network.train()
    for norm in batch_norms(network):
        norm.eval()


@torch.no_grad()
def settle_norms(network: CLSTMUNet4D, stacks: TrainingStacks, device: torch.device, batches: int) -> None:
    """Replace running statistics by those of some batches under the weights as they are, and freeze them.

    The running ones lag behind weights that still change fast (Wu and Johnson 2021, "Rethinking
    'Batch' in BatchNorm", precise statistics).
    """
    network.train()
    for norm in batch_norms(network):
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
    for n in range(batches):
        network(stacks[n][0][:, :, None].to(device))
    freeze_norms(network)


def learning_rate_factor(n: int, iterations: int) -> float:
    """Linear warm-up over 100 steps, a fifth of the whole at most, then a cosine to 2 %."""
    warm = min(1.0, (n + 1) / min(100, max(1, iterations // 5)))
    return warm * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(n / iterations, 1.0))))


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


BFLOAT16_ALIKE = 0.9
"""Least cosine between a weight's gradients in mixed precision and in float32; rounding alone leaves 0.99."""


def bfloat16_learns(network: CLSTMUNet4D, patches: tuple[Shape, ...], device: torch.device) -> bool:
    """Whether mixed precision gives the gradients of float32, but for rounding, on patches of these sizes.

    It is tried, since it cannot be taken for granted: oneDNN was seen to give weight gradients of 0 for some small
    tensors (16 channels of 2 x 6 x 6 voxels), without a word.
    """
    network = copy.deepcopy(network).eval()
    for patch in sorted(set(patches)):
        images = torch.rand((2, 1, *patch), generator=torch.Generator().manual_seed(0)).to(device)
        # each class in a part of the image
        allowed = (1 << (images * network.outc.conv.out_channels).long()).to(torch.uint8)
        gradients = []
        for bfloat16 in (False, True):
            network.zero_grad()
            stack_loss(network, images, allowed, 1, bfloat16).backward()
            gradients.append([w.grad.flatten().double() for w in network.parameters() if w.grad is not None])
        for exact, rounded in zip(*gradients, strict=True):
            # "not more": where all is lost, both sides are 0, or no number
            if exact.any() and not exact @ rounded > BFLOAT16_ALIKE * exact.norm() * rounded.norm():
                return False
    return True


def _save(content: dict, path: Path) -> None:
    # through memory: writing itself then fails with an OSError, which says why
    buffer = io.BytesIO()
    torch.save(content, buffer)
    partial = path.with_suffix(".partial")
    partial.write_bytes(buffer.getbuffer())
    partial.replace(path)


def _log(path: Path, iteration: int, seconds: float, loss: float, score: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["iteration", "seconds", "loss", "validation_mean_dice", "validation_least_dice"])
        writer.writerow([iteration, f"{seconds:.0f}", f"{loss:.4f}", f"{score['mean']:.4f}", f"{score['least']:.4f}"])
