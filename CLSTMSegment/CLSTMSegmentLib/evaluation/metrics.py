"""How well labels agree with an annotation, and how steady they are over time."""

import numpy as np
import SimpleITK as sitk

Slices = tuple[int, int]
"""First and last slice along k."""


def dice(found: sitk.Image, truth: sitk.Image, label: int, slices: Slices | None = None) -> float:
    """Dice coefficient of a label, on some slices where given; 1 where both are empty."""
    found, truth = _masks(found, truth, label, slices)
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(found, truth)
    return measures.GetDiceCoefficient(1) if _filled(found) or _filled(truth) else 1.0


def surface_distances(
    found: sitk.Image, truth: sitk.Image, label: int, slices: Slices | None = None
) -> tuple[float, float] | None:
    """95 % Hausdorff distance and mean surface distance of a label, in mm, both symmetric.

    Distances are measured from the centres of the voxels along one surface to the nearest surface
    of the other; the Hausdorff distance is the larger of the two directions' 95th percentiles.

    Returns:
        None where found or truth is empty: no surface, no distance.
    """
    masks = _masks(found, truth, label, slices)
    if not all(map(_filled, masks)):
        return None
    distances = []
    for mask, other in (masks, masks[::-1]):
        away = sitk.Abs(sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True))
        surface = sitk.GetArrayFromImage(sitk.LabelContour(mask)) > 0
        distances.append(sitk.GetArrayViewFromImage(away)[surface])
    return max(float(np.percentile(d, 95)) for d in distances), float(np.mean(np.concatenate(distances)))


def flicker(volumes: list[float]) -> float:
    """Mean absolute second difference of a volume over time, over its mean; NaN where there is no volume."""
    return float(np.abs(np.diff(volumes, 2)).mean() / np.mean(volumes)) if np.mean(volumes) > 0 else float("nan")


def ejection_fraction(end_diastole: float, end_systole: float) -> float:
    """Percentage of the end-diastolic volume that leaves; NaN without one."""
    return 100 * (1 - end_systole / end_diastole) if end_diastole > 0 else float("nan")


def _masks(found: sitk.Image, truth: sitk.Image, label: int, slices: Slices | None) -> tuple[sitk.Image, sitk.Image]:
    if slices is not None:
        found, truth = (image[:, :, slices[0] : slices[1] + 1] for image in (found, truth))
    return sitk.Cast(found == label, sitk.sitkUInt8), sitk.Cast(truth == label, sitk.sitkUInt8)


def _filled(mask: sitk.Image) -> bool:
    return bool(sitk.GetArrayViewFromImage(mask).any())
