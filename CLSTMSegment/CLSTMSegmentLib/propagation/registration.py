"""Deformable registration of the frames of a sequence with an annotated frame."""

from math import ceil

import numpy as np
import SimpleITK as sitk

LEVELS = ((4, 10), (2, 15), (1, 10))
"""Resolutions, from coarse to fine, each as the edge of a voxel in the smallest voxel edge, and steps there."""

SMOOTHING = 1.25
"""Standard deviation of the Gaussian that smooths the displacements after each step, in the smallest voxel edge."""

LEAST_SMOOTHING = 0.5
"""Least standard deviation along an axis of large voxels, in voxels."""

LONGEST_STEP = 2.0
"""Largest change of a displacement in a step, in voxels."""

MOST_VOXELS = 500_000
"""Images with more voxels are registered at lower resolutions."""

FEWEST_VOXELS = 8
"""A coarse resolution has at least this many voxels along each axis, or as many as the image."""


class Registration:
    """Follows an annotated frame through the frames of a sequence, one after the other.

    The annotated frame is registered with each frame itself, and not from frame to frame, so that errors do not add
    up. Each registration begins with the displacements of the frame before, which lies close to it in time.

    Source: Vercauteren et al. 2007 (symmetric forces demons), as SimpleITK has them.

    Args:
        annotated: image of the annotated frame, float32, without direction and origin.
    """

    def __init__(self, annotated: sitk.Image):
        self._annotated = annotated
        self._coarsening = ceil((annotated.GetNumberOfPixels() / MOST_VOXELS) ** (1 / 3))
        self._displacements: sitk.Image | None = None

    def follow(self, image: sitk.Image) -> sitk.Transform:
        """Return the transform from a frame to the annotated frame, for `moved`.

        Args:
            image: the next frame, on the grid of the annotated one.
        """
        found = self._displacements
        for edge, steps in LEVELS:
            factors = _factors(image, edge * self._coarsening)
            fixed, moving = (sitk.BinShrink(one, factors) for one in (image, self._annotated))
            demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
            demons.SetNumberOfIterations(steps)
            demons.SetMaximumUpdateStepLength(LONGEST_STEP)
            demons.SetSmoothDisplacementField(True)
            demons.SetStandardDeviations(_smoothing(fixed))
            found = demons.Execute(fixed, moving, *([] if found is None else [_on_grid(found, fixed)]))
        self._displacements = found
        return sitk.DisplacementFieldTransform(sitk.Cast(found, sitk.sitkVectorFloat64))


def _factors(image: sitk.Image, edge: int) -> list[int]:
    """Return how many voxels become one along each axis, so that none is longer than a multiple of the smallest one."""
    spacing = np.array(image.GetSpacing())
    wanted = np.round(edge * spacing.min() / spacing)
    most = [max(1, size // FEWEST_VOXELS) for size in image.GetSize()]
    return [int(min(max(1, n), limit)) for n, limit in zip(wanted, most, strict=True)]


def _smoothing(image: sitk.Image) -> list[float]:
    spacing = np.array(image.GetSpacing())
    return np.maximum(SMOOTHING * spacing.min() / spacing, LEAST_SMOOTHING).tolist()


def _on_grid(displacements: sitk.Image, image: sitk.Image) -> sitk.Image:
    return sitk.Resample(displacements, image, sitk.Transform(), sitk.sitkLinear, 0.0, displacements.GetPixelID())


def moved(image: sitk.Image, transform: sitk.Transform, grid: sitk.Image) -> np.ndarray:
    """Return what becomes of an image of the annotated frame in another frame, float32 (k, j, i) on a grid."""
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation coefficient of the voxels of two images; 0 where one of them has no contrast."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0
