"""Training stacks: short pieces of sequences, real and phantom, augmented alike over time."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandBiasFieldd,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
)
from torch import Tensor
from torch.utils.data import Dataset

from ..core.boxes import Shape
from ..engine.intensity_window import find_window
from ..model.description import Model
from ..phantoms.phantom import Phantom, grid_points
from .animation import animate
from .corruption import KINDS, corrupted
from .labelled_hearts import LabelledSequence
from .sparse_labels import UNKNOWN, allowed_classes


@dataclass(frozen=True)
class StackRule:
    """What a training stack looks like.

    Attributes:
        frames: those through which the loss is propagated back; 1 trains without memory.
        lead: at most so many frames come before these and only fill the memory (short leads are
            more frequent), so that the network also learns from memories older than a stack.
        labelled: of `frames`, those whose labels are used; the others are read for the memory
            only, which costs a third of a frame with labels.
        batch: stacks of the smallest patch that share an iteration; larger patches have as many
            fewer stacks as they have more voxels, but two (PyTorch convolves one stack slowly on a CPU).
        patches: sizes (D, H, W) on the model's grid, one of which an iteration takes.
        phantom_share: part of the stacks that are phantoms.
        cine_share: part of the others that come from sequences of more than two frames.
        animated_share: part of the real stacks that are one annotated frame made to beat.
        corrupted_share: part of the frames that are spoiled.
        far_share: part of the patches that lie anywhere, rather than about the structure.
    """

    frames: int
    lead: int
    labelled: int
    batch: int
    patches: tuple[Shape, ...]
    phantom_share: float
    cine_share: float
    animated_share: float
    corrupted_share: float
    far_share: float = 0.2


class TrainingStacks(Dataset):
    """Endless batches of training stacks; the n-th depends on the seed and n alone.

    Args:
        sequences: real ones; none for phantoms alone.
        phantom: makes a phantom from a seed; None where the rule asks for none.
        model: its grid, intensities and classes are those of the stacks.
        structures: classes, around one of which a patch is mostly cut and a still image beats.

    Items:
        Images (B, T, D, H, W) float32 in [0, 1] and bit sets (B, T, D, H, W) uint8; T is
        `rule.frames` and a lead that differs from batch to batch.
    """

    def __init__(
        self,
        sequences: list[LabelledSequence],
        phantom: Callable[[int], Phantom] | None,
        model: Model,
        rule: StackRule,
        seed: int,
        structures: tuple[int, ...] = (1,),
    ):
        self._cines = [s for s in sequences if len(s.frames) > 2]
        self._phases = [s for s in sequences if len(s.frames) <= 2]
        self._phantom = phantom
        self._model = model
        self._rule = rule
        self._seed = seed
        self._structures = structures

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor]:
        rng, rule = np.random.default_rng((self._seed, n)), self._rule
        patch = rule.patches[rng.integers(len(rule.patches))]
        batch = max(2, round(rule.batch * min(map(prod, rule.patches)) / prod(patch)))
        length = rule.frames + int((rule.lead + 1) * rng.random() ** 2)
        labelled = length - rule.frames + rng.permutation(rule.frames)[: rule.labelled]
        stacks = [self._stack(patch, length, labelled, rng) for _ in range(batch)]
        return torch.stack([images for images, _ in stacks]), torch.stack([allowed for _, allowed in stacks])

    def _stack(
        self, patch: Shape, length: int, labelled: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        rule = self._rule
        # room to turn the patch in
        room = (patch[0], *(int(n * 1.4) for n in patch[1:]))
        if rng.random() < rule.phantom_share or not (self._cines or self._phases):
            images, allowed = self._phantom_stack(room, length, rng)
        else:
            cines = self._cines and (rng.random() < rule.cine_share or not self._phases)
            sequences = self._cines if cines else self._phases
            sequence = sequences[rng.integers(len(sequences))]
            annotated = int(rng.choice(list(sequence.allowed)))
            structure = self._structure(sequence.allowed[annotated], rng)
            middle = _middle(structure, sequence.frames[0].shape, patch, rule.far_share, rng)
            if structure.any() and rng.random() < rule.animated_share:
                images, allowed = self._animated_stack(sequence, annotated, middle, room, length, rng)
            elif cines:
                times = cine_times(sequence, annotated, length, labelled, rng)
                images, allowed = frames_at(sequence, times, middle, room)
            else:
                images, allowed = frames_at(sequence, phase_times(sequence, length, rng), middle, room)
        allowed[np.setdiff1d(np.arange(length), labelled)] = UNKNOWN
        images, allowed = _augmented(images, allowed, patch, rng)
        for t in np.flatnonzero(rng.random(length) < rule.corrupted_share):
            images[t] = torch.from_numpy(corrupted(images[t].numpy(), str(rng.choice(KINDS)), rng))
        return images, allowed

    def _structure(self, allowed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Where one of the structures is drawn, any of those that are."""
        drawn = [allowed == 1 << c for c in self._structures]
        drawn = [mask for mask in drawn if mask.any()] or drawn
        return drawn[rng.integers(len(drawn))] if len(drawn) > 1 else drawn[0]

    def _animated_stack(
        self,
        sequence: LabelledSequence,
        annotated: int,
        middle: Shape,
        room: Shape,
        length: int,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """One annotated frame made to beat."""
        images, allowed = frames_at(sequence, [annotated], middle, room)
        structure = self._structure(allowed[0], rng)
        if not structure.any():
            return np.repeat(images, length, 0), np.repeat(allowed, length, 0)
        squeeze = 0.5 - 0.5 * np.cos(2 * np.pi * _beats(length, rng))
        strength, at_image = rng.uniform(0.1, 0.42), rng.random()
        scales = (1 - strength * squeeze) / (1 - strength * at_image)
        shifts = squeeze[:, None] * rng.normal(0, 1, 2)
        return animate(images[0], allowed[0], structure, scales, shifts)

    def _phantom_stack(self, room: Shape, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Consecutive frames of a new phantom at some frame rate, in either direction of time."""
        model, phantom = self._model, self._phantom(int(rng.integers(2**31)))
        points = grid_points(room, model.geometry.spacing)
        points[1:] += _offset(rng, 60, self._rule.far_share)[:, None, None, None] * np.float32(
            model.geometry.spacing[1]
        )
        times = _beats(length, rng)
        pairs = [phantom.frame(phase, points, noise_seed=t) for t, phase in enumerate(times)]
        images = np.stack([image for image, _ in pairs])
        images = find_window(model.intensity, images).apply(images)
        labels = np.stack([labels for _, labels in pairs])
        classes = model.network["classes"]
        return images, allowed_classes(labels, list(range(1, classes)), classes)


def labelled_phantom(phantom: Phantom, name: str, model: Model, frames: int, shape: Shape) -> LabelledSequence:
    """One cycle of a phantom on a model's grid, every frame annotated."""
    points = grid_points(shape, model.geometry.spacing)
    pairs = [phantom.frame(t / frames, points, noise_seed=t) for t in range(frames)]
    window = find_window(model.intensity, [image for image, _ in pairs])
    classes = model.network["classes"]
    return LabelledSequence(
        name,
        [window.apply(image).astype(np.float16) for image, _ in pairs],
        {t: allowed_classes(labels, list(range(1, classes)), classes) for t, (_, labels) in enumerate(pairs)},
    )


def _offset(rng: np.random.Generator, far: float, far_share: float) -> np.ndarray:
    """In-plane voxels from the structure to the patch's middle: mostly near, some anywhere up to `far`."""
    reach = far if rng.random() < far_share else 14
    return rng.uniform(-reach, reach, 2).astype(np.float32)


def _middle(structure: np.ndarray, shape: Shape, patch: Shape, far_share: float, rng: np.random.Generator) -> Shape:
    """The voxel in the middle of a patch that mostly shows the structure; large patches stay on the frame."""
    wanted = np.array(shape[1:]) / 2
    if structure.any():
        wanted = np.argwhere(structure.any(0)).mean(0)
    wanted = wanted + _offset(rng, max(shape[1:]) / 2, far_share)
    edge = np.minimum(np.array(patch[1:]) / 2 - 8, np.array(shape[1:]) / 2)
    y, x = np.clip(wanted, edge, shape[1:] - edge).round().astype(int)
    return shape[0] // 2, int(y), int(x)


def _beats(length: int, rng: np.random.Generator) -> np.ndarray:
    """Phases of the frames of a stack: any start and frame rate, either direction, a frame now and then repeated."""
    steps = np.where(rng.random(length) < 0.08, 0, rng.choice([-1, 1]) / rng.integers(12, 36))
    return rng.random() + np.cumsum(steps)


def cine_times(
    sequence: LabelledSequence, annotated: int, length: int, labelled: np.ndarray, rng: np.random.Generator
) -> list[int]:
    """Frames of a cine at some frame rate, in either direction, one of the `labelled` places annotated."""
    place, step = int(rng.choice(labelled)), int(rng.choice([-2, -1, 1, 2]))
    times = annotated + (np.arange(length) - place) * step
    count = len(sequence.frames)
    if not sequence.cyclic:  # back and forth between its ends
        times = count - 1 - np.abs(times % (2 * count - 2) - (count - 1))
    return (times % count).tolist()


def phase_times(sequence: LabelledSequence, length: int, rng: np.random.Generator) -> list[int]:
    """Single phases, held for some frames and alternated."""
    count = len(sequence.frames)
    times = np.repeat(np.arange(count), rng.integers(1, length + 1, count))
    return np.roll(np.resize(times, length), rng.integers(length)).tolist()


def frames_at(
    sequence: LabelledSequence, times: list[int], middle: Shape, room: Shape
) -> tuple[np.ndarray, np.ndarray]:
    """Images and bit sets (T, *room) around a voxel; 0 outside the frame, where nothing is known."""
    images = np.zeros((len(times), *room), np.float32)
    allowed = np.zeros(images.shape, np.uint8)
    source, target = [], []
    for center, size, n in zip(middle, room, sequence.frames[0].shape, strict=True):
        start = center - size // 2
        source.append(slice(max(start, 0), min(start + size, n)))
        target.append(slice(max(-start, 0), max(-start, 0) + source[-1].stop - source[-1].start))
    source, target = tuple(source), tuple(target)
    for place, t in enumerate(times):
        images[place][target] = sequence.frames[t][source]
        allowed[place][target] = sequence.allowed[t][source] if t in sequence.allowed else UNKNOWN
    return images, allowed


def _augmented(
    images: np.ndarray, allowed: np.ndarray, patch: Shape, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The same turn, scale, contrast and bias field for all frames, and noise for each its own."""
    turn = np.pi if rng.random() < 0.3 else 0.35
    transform = Compose(
        [
            RandAffined(
                ["image", "allowed"],
                prob=1.0,
                rotate_range=(turn, 0.0, 0.0),
                scale_range=(0.12, 0.2, 0.2),
                translate_range=(1.5, 0.0, 0.0),
                spatial_size=patch,
                mode=("bilinear", "nearest"),
                padding_mode="zeros",
            ),
            RandFlipd(["image", "allowed"], prob=0.25, spatial_axis=0),
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
