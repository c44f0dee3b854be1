"""A picture of one frame drawn with SimpleITK alone, where matplotlib may not be installed: in Slicer."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import sitk_cause

HEIGHT = 256
"""Least height of the picture in pixels."""


def write_quick_picture(
    path: Path, image: np.ndarray, drawn: np.ndarray, found: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    """Three slices through what was drawn: found segments outlined in white, drawn ones tinted.

    Args:
        path: a PNG, replaced as a whole.
        image: (D, H, W) in [0, 1].
        drawn, found: (D, H, W) uint8 labels.
        spacing: of D, H, W in mm.

    Raises:
        OSError: it cannot be written.
    """
    filled = np.flatnonzero(drawn.any(axis=(1, 2)))
    if not filled.size:
        filled = np.arange(len(image))
    slices = [int(filled[round(part * (filled.size - 1))]) for part in (0.2, 0.5, 0.8)]
    factor = max(1, -(-HEIGHT // image.shape[1]))
    stretch = max(1, round(factor * spacing[2] / spacing[1]))

    def row(volume: np.ndarray) -> sitk.Image:
        picture = np.concatenate([volume[z] for z in slices], axis=1)
        return sitk.GetImageFromArray(np.repeat(np.repeat(picture, factor, 0), stretch, 1))

    grey = row((np.clip(image, 0, 1) * 255).astype(np.uint8))
    picture = sitk.GetArrayFromImage(sitk.LabelOverlay(grey, row(drawn), opacity=0.3))
    picture[sitk.GetArrayViewFromImage(sitk.LabelContour(row(found))) > 0] = 255
    partial = path.with_suffix(".partial.png")
    try:
        sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(partial))
    except RuntimeError as error:
        raise OSError(f"{path} cannot be written ({sitk_cause(error)})") from error
    partial.replace(path)
