"""A picture of one frame drawn with SimpleITK alone, because Slicer may have no matplotlib."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.atomic_write import replacing
from ..core.errors import StorageError, sitk_cause

HEIGHT = 256
"""Least height of the picture in pixels."""

MOST_WIDTH = 8192
"""Greatest width of the picture in pixels, unless the image itself has more."""


def write_quick_picture(
    path: Path, image: np.ndarray, annotated: np.ndarray, found: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    """Draw three slices through the annotated segments: annotation in colour, outlines of what was found in white.

    Args:
        path: PNG file; it is replaced as a whole.
        image: (D, H, W) in [0, 1].
        annotated, found: uint8 labels (D, H, W) of the annotation and of the network.
        spacing: size of a voxel along D, H, W in mm.

    Raises:
        StorageError: the file cannot be written.
    """
    filled = np.flatnonzero(annotated.any(axis=(1, 2)))
    if not filled.size:
        filled = np.arange(len(image))
    slices = [int(filled[round(fraction * (filled.size - 1))]) for fraction in (0.2, 0.5, 0.8)]
    factor = max(1, -(-HEIGHT // image.shape[1]))
    stretch = max(1, min(round(factor * spacing[2] / spacing[1]), MOST_WIDTH // (len(slices) * image.shape[2])))

    def row(volume: np.ndarray) -> sitk.Image:
        picture = np.concatenate([volume[z] for z in slices], axis=1)
        return sitk.GetImageFromArray(np.repeat(np.repeat(picture, factor, 0), stretch, 1))

    grey = row((np.clip(image, 0, 1) * 255).astype(np.uint8))
    picture = sitk.GetArrayFromImage(sitk.LabelOverlay(grey, row(annotated), opacity=0.3))
    picture[sitk.GetArrayFromImage(sitk.LabelContour(row(found))) > 0] = 255
    with replacing(path) as partial:
        try:
            sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(partial))
        except RuntimeError as error:
            raise StorageError(f"{path} cannot be written ({sitk_cause(error)})") from error
