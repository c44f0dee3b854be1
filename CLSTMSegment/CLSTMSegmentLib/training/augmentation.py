"""Augmentation of training stacks: images and labels move together within their slices, and nothing along them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..core.boxes import Shape
from ..report.matplotlib_import import import_matplotlib_if_installed
from .sparse_labels import UNKNOWN

import_matplotlib_if_installed()  # else MONAI does it, with the settings of the current folder

from monai.transforms import (  # noqa: E402  it must come after matplotlib
    Compose,
    RandAdjustContrastd,
    RandBiasFieldd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
)

SCALE = 0.13
"""Standard deviation of the logarithm of the scale."""

SMALL_ROTATION = 0.35
"""Largest rotation, in radians, of a stack that is not rotated by any angle."""

FAR_SHIFT_SHARE = 1 / 8
"""Part of the slices that are displaced farther than the others, as where a patient breathed in differently."""


@dataclass(frozen=True)
class Augmentation:
    """How stacks are moved.

    Attributes:
        any_rotation_share: part of the stacks that are rotated by any angle; the others by a small one.
        slice_shift: largest standard deviation, in voxels, by which slices are displaced against each other, as by
            breath-holds; it differs from stack to stack. One slice in eight is displaced by twice as much again.
    """

    any_rotation_share: float = 0.3
    slice_shift: float = 0.0


def augmented(
    images: np.ndarray, allowed: np.ndarray, patch: Shape, rule: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return the middle of a stack, changed at random.

    All frames get the same rotation, scale, flips, displacement of slices, contrast and bias field, and each its own
    noise. A slice is never mixed with its neighbours: interpolation along thick slices would give images and labels
    that disagree.

    Args:
        images: (T, D, H, W) float32 in [0, 1]; H and W are larger than the patch, which is rotated in it.
        allowed: (T, D, H, W) uint8 bit sets, see `sparse_labels`; 0 where nothing is known.
        patch: size (D, H, W) of the result.

    Returns:
        Images (T, *patch) float32 in [0, 1] and bit sets (T, *patch) uint8.
    """
    if rng.random() < 0.5:
        images, allowed = images[:, ::-1], allowed[:, ::-1]
    points = _points_in_slices(images.shape[1:], patch, rule, rng)
    moved = _sampled(images, points, "bilinear")
    bits = _sampled(allowed, points, "nearest").round().to(torch.uint8)
    bits[bits == 0] = UNKNOWN
    transform = Compose(
        [
            RandAdjustContrastd("image", prob=0.5, gamma=(0.6, 1.6)),
            RandScaleIntensityd("image", prob=0.7, factors=0.35),
            RandBiasFieldd("image", prob=0.3, degree=2, coeff_range=(-0.3, 0.3)),
            RandGaussianSmoothd("image", prob=0.15, sigma_x=(1e-6, 1e-6), sigma_y=(0.3, 1.0), sigma_z=(0.3, 1.0)),
            RandGaussianNoised("image", prob=0.4, std=0.04),
        ]
    ).set_random_state(int(rng.integers(2**31)))
    changed = transform({"image": moved})["image"].as_subclass(Tensor)  # MONAI's own kind slows each operation down
    return changed.clamp(0, 1).float(), bits


def _points_in_slices(shape: Shape, patch: Shape, rule: Augmentation, rng: np.random.Generator) -> Tensor:
    """Return where in each slice of a volume the voxels of a patch are taken from, (D, H, W, 2) as `grid_sample` wants.

    Args:
        shape: size (D, H, W) of the volume.
        patch: size (D, H, W) of the patch.
    """
    largest = np.pi if rng.random() < rule.any_rotation_share else SMALL_ROTATION
    angle, scale = rng.uniform(-largest, largest), np.exp(np.clip(rng.normal(0, SCALE), -3 * SCALE, 3 * SCALE))
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        matrix[:, 1] *= -1
    shifts = rng.normal(0, 1, (patch[0], 2)) * rng.uniform(0, rule.slice_shift)
    far = rng.random(patch[0]) < FAR_SHIFT_SHARE
    shifts[far] += rng.normal(0, 2 * rule.slice_shift, (far.sum(), 2))
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in patch[1:])
    in_patch = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1)
    middle = (np.array(shape[1:]) - 1) / 2
    places = in_patch @ matrix.T + middle + shifts[:, None, None]
    # from -1 to 1 over the outer voxels' centres, the column first
    return torch.from_numpy((places / middle - 1)[..., ::-1].astype(np.float32).copy())


def _sampled(stack: np.ndarray, points: Tensor, mode: str) -> Tensor:
    """Return the values of a stack (T, D, H, W) at points (D, h, w, 2) of its slices: (T, D, h, w), 0 outside."""
    slices = torch.from_numpy(stack.astype(np.float32)).transpose(0, 1)
    return functional.grid_sample(slices, points, mode, "zeros", align_corners=True).transpose(0, 1).contiguous()
