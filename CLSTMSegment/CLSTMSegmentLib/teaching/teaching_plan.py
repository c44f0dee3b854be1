"""The trainings of a teaching job: one for each fold of held-out frames, then one for the model itself."""

import json
import math
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from ..core.atomic_write import write_text
from ..core.boxes import Shape
from ..core.errors import InputError, StorageError
from ..core.plain_files import read_text
from ..model.description import Model
from ..network.unet import CLSTMUNet4D
from ..training.labelled_hearts import LabelledSequence
from ..training.sparse_labels import certain_labels
from ..training.stack_loss import stack_loss
from ..training.stacks import StackRule, TrainingStacks
from ..training.training_rule import Stage, TrainingRule
from .taught_model import UntaughtModel
from .training_set import WARM_UP_FRAMES, TrainingSet

MOST_FOLDS = 4

VALIDATIONS = 5
"""In each training, at most."""

STEPS = (20, 4000)
"""Of each training, at least and at most."""

PATCH_VOXELS = {"cpu": 16 * 80 * 80, "gpu": 32 * 128 * 128}
"""Of a patch, at most, as far as the smallest tile of the model allows."""

MOST_TIMES_LARGER = 8
"""How many times larger a patch can be because of the smallest tile of the model."""


@dataclass(frozen=True)
class Fold:
    """One training of a teaching job.

    Attributes:
        name: name of its folder in the folder of the job.
        held_out: indices of the annotated frames that it does not learn from; none for the model itself.
    """

    name: str
    held_out: tuple[int, ...] = ()


@dataclass(frozen=True)
class TeachingPlan:
    """The trainings of a teaching job in order, the one for the model itself last, each with its rule."""

    folds: tuple[Fold, ...]
    rules: tuple[TrainingRule, ...]

    def steps_after(self, number: int) -> int:
        """Return the number of steps of all trainings after one of them, which is counted from 0."""
        return sum(rule.iterations for rule in self.rules[number + 1 :])


def folds_of(annotated_frames: int, hold_out_frames: bool = True) -> tuple[Fold, ...]:
    """Return folds in which each annotated frame is held out once, where there are three or more; then the model."""
    count = min(annotated_frames, MOST_FOLDS) if hold_out_frames and annotated_frames >= 3 else 0
    checks = (Fold(f"fold-{k + 1}", tuple(range(k, annotated_frames, count))) for k in range(count))
    return (*checks, Fold("model"))


def plan_trainings(
    training_set: TrainingSet, untaught: UntaughtModel, sequences: list[LabelledSequence], device: torch.device
) -> TeachingPlan:
    """Return the trainings of a job, as long as its minutes allow on this device.

    The speed of the device is measured once. The job's folder keeps the numbers of steps, so that a resumed job has
    the same plan.

    Args:
        sequences: all annotated frames on the model's grid.

    Raises:
        InputError: what is annotated is too small for the model's grid.
        StorageError: the plan cannot be stored.
    """
    model = untaught.description
    settings = training_set.settings
    folds = folds_of(len(training_set.frames), settings.hold_out_frames and not settings.propagated_frames)
    stacks = StackRule(
        frames=1,
        lead=WARM_UP_FRAMES,
        labelled=1,
        batch=2,
        patches=(patch_for(sequences, model, device),),
        phantom_share=0.0,
        cine_share=1.0,
        animated_share=0.5,
        corrupted_share=0.1,
        far_share=0.4,  # with few frames, what lies far from the structures must be learnt from them too
    )
    structures = tuple(range(1, len(model.segments) + 1))
    path = training_set.folder / "plan.json"
    if path.exists():
        steps = _stored_steps(path, folds)
    else:
        trial = TrainingStacks(sequences, None, model, stacks, 0, structures)
        seconds = _seconds_per_step(trial, model, device)
        steps = _affordable_steps(folds, settings.minutes * 60 / seconds)
        try:
            write_text(path, json.dumps(steps))
        except (OSError, InputError, StorageError) as error:
            folder = training_set.folder
            raise StorageError(f"the plan of the teaching job cannot be stored in {folder} ({error})") from error
    random = untaught.weights is None
    return TeachingPlan(folds, tuple(_rule(steps[fold.name], stacks, structures, random) for fold in folds))


def _stored_steps(path: Path, folds: tuple[Fold, ...]) -> dict[str, int]:
    """Return the number of steps of each training, as an earlier job stored it."""
    text = read_text(path)
    try:
        stored = json.loads(text)
        return {fold.name: int(np.clip(int(stored[fold.name]), *STEPS)) for fold in folds}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error!r}): start the teaching job again") from error


def patch_for(sequences: list[LabelledSequence], model: Model, device: torch.device) -> Shape:
    """Return a patch (D, H, W) that holds the annotated structures and a margin, as far as the device allows.

    Its sizes are multiples of 8.

    Raises:
        InputError: no annotated structure fills a voxel of the model's grid, or the model's smallest tile is too large.
    """
    extents = []
    for sequence in sequences:
        for allowed in sequence.allowed.values():
            annotated = np.argwhere(certain_labels(allowed))
            if annotated.size:
                extents.append(np.ptp(annotated, axis=0) + 1)
    if not extents:
        size = " x ".join("own" if v is None else f"{v:g}" for v in model.geometry.spacing or (None,) * 3)
        raise InputError(
            f"what is annotated is too small for the voxels of {size} mm of the initial model: begin with random "
            "weights, or with another model"
        )
    patch = [
        min(max(8 * math.ceil((n + 16) / 8), least), max(8 * math.ceil(whole / 8), least))
        for n, least, whole in zip(
            np.max(extents, axis=0), model.geometry.smallest, sequences[0].frames[0].shape, strict=True
        )
    ]
    most = PATCH_VOXELS["cpu" if device.type == "cpu" else "gpu"]
    while prod(patch) > most:
        spare = [n - least for n, least in zip(patch, model.geometry.smallest, strict=True)]
        if max(spare) == 0:
            break
        patch[int(np.argmax(spare))] -= 8
    if prod(patch) > MOST_TIMES_LARGER * most:
        raise InputError(
            f"the initial model works on tiles of at least {patch} voxels, which is too much to teach on this device: "
            "begin with random weights, or with another model"
        )
    return tuple(patch)


def _affordable_steps(folds: tuple[Fold, ...], affordable: float) -> dict[str, int]:
    """Return the number of steps of each training: half of the time for all folds, half for the model."""
    checks = len(folds) - 1
    shares = {fold.name: (0.5 / checks if fold.held_out else 0.5 if checks else 1.0) for fold in folds}
    # a tenth of the time is for validations
    return {name: int(np.clip(0.9 * share * affordable, *STEPS)) for name, share in shares.items()}


def _rule(steps: int, stacks: StackRule, structures: tuple[int, ...], random_weights: bool) -> TrainingRule:
    return TrainingRule(
        (Stage(steps, 2e-3 if random_weights else 1e-3, stacks),),
        validate_every=-(-steps // VALIDATIONS),
        norms_frozen_from=steps // 2 if random_weights else 0,
        average_decay=1 - 1 / max(4, steps // 20),
        structures=structures,
    )


def _seconds_per_step(stacks: TrainingStacks, model: Model, device: torch.device, trials: int = 4) -> float:
    network = CLSTMUNet4D(model.network).to(device, memory_format=torch.channels_last_3d)
    seconds = []
    for n in range(trials):
        began = time.perf_counter()
        images, allowed = stacks[n]
        stack_loss(network, images.to(device), allowed.to(device), 1).backward()
        seconds.append(time.perf_counter() - began)
    return fmean(seconds[1:])  # the first step is slower than the others
