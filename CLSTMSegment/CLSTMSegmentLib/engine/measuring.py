"""Segment volumes of a segmented frame."""

import numpy as np
import SimpleITK as sitk


def volumes_ml(labels: sitk.Image, segments: int) -> list[float]:
    """Volume in ml of labels 1 to `segments`."""
    counts = np.bincount(sitk.GetArrayViewFromImage(labels).ravel(), minlength=segments + 1)
    voxel_ml = float(np.prod(labels.GetSpacing())) / 1000
    return [float(n) * voxel_ml for n in counts[1 : segments + 1]]
