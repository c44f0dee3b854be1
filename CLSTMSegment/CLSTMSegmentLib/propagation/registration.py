"""Deformable registration of the frames of a sequence with an annotated frame."""

from math import ceil

import numpy as np
import SimpleITK as sitk

LEVELS = ((4, 10), (2, 15), (1, 10))
"""Resolutions, from coarse to fine, each as the edge of a voxel in the smallest voxel edge, and steps there."""

SMOOTHING = 0.78
"""Product of the standard deviations along the three axes, in voxels, of the Gaussian that smooths the displacements
after each step: about as many voxels are averaged in a volume as in a stack of thick slices."""

LEAST_SMOOTHING = 0.5
"""Least standard deviation along an axis of large voxels, in voxels."""

LONGEST_STEP = 2.0
"""Largest change of a displacement in a step, in voxels."""

MOST_VOXELS = 500_000
"""Images with more voxels are registered at lower resolutions."""

FEWEST_VOXELS = 8
"""A coarse resolution has at least this many voxels along each axis, or as many as the image."""

SLICES_OF_ONE = 4
"""Number of copies of a single slice that are registered, since there are no gradients across one."""


class Registration:
    """Registers an annotated frame with other frames of its sequence.

    The annotated frame is registered with each frame itself, and not from frame to frame, so that errors do not add up.

    Source: Vercauteren et al. 2007 (symmetric forces demons), as SimpleITK has them.

    Args:
        annotated: image of the annotated frame, float32, without direction and origin.
    """

    def __init__(self, annotated: sitk.Image):
        self._annotated = _with_neighbours(annotated)
        self._coarsening = ceil((annotated.GetNumberOfPixels() / MOST_VOXELS) ** (1 / 3))

    def displacements(self, image: sitk.Image, begin: sitk.Image | None = None) -> sitk.Image:
        """Return the displacements from a frame to the annotated frame, in mm, for `moved`.

        Args:
            image: the frame, on the grid of the annotated one.
            begin: the displacements of a frame that lies close to it in time, with which the registration begins; None
                for no displacements.
        """
        found, image = begin, _with_neighbours(image)
        for edge, steps in LEVELS:
            factors = _factors(image, edge * self._coarsening)
            fixed, moving = (sitk.BinShrink(one, factors) for one in (image, self._annotated))
            demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
            demons.SetNumberOfIterations(steps)
            demons.SetMaximumUpdateStepLength(LONGEST_STEP)
            demons.SetSmoothDisplacementField(True)
            demons.SetStandardDeviations(_smoothing(fixed))
            found = demons.Execute(fixed, moving, *([] if found is None else [_on_grid(found, fixed)]))
        return found


def _with_neighbours(image: sitk.Image) -> sitk.Image:
    """Return an image with copies of its only slice, along each axis along which it has only one."""
    return sitk.ZeroFluxNeumannPad(image, [0, 0, 0], [SLICES_OF_ONE - 1 if n == 1 else 0 for n in image.GetSize()])


def _factors(image: sitk.Image, edge: int) -> list[int]:
    """Return how many voxels become one along each axis, so that none is longer than a multiple of the smallest one."""
    spacing = np.array(image.GetSpacing())
    wanted = np.round(edge * spacing.min() / spacing)
    most = [max(1, size // FEWEST_VOXELS) for size in image.GetSize()]
    return [int(min(max(1, n), limit)) for n, limit in zip(wanted, most, strict=True)]


def _smoothing(image: sitk.Image) -> list[float]:
    """Return the standard deviations of the Gaussian along the axes of an image, in voxels.

    They are equal in mm, except along axes of large voxels, and their product is `SMOOTHING`.
    """
    per_mm = 1 / np.array(image.GetSpacing())
    large = np.zeros(3, bool)
    while True:
        mm = (SMOOTHING / LEAST_SMOOTHING ** large.sum() / per_mm[~large].prod()) ** (1 / (~large).sum())
        deviations = np.where(large, LEAST_SMOOTHING, mm * per_mm)
        if (deviations >= LEAST_SMOOTHING).all():
            return deviations.tolist()
        large = deviations <= LEAST_SMOOTHING


def _on_grid(displacements: sitk.Image, image: sitk.Image) -> sitk.Image:
    return sitk.Resample(displacements, image, sitk.Transform(), sitk.sitkLinear, 0.0, displacements.GetPixelID())


def moved(image: sitk.Image, displacements: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """Return what becomes of an image of the annotated frame in another frame, float32 (k, j, i) on a grid."""
    transform = sitk.DisplacementFieldTransform(sitk.Cast(displacements, sitk.sitkVectorFloat64))
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation coefficient of the voxels of two images; 0 where one of them has no contrast."""
    if not a.size:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0
