"""Measures of single slices: their contours, their displacement against their neighbours, and the ends of a stack."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

DISPLACED_MM = 5.0
"""Least distance of the centre of a slice from the middle between those of its neighbours, in mm."""


@dataclass(frozen=True)
class DisplacedSlice:
    """A slice that is displaced against its neighbours, as by a breath-hold.

    Attributes:
        number: number of the slice.
        displacement_mm: distance of the annotated centre from the middle between the centres of the neighbours, in mm.
        dice: Dice coefficient of this slice.
        pulled: how far the centre of what was found lies on the way from the annotated centre to that middle; 0 is at
            the annotated centre, 1 at the middle. None where nothing was found.
    """

    number: int
    displacement_mm: float
    dice: float
    pulled: float | None


def in_plane_distance(found: sitk.Image, truth: sitk.Image, label: int, slices: Sequence[int]) -> float | None:
    """Return the mean distance of the contours of a label in mm, each within its slice.

    It is symmetric: the mean over the points of both contours. A slice in which one of the images does not have the
    label does not count.

    Args:
        found: labels that a model found.
        truth: labels of the annotation, on the same grid.
        label: number of the label.
        slices: numbers of the slices to compare.

    Returns:
        None where no slice counts.
    """
    distances = []
    for number in slices:
        masks = [image[:, :, number] == label for image in (found, truth)]
        if not all(sitk.GetArrayViewFromImage(mask).any() for mask in masks):
            continue
        for mask, other in (masks, masks[::-1]):
            to_other = sitk.Abs(sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True))
            contour = sitk.GetArrayFromImage(sitk.LabelContour(mask)) > 0
            distances.append(sitk.GetArrayViewFromImage(to_other)[contour])
    return float(np.mean(np.concatenate(distances))) if distances else None


def displaced_slices(
    found: sitk.Image, truth: sitk.Image, label: int, slices: Sequence[int]
) -> tuple[DisplacedSlice, ...]:
    """Return the slices whose annotated centre lies at least `DISPLACED_MM` off the middle of its neighbours'.

    Args:
        found, truth, label, slices: see `in_plane_distance`.
    """
    spacing = np.array(truth.GetSpacing()[1::-1])
    found_array, true_array = (sitk.GetArrayViewFromImage(image) == label for image in (found, truth))
    centers = {n: np.argwhere(true_array[n]).mean(0) * spacing for n in slices if true_array[n].any()}
    displaced = []
    for number, center in centers.items():
        if not {number - 1, number + 1} <= set(centers):
            continue
        to_middle = (centers[number - 1] + centers[number + 1]) / 2 - center
        distance = float(np.linalg.norm(to_middle))
        if distance < DISPLACED_MM:
            continue
        inside, true = found_array[number], true_array[number]
        pulled = None
        if inside.any():
            pulled = float((np.argwhere(inside).mean(0) * spacing - center) @ to_middle / distance**2)
        dice = 2 * int((inside & true).sum()) / int(inside.sum() + true.sum())
        displaced.append(DisplacedSlice(number, distance, dice, pulled))
    return tuple(displaced)


def slices_beyond_ends(found: sitk.Image, truth: sitk.Image, label: int) -> tuple[int, int] | None:
    """Return how many slices were found beyond the annotated apex and beyond the annotated base; negative: too few.

    The apex is the end whose annotated area is smaller.

    Args:
        found, truth, label: see `in_plane_distance`; whole images.

    Returns:
        None where one of the images does not have the label.
    """
    ends = []
    for image in (found, truth):
        numbers = np.flatnonzero((sitk.GetArrayViewFromImage(image) == label).any(axis=(1, 2)))
        if numbers.size == 0:
            return None
        ends.append((int(numbers[0]), int(numbers[-1])))
    (found_first, found_last), (first, last) = ends
    areas = [int((sitk.GetArrayViewFromImage(truth)[number] == label).sum()) for number in (first, last)]
    beyond = (first - found_first, found_last - last)
    return beyond if areas[0] <= areas[1] else beyond[::-1]
