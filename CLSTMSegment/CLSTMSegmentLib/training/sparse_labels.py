"""Sparse labels: the classes to which each voxel may belong, as a bit set."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

UNKNOWN = 255
"""The bit set of a voxel about which nothing is known: every class is allowed."""

BACKGROUND = 1
"""The bit set of a voxel that is known to be background."""


def allowed_classes(labels: np.ndarray, labelled: list[int], classes: int) -> np.ndarray:
    """Return bit sets in which bit c says that the voxel may belong to class c.

    Args:
        labels: uint8; each voxel is 0 or a class of `labelled`.
        labelled: the classes that are annotated. A label of 0 means none of these: every other class, background
            included, stays possible.
        classes: number of classes, background included.

    Returns:
        uint8 of the shape of `labels`.
    """
    rest = sum(1 << c for c in range(classes) if c not in labelled)
    allowed = np.full(labels.shape, rest, np.uint8)
    for c in labelled:
        allowed[labels == c] = 1 << c
    return allowed


def certain_labels(allowed: np.ndarray) -> np.ndarray:
    """Return the label of each voxel that can belong to one class only; 0 for background and for all other voxels."""
    single = (allowed & (allowed - 1) == 0) & (allowed > 1)
    return np.where(single, np.log2(np.maximum(allowed, 1)), 0).astype(np.uint8)


@dataclass(frozen=True)
class Border:
    """What is known from anatomy about a class that surrounds another one, where only the inner one is annotated.

    Within each slice, voxels from `from_mm` to `to_mm` outside the inner class belong to the outer class (the wall of a
    heart is at least that thick), and voxels farther than `most_mm` belong to neither. Voxels nearer than `from_mm`
    stay unknown: if they belonged to the outer class, its Dice would pull the contour between the two classes inwards.

    Attributes:
        ends_annotated: whether the annotated slices are all that hold the classes, so that the slices beyond them are
            background; otherwise nothing is known there.
    """

    inner: int
    outer: int
    from_mm: float
    to_mm: float
    most_mm: float
    ends_annotated: bool = False

    def apply(self, allowed: np.ndarray, spacing: tuple[float, float, float]) -> None:
        """Narrow bit sets in place, in the slices that hold the inner class.

        Args:
            allowed: uint8 bit sets (D, H, W).
            spacing: voxel size along D, H, W in mm.
        """
        for bits in allowed:
            inside = bits == 1 << self.inner
            if not inside.any():
                continue
            mask = sitk.GetImageFromArray(inside.astype(np.uint8))
            mask.SetSpacing(spacing[:0:-1])
            distance = sitk.GetArrayFromImage(
                sitk.SignedMaurerDistanceMap(mask, squaredDistance=False, useImageSpacing=True)
            )
            unannotated = (bits != UNKNOWN) & (bits & (1 << self.outer) != 0)
            bits[unannotated & (distance >= self.from_mm) & (distance <= self.to_mm)] = 1 << self.outer
            far = unannotated & (distance > self.most_mm)
            bits[far] &= ~np.uint8(1 << self.outer)
