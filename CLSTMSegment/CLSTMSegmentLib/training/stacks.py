"""Training stacks: short pieces of sequences, real and phantom, augmented alike over time."""

from dataclasses import dataclass

import numpy as np
import torch
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandBiasFieldd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
)
from torch import Tensor
from torch.utils.data import Dataset

from ..engine.intensity import IntensityRule, find_window
from .datasets import CLASSES, LabelledSequence
from .phantoms import HeartPhantom, grid_points
from .sparse import UNKNOWN, allowed_classes


@dataclass(frozen=True)
class StackRule:
    """What a training stack looks like.

    Attributes:
        frames: those through which the loss is propagated back.
        lead: at most so many frames come before these and only fill the memory, so that the
            network also learns from memories older than a stack.
        labelled: of `frames`, those whose labels are used; the others are read for the memory
            only, which costs a third of a frame with labels.
        batch: stacks that share an iteration.
        patch: size (D, H, W) on the model's grid.
        spacing: of that grid, mm.
        intensity: the model's rule, which phantoms go through as frames do.
        phantom_share: part of the stacks that are phantoms.
        cine_share: part of the others that come from sequences of more than two frames.
    """

    frames: int
    lead: int
    labelled: int
    batch: int
    patch: tuple[int, int, int]
    spacing: tuple[float, float, float]
    intensity: IntensityRule
    phantom_share: float
    cine_share: float


class TrainingStacks(Dataset):
    """Endless batches of training stacks; the n-th depends on the seed and n alone.

    Args:
        sequences: real ones; none for phantoms alone.

    Items:
        Images (B, T, D, H, W) float32 in [0, 1] and bit sets (B, T, D, H, W) uint8; T is
        `rule.frames` and a lead that differs from batch to batch.
    """

    def __init__(self, sequences: list[LabelledSequence], rule: StackRule, seed: int):
        self._cines = [s for s in sequences if len(s.frames) > 2]
        self._phases = [s for s in sequences if len(s.frames) <= 2]
        self._rule = rule
        self._seed = seed

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor]:
        rng, rule = np.random.default_rng((self._seed, n)), self._rule
        length = rule.frames + int(rng.integers(rule.lead + 1))
        labelled = length - rule.frames + rng.permutation(rule.frames)[: rule.labelled]
        stacks = [self._stack(length, labelled, rng) for _ in range(rule.batch)]
        return torch.stack([images for images, _ in stacks]), torch.stack([allowed for _, allowed in stacks])

    def _stack(self, length: int, labelled: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        if rng.random() < self._rule.phantom_share or not (self._cines or self._phases):
            images, allowed = phantom_stack(self._rule, length, rng)
        elif self._cines and (rng.random() < self._rule.cine_share or not self._phases):
            images, allowed = cine_stack(self._cines[rng.integers(len(self._cines))], length, labelled, rng)
        else:
            images, allowed = phase_stack(self._phases[rng.integers(len(self._phases))], length, rng)
        allowed[np.setdiff1d(np.arange(length), labelled)] = UNKNOWN
        return _augmented(images, allowed, self._rule, rng)


def phantom_stack(rule: StackRule, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Consecutive frames of a new phantom at some frame rate, in either direction of time."""
    phantom = HeartPhantom(int(rng.integers(2**31)))
    room = (1, 1.35, 1.35)
    shape = tuple(int(n * r) for n, r in zip(rule.patch, room, strict=True))
    points = grid_points(shape, rule.spacing)
    start, step = rng.random(), rng.choice([-1, 1]) / rng.integers(12, 36)
    pairs = [phantom.frame(start + t * step, points, noise_seed=t) for t in range(length)]
    images = np.stack([image for image, _ in pairs])
    images = find_window(rule.intensity, images).apply(images)
    labels = np.stack([labels for _, labels in pairs])
    return images, allowed_classes(labels, [1, 2], CLASSES)


def cine_stack(
    sequence: LabelledSequence, length: int, labelled: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Frames of a cine at some frame rate, in either direction, one of the `labelled` places annotated."""
    annotated, place = int(rng.choice(list(sequence.allowed))), int(rng.choice(labelled))
    step = int(rng.choice([-2, -1, 1, 2]))
    return _frames_at(sequence, [(annotated + (t - place) * step) % len(sequence.frames) for t in range(length)])


def phase_stack(sequence: LabelledSequence, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Single phases, held for some frames and alternated."""
    count = len(sequence.frames)
    times = np.repeat(np.arange(count), rng.integers(1, length + 1, count))
    return _frames_at(sequence, np.roll(np.resize(times, length), rng.integers(length)).tolist())


def _frames_at(sequence: LabelledSequence, times: list[int]) -> tuple[np.ndarray, np.ndarray]:
    images = np.stack([sequence.frames[t].astype(np.float32) for t in times])
    unknown = np.full(images.shape[1:], UNKNOWN, np.uint8)
    return images, np.stack([sequence.allowed.get(t, unknown) for t in times])


def _augmented(
    images: np.ndarray, allowed: np.ndarray, rule: StackRule, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The same turn, crop, contrast and bias field for all frames, and noise for each its own."""
    reach = [max(n - p, 0) / 2 + p * 0.1 for n, p in zip(images.shape[1:], rule.patch, strict=True)]
    turn = np.pi if rng.random() < 0.3 else 0.35
    transform = Compose(
        [
            RandAffined(
                ["image", "allowed"],
                prob=1.0,
                rotate_range=(turn, 0.0, 0.0),
                scale_range=(0.12, 0.2, 0.2),
                translate_range=((0, reach[0] if images.shape[1] > rule.patch[0] else 1.5), reach[1], reach[2]),
                spatial_size=rule.patch,
                mode=("bilinear", "nearest"),
                padding_mode="zeros",
            ),
            RandAdjustContrastd("image", prob=0.5, gamma=(0.6, 1.6)),
            RandScaleIntensityd("image", prob=0.7, factors=0.35),
            RandBiasFieldd("image", prob=0.3, degree=2, coeff_range=(-0.3, 0.3)),
            RandGaussianSmoothd("image", prob=0.15, sigma_x=(0, 0.4), sigma_y=(0.3, 1.0), sigma_z=(0.3, 1.0)),
            RandGaussianNoised("image", prob=0.4, std=0.04),
        ]
    ).set_random_state(int(rng.integers(2**31)))
    # 0 marks what lies outside the image after the turn
    done = transform({"image": torch.from_numpy(images), "allowed": torch.from_numpy(allowed.astype(np.float32))})
    bits = done["allowed"].as_tensor().round().to(torch.uint8)
    bits[bits == 0] = UNKNOWN
    return done["image"].as_tensor().clamp(0, 1).float(), bits
