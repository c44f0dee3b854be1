"""Training stacks: a few frames of a real or phantom sequence, with the same augmentation in all frames."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..core.boxes import Shape
from ..core.checks import are_numbers, is_number
from ..core.errors import InputError
from ..engine.state_schedule import frame_at
from ..model.description import Model
from ..model.rules import MOST_TILE_VOXELS
from ..phantoms.phantom import Phantom, grid_points
from .animation import animate
from .augmentation import Augmentation, augmented
from .corruption import KINDS, corrupted
from .labelled_hearts import LabelledSequence
from .phantom_frames import phantom_frames, phantom_spacing
from .sparse_labels import UNKNOWN, certain_labels

LARGEST_GROWTH = 1.7
"""How many times larger than in its image a structure becomes in an animated frame, at most."""

NOT_NEAR = 0.4
"""Least distance of another place of the image from the structure, as a fraction of the smaller side of a slice."""


@dataclass(frozen=True)
class StackRule:
    """What a training stack looks like.

    Attributes:
        frames: number of frames through which the loss is propagated back; 1 with a `lead` of 0 trains without the
            recurrent state.
        lead: greatest number of additional frames before these, which only fill the recurrent state (short leads are
            more frequent), so that the network also learns from states older than a stack.
        labelled: number of `frames` whose labels are used. The others are read for the recurrent state only, which
            costs a third of a frame with labels.
        batch: number of stacks in an iteration with the smallest patch. With larger patches there are fewer stacks, in
            proportion to their voxels, but at least two (PyTorch convolves one stack slowly on a CPU).
        patches: sizes (D, H, W) in voxels of the model's grid; each iteration uses one of them.
        phantom_share: part of the stacks that are phantoms.
        cine_share: part of the other stacks (the real ones) that come from sequences of more than two frames.
        animated_share: part of the real stacks in which one annotated frame is animated.
        corrupted_share: part of the frames that are corrupted.
        far_share: part of the patches that lie anywhere, instead of near the structure.
        elsewhere_share: part of the stacks with fewer slices than the patch that are continued with slices from another
            place of the image, so that the network learns that a structure ends. Otherwise they are padded.
        largest_contraction: largest part of its radius by which a structure shrinks in an animated frame.
        any_rotation_share, slice_shift: see `Augmentation`.

    Raises:
        InputError: a number of frames, stacks or voxels that makes no sense.
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
    elsewhere_share: float = 0.0
    largest_contraction: float = 0.42
    any_rotation_share: float = 0.3
    slice_shift: float = 0.0

    def __post_init__(self):
        if not all(is_number(n, whole=True) and n >= 1 for n in (self.frames, self.labelled, self.batch)):
            raise InputError("a stack needs at least 1 frame and 1 labelled frame, and a batch at least 1 stack")
        if not is_number(self.lead, whole=True) or self.lead < 0:
            raise InputError(f"the lead of a stack must be at least 0, not {self.lead!r}")
        sizes = [are_numbers(p, 3, whole=True) and min(p) >= 1 and prod(p) <= MOST_TILE_VOXELS for p in self.patches]
        if not sizes or not all(sizes):
            raise InputError(f"the patches of a stack must be three whole numbers each, not {self.patches}")


