"""Measures of how well labels agree with an annotation, and of how steady a volume is over time."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

Slices = Sequence[int]
"""Numbers of slices, along the image's index axis k."""


def dice(found: sitk.Image, truth: sitk.Image, label: int, slices: Slices | None = None) -> float:
    """Return the Dice coefficient of a label; 1 where the label is in neither image.

    Args:
        found: labels that a model found.
        truth: labels of the annotation, on the same grid.
        label: number of the label.
        slices: slices to compare; None for all.
    """
    found, truth = _masks(found, truth, label, slices)
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(found, truth)
    return measures.GetDiceCoefficient(1) if _has_voxels(found) or _has_voxels(truth) else 1.0


def surface_distances(
    found: sitk.Image, truth: sitk.Image, label: int, slices: Slices | None = None
) -> tuple[float, float] | None:
    """Return the 95 % Hausdorff distance and the mean surface distance of a label in mm, both symmetric.

    Distances are measured from the centres of the voxels on one surface to the nearest point of the other surface.
    The Hausdorff distance is the larger of the 95th percentiles of the two directions. In slices between those that are
    compared, the annotation is taken to be what was found.

    Args:
        found, truth, label, slices: see `dice`.

    Returns:
        None where one of the images does not have the label: without a surface there is no distance.
    """
    compared = sorted(slices) if slices is not None else range(found.GetDepth())
    if not all(map(_has_voxels, _masks(found, truth, label, compared))):
        return None
    block = range(compared[0], compared[-1] + 1)
    masks, others = _masks(found, truth, label, block), [n - block.start for n in block if n not in compared]
    for n in others:
        masks[1][:, :, n] = masks[0][:, :, n]
    distances = []
    for mask, other in (masks, masks[::-1]):
        to_other = sitk.Abs(sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True))
        surface = sitk.GetArrayFromImage(sitk.LabelContour(mask)) > 0
        surface[others] = False
        distances.append(sitk.GetArrayViewFromImage(to_other)[surface])
    return max(float(np.percentile(d, 95)) for d in distances), float(np.mean(np.concatenate(distances)))


def flicker(volumes: list[float]) -> float:
    """Return the mean absolute second difference of a volume over time, divided by its mean.

    Args:
        volumes: volume in each frame, in ml; at least three frames.

    Returns:
        0 for a volume that changes steadily; NaN where the volume is always 0.
    """
    return float(np.abs(np.diff(volumes, 2)).mean() / np.mean(volumes)) if np.mean(volumes) > 0 else float("nan")


def selected_slices(image: sitk.Image, slices: Slices) -> sitk.Image:
    """Return some slices of an image, one directly after the other."""
    selected = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(image)[list(slices)])
    selected.SetSpacing(image.GetSpacing())
    return selected


def _masks(found: sitk.Image, truth: sitk.Image, label: int, slices: Slices | None) -> tuple[sitk.Image, sitk.Image]:
    if slices is not None:
        found, truth = (selected_slices(image, slices) for image in (found, truth))
    return sitk.Cast(found == label, sitk.sitkUInt8), sitk.Cast(truth == label, sitk.sitkUInt8)


def _has_voxels(mask: sitk.Image) -> bool:
    return bool(sitk.GetArrayViewFromImage(mask).any())
