"""Sparse labels: which classes each voxel may be, and losses that use just that."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

UNKNOWN = 255
"""Every class allowed: the voxel teaches nothing."""


def allowed_classes(labels: np.ndarray, labelled: list[int], classes: int) -> np.ndarray:
    """Bit c set where a voxel may be of class c.

    Args:
        labels: uint8, 0 or a class of `labelled`.
        labelled: the classes an annotator drew; 0 then means none of these, so that every
            class not drawn, background included, stays possible.
        classes: number of classes with background.

    Returns:
        uint8 bit sets of the shape of `labels`.
    """
    rest = sum(1 << c for c in range(classes) if c not in labelled)
    allowed = np.full(labels.shape, rest, np.uint8)
    for c in labelled:
        allowed[labels == c] = 1 << c
    return allowed


def drawn_labels(allowed: np.ndarray) -> np.ndarray:
    """The classes that bit sets leave no doubt about, other than background, as labels; 0 elsewhere."""
    single = (allowed & (allowed - 1) == 0) & (allowed > 1)
    return np.where(single, np.log2(np.maximum(allowed, 1)), 0).astype(np.uint8)


@dataclass(frozen=True)
class Rim:
    """What anatomy says of a class that surrounds another, where only the inner one was drawn.

    Within each slice, what lies from `from_mm` to `to_mm` outside the inner class is the outer one (a
    heart's wall is at least so thick), and what lies farther than `most_mm` is neither. Nearer than
    `from_mm` nothing is said: the thin rim's Dice would draw the border between the two inwards.
    """

    inner: int
    outer: int
    from_mm: float
    to_mm: float
    most_mm: float

    def apply(self, allowed: np.ndarray, spacing: tuple[float, float, float]) -> None:
        """Narrow bit sets (D, H, W), in place, in the slices that hold the inner class.

        Args:
            spacing: of D, H, W in mm.
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
            undrawn = (bits != UNKNOWN) & (bits & (1 << self.outer) != 0)
            bits[undrawn & (distance >= self.from_mm) & (distance <= self.to_mm)] = 1 << self.outer
            far = undrawn & (distance > self.most_mm)
            bits[far] &= ~np.uint8(1 << self.outer)


def marginal_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Cross entropy plus soft Dice where a voxel is known only to be of some set of classes.

    Args:
        logits: (N, C, D, H, W).
        allowed: (N, D, H, W) uint8 bit sets; `UNKNOWN` voxels count for nothing.

    Returns:
        Scalar: -log of the summed probability of the allowed classes, averaged over known voxels,
        plus 1 - Dice averaged over the classes other than background that are annotated, in each
        of the N by itself and over the voxels where it is known to be there or not (Shi et al.
        2021, marginal loss). In each by itself: in one Dice of the batch, small hearts would
        hardly count beside large ones. A class that nobody drew has no Dice: it would be nearly 0
        whatever the network says, and the cross entropy already keeps it off the voxels of others.
    """
    classes = logits.shape[1]
    bits = 1 << torch.arange(classes, device=logits.device)
    may_be = (allowed.long()[:, None] & bits[:, None, None, None]) != 0
    log_p = torch.log_softmax(logits.float(), dim=1)
    known = ~may_be.all(dim=1)
    allowed_log_p = torch.logsumexp(log_p.masked_fill(~may_be, -1e4), dim=1)
    cross_entropy = -(allowed_log_p * known).sum() / known.sum().clamp(min=1)
    single = may_be.sum(dim=1, keepdim=True) == 1
    is_class = may_be & single
    decided = is_class | ~may_be
    p = log_p.exp() * decided
    overlap, total = (p * is_class).sum((2, 3, 4)), (p + is_class).sum((2, 3, 4))
    drawn = is_class.flatten(2).any(dim=2)[:, 1:]
    if not drawn.any():
        return cross_entropy
    dice = (2 * overlap[:, 1:] + 1) / (total[:, 1:] + 1)
    return cross_entropy + 1 - dice[drawn].mean()
