"""Sparse labels: the classes to which each voxel may belong, as a bit set, and a loss that uses only this knowledge."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

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


def marginal_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Return cross entropy plus soft Dice for voxels of which only a set of possible classes is known.

    The cross entropy is -log of the summed probability of the allowed classes, averaged over the voxels about which
    something is known. The Dice terms are 1 - Dice; they count the voxels that are known to belong to the class, or
    known not to (Shi et al. 2021, marginal loss), for every annotated class except background.

    One Dice is computed for each of the N frames alone: in one Dice of the whole batch, small structures would hardly
    count beside large ones. Another one, with half the weight, is computed for each slice that holds the class, so
    that its small slices count as much as the large ones. A class that is not annotated in a frame has no Dice there:
    it would be nearly 0 whatever the network predicts, and the cross entropy already keeps the class off the voxels of
    other classes.

    Args:
        logits: (N, C, D, H, W).
        allowed: (N, D, H, W) uint8 bit sets; `UNKNOWN` voxels do not count.

    Returns:
        Scalar.
    """
    classes = logits.shape[1]
    bits = 1 << torch.arange(classes, device=logits.device)
    may_be = (allowed.long()[:, None] & bits[:, None, None, None]) != 0
    log_p = torch.log_softmax(logits.float(), dim=1)
    known = ~may_be.all(dim=1)
    allowed_log_p = torch.logsumexp(log_p.masked_fill(~may_be, -1e4), dim=1)
    cross_entropy = -(allowed_log_p * known).sum() / known.sum().clamp(min=1)
    single = may_be.sum(dim=1, keepdim=True) == 1
    is_class = (may_be & single)[:, 1:]
    decided = is_class | ~may_be[:, 1:]
    p = log_p[:, 1:].exp() * decided
    # of each slice, (N, classes without background, D)
    overlap, total, voxels = (p * is_class).sum((3, 4)), (p + is_class).sum((3, 4)), is_class.sum((3, 4))
    annotated, slices = voxels.sum(2) > 0, voxels > 0
    if not annotated.any():
        return cross_entropy
    by_frame = (2 * overlap.sum(2) + 1) / (total.sum(2) + 1)
    by_slice = (2 * overlap + 1) / (total + 1)
    return cross_entropy + 1 - by_frame[annotated].mean() + 0.5 * (1 - by_slice[slices].mean())