class TrainingStacks(Dataset):
    """Batches of training stacks without end; the n-th depends on the seed and n alone.

    Args:
        sequences: real sequences; none where all stacks are phantoms.
        phantom: makes a phantom from a seed; None where the rule asks for none.
        model: the model whose grid, intensities and classes the stacks have.
        structures: classes; most patches are cut near one of them, and one of them moves in an animated frame.

    Items:
        Images (B, T, D, H, W) float32 in [0, 1] and bit sets (B, T, D, H, W) uint8; T is `rule.frames` plus a lead that
        differs from batch to batch.
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
        self._augmentation = Augmentation(rule.any_rotation_share, rule.slice_shift)

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor]:
        rng, rule = np.random.default_rng((self._seed, n)), self._rule
        patch = rule.patches[rng.integers(len(rule.patches))]
        batch = max(2, round(rule.batch * min(map(prod, rule.patches)) / prod(patch)))
        length = rule.frames + int((rule.lead + 1) * rng.random() ** 2)
        labelled = length - rule.frames + rng.permutation(rule.frames)[: rule.labelled]
        stacks = [self._stack(patch, length, labelled, stack_rng) for stack_rng in rng.spawn(batch)]
        return torch.stack([images for images, _ in stacks]), torch.stack([allowed for _, allowed in stacks])

    def _stack(
        self, patch: Shape, length: int, labelled: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        rule = self._rule
        # larger than the patch, which is rotated in it
        extent = (patch[0], *(int(n * 1.4) for n in patch[1:]))
        if rng.random() < rule.phantom_share or not (self._cines or self._phases):
            images, allowed = self._phantom_stack(extent, length, rng)
        else:
            cines = self._cines and (rng.random() < rule.cine_share or not self._phases)
            sequences = self._cines if cines else self._phases
            sequence = sequences[rng.integers(len(sequences))]
            annotated = int(rng.choice(list(sequence.allowed)))
            structure = self._structure(sequence.allowed[annotated], rng)
            middle = _middle(structure, patch, rule.far_share, rng)
            if structure.any() and rng.random() < rule.animated_share:
                images, allowed = self._animated_stack(sequence, annotated, middle, extent, length, rng)
            elif cines:
                times = cine_times(sequence, annotated, length, labelled, rng)
                images, allowed = frames_at(sequence, times, middle, extent)
            else:
                images, allowed = frames_at(sequence, phase_times(sequence, length, rng), middle, extent)
            if rng.random() < rule.elsewhere_share:
                _continue_elsewhere(images, allowed, middle[0], sequence, annotated, rng)
        allowed[np.setdiff1d(np.arange(length), labelled)] = UNKNOWN
        images, allowed = augmented(images, allowed, patch, self._augmentation, rng)
        for t in np.flatnonzero(rng.random(length) < rule.corrupted_share):
            images[t] = torch.from_numpy(corrupted(images[t].numpy(), str(rng.choice(KINDS)), rng))
        return images, allowed

    def _structure(self, allowed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the mask of one of the annotated structures, chosen at random; it is empty where none is annotated."""
        masks = [allowed == 1 << c for c in self._structures]
        masks = [mask for mask in masks if mask.any()] or masks
        return masks[rng.integers(len(masks))] if len(masks) > 1 else masks[0]

    def _animated_stack(
        self,
        sequence: LabelledSequence,
        annotated: int,
        middle: Shape,
        extent: Shape,
        length: int,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a stack in which one annotated frame is animated."""
        images, allowed = frames_at(sequence, [annotated], middle, extent)
        structure = self._structure(allowed[0], rng)
        if not structure.any():
            return np.repeat(images, length, 0), np.repeat(allowed, length, 0)
        squeeze = 0.5 - 0.5 * np.cos(2 * np.pi * _random_phases(length, rng))
        strength = rng.uniform(0.1, self._rule.largest_contraction)
        at_image = rng.random() * min(1, (1 - 1 / LARGEST_GROWTH) / strength)
        scales = (1 - strength * squeeze) / (1 - strength * at_image)
        shifts = squeeze[:, None] * rng.normal(0, 1, 2)
        return animate(images[0], allowed[0], structure, scales, shifts)

    def _phantom_stack(self, extent: Shape, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return consecutive frames of a new phantom at a random frame rate, in either direction of time."""
        spacing = phantom_spacing(self._model, rng.random())
        points = grid_points(extent, spacing)
        points[1:] += _offset(rng, 60, self._rule.far_share)[:, None, None, None] * np.float32(spacing[1])
        phantom = self._phantom(int(rng.integers(2**31)))
        return phantom_frames(phantom, _random_phases(length, rng), points, self._model)


def _offset(rng: np.random.Generator, far: float, far_share: float) -> np.ndarray:
    """Return the in-plane distance (H, W) in voxels from the structure to the middle of the patch: mostly short."""
    reach = far if rng.random() < far_share else 14
    return rng.uniform(-reach, reach, 2).astype(np.float32)


def _middle(structure: np.ndarray, patch: Shape, far_share: float, rng: np.random.Generator) -> Shape:
    """Return the voxel in the middle of a patch that mostly shows the structure.

    Along D, the patch holds all slices of the frame, or else as many as it can, at a random place. In the plane of the
    slices, large patches stay on the frame.

    Args:
        structure: the mask of the structure in the whole frame.
    """
    slices, *plane = structure.shape
    wanted = np.array(plane) / 2
    if structure.any():
        wanted = np.argwhere(structure.any(0)).mean(0)
    wanted = wanted + _offset(rng, max(plane) / 2, far_share)
    edge = np.minimum(np.array(patch[1:]) / 2 - 8, np.array(plane) / 2)
    y, x = np.clip(wanted, edge, plane - edge).round().astype(int)
    start = int(rng.integers(min(slices - patch[0], 0), max(slices - patch[0], 0) + 1))
    return start + patch[0] // 2, int(y), int(x)


def _continue_elsewhere(
    images: np.ndarray,
    allowed: np.ndarray,
    middle_slice: int,
    sequence: LabelledSequence,
    annotated: int,
    rng: np.random.Generator,
) -> None:
    """Fill the slices of a stack that lie beyond the ends of the frame with slices from other places of the image.

    Args:
        images, allowed: the stack (T, D, H, W), changed in place.
        middle_slice: the slice of the frame in the middle of the stack.
        annotated: number of the frame whose slices are used.
    """
    structures = certain_labels(sequence.allowed[annotated]) > 0
    slices, *plane = structures.shape
    near = np.argwhere(structures.any(0)).mean(0) if structures.any() else np.array(plane) / 2
    first = middle_slice - images.shape[1] // 2
    for number in range(images.shape[1]):
        y, x = (int(n * rng.uniform(0.2, 0.8)) for n in plane)
        if 0 <= first + number < slices or np.hypot(y - near[0], x - near[1]) < NOT_NEAR * min(plane):
            continue
        middle = (int(rng.integers(slices)), y, x)
        image, bits = frames_at(sequence, [annotated], middle, (1, *images.shape[2:]))
        images[:, number], allowed[:, number] = image[:, 0], bits[:, 0]


def _random_phases(length: int, rng: np.random.Generator) -> np.ndarray:
    """Return a phase for each frame of a stack: random start, rate and direction; some frames are repeated."""
    steps = np.where(rng.random(length) < 0.08, 0, rng.choice([-1, 1]) / rng.integers(12, 36))
    return rng.random() + np.cumsum(steps)


def cine_times(
    sequence: LabelledSequence, annotated: int, length: int, labelled: np.ndarray, rng: np.random.Generator
) -> list[int]:
    """Return frame numbers at a random frame rate and direction, with the annotated one at a labelled place.

    Args:
        annotated: number of the annotated frame.
        length: number of frames to return.
        labelled: places in the stack whose labels are used.
    """
    place, step = int(rng.choice(labelled)), int(rng.choice([-2, -1, 1, 2]))
    positions = annotated + (np.arange(length) - place) * step
    return [frame_at(int(position), len(sequence.frames), sequence.cyclic) for position in positions]


def phase_times(sequence: LabelledSequence, length: int, rng: np.random.Generator) -> list[int]:
    """Return frame numbers in which each single phase is repeated for some frames, then the next follows."""
    count = len(sequence.frames)
    times = np.repeat(np.arange(count), rng.integers(1, length + 1, count))
    return np.roll(np.resize(times, length), rng.integers(length)).tolist()


def frames_at(
    sequence: LabelledSequence, times: list[int], middle: Shape, extent: Shape
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and bit sets (T, *extent) of some frames around the voxel `middle`.

    Outside the frame, images are 0 and nothing is known about the labels.
    """
    images = np.zeros((len(times), *extent), np.float32)
    allowed = np.zeros(images.shape, np.uint8)
    source, target = [], []
    for center, size, n in zip(middle, extent, sequence.frames[0].shape, strict=True):
        start = center - size // 2
        source.append(slice(max(start, 0), min(start + size, n)))
        target.append(slice(max(-start, 0), max(-start, 0) + source[-1].stop - source[-1].start))
    source, target = tuple(source), tuple(target)
    for place, t in enumerate(times):
        images[place][target] = sequence.frames[t][source]
        allowed[place][target] = sequence.allowed[t][source] if t in sequence.allowed else UNKNOWN
    return images, allowed
