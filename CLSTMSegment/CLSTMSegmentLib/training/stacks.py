"""Training stacks: short pieces of sequences, real and phantom, augmented alike over time."""

from collections.abc import Iterator
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

from .datasets import CLASSES, LabelledSequence
from .phantoms import HeartPhantom, grid_points
from .sparse import UNKNOWN, allowed_classes


@dataclass(frozen=True)
class StackRule:
    """What a training stack looks like.

    Attributes:
        frames: its length.
        patch: its size (D, H, W) on the model's grid.
        spacing: of that grid, mm.
        phantom_share: part of the stacks that are phantoms.
        cine_share: part of the others that come from sequences of more than two frames.
    """

    frames: int
    patch: tuple[int, int, int]
    spacing: tuple[float, float, float]
    phantom_share: float
    cine_share: float


def stacks(sequences: list[LabelledSequence], rule: StackRule, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless training stacks; the n-th depends on the seed and n alone.

    Yields:
        Images (T, D, H, W) float32 in [0, 1] and bit sets (T, D, H, W) uint8.
    """
    cines = [s for s in sequences if len(s.frames) > 2]
    phases = [s for s in sequences if len(s.frames) <= 2]
    n = seed
    while True:
        rng = np.random.default_rng((n, 7))
        if rng.random() < rule.phantom_share or not sequences:
            images, allowed = phantom_stack(rule, rng)
        else:
            pool = cines if cines and (rng.random() < rule.cine_share or not phases) else phases
            images, allowed = real_stack(pool[rng.integers(len(pool))], rule.frames, rng)
        yield _augmented(images, allowed, rule, int(rng.integers(2**31)))
        n += 1


def phantom_stack(rule: StackRule, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Some consecutive frames of a new phantom at some frame rate, in either direction of time."""
    phantom = HeartPhantom(int(rng.integers(2**31)))
    room = (1, 1.35, 1.35)
    shape = tuple(int(n * r) for n, r in zip(rule.patch, room, strict=True))
    points = grid_points(shape, rule.spacing)
    start, step = rng.random(), rng.choice([-1, 1]) / rng.integers(12, 36)
    pairs = [phantom.frame(start + t * step, points, noise_seed=t) for t in range(rule.frames)]
    images = np.stack([image for image, _ in pairs])
    low, high = np.percentile(images, [1, 99.5])
    images = np.clip((images - low) / (high - low), 0, 1)
    labels = np.stack([labels for _, labels in pairs])
    return images.astype(np.float32), allowed_classes(labels, [1, 2], CLASSES)


def real_stack(sequence: LabelledSequence, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Frames of a sequence around an annotated one, at some frame rate, in either direction.

    Sequences of one or two frames (single phases) are held and alternated instead.
    """
    count = len(sequence.frames)
    if count > 2:
        labelled = int(rng.choice(list(sequence.allowed)))
        step = int(rng.choice([-2, -1, 1, 2]))
        place = int(rng.integers(frames))
        times = [(labelled + (t - place) * step) % count for t in range(frames)]
    else:
        times = np.repeat(np.arange(count), rng.integers(1, frames + 1, count))
        times = np.roll(np.resize(times, frames), rng.integers(frames)).tolist()
    images = np.stack([sequence.frames[t].astype(np.float32) for t in times])
    unknown = np.full(images.shape[1:], UNKNOWN, np.uint8)
    return images, np.stack([sequence.allowed.get(t, unknown) for t in times])


def _augmented(images: np.ndarray, allowed: np.ndarray, rule: StackRule, seed: int) -> tuple[Tensor, Tensor]:
    """The same turn, crop, contrast and bias field for all frames, and noise for each its own."""
    rng = np.random.default_rng(seed)
    reach = [max(n - p, 0) / 2 + p * 0.1 for n, p in zip(images.shape[1:], rule.patch, strict=True)]
    turn = np.pi if rng.random() < 0.5 else 0.35
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
    ).set_random_state(seed % 2**32)
    # 0 marks what lies outside the image after the turn
    done = transform({"image": torch.from_numpy(images), "allowed": torch.from_numpy(allowed.astype(np.float32))})
    bits = done["allowed"].as_tensor().round().to(torch.uint8)
    bits[bits == 0] = UNKNOWN
    return done["image"].as_tensor().clamp(0, 1).float(), bits
