"""Preparation: from an image to the array that the network reads, for runs, training and teaching."""

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

import numpy as np
import SimpleITK as sitk

from ..core.boxes import Box, bounding_box
from .frame_grid import FrameGrid
from .intensity_window import IntensityWindow


@dataclass(frozen=True)
class PreparedFrame:
    """A frame as the network reads it.

    Attributes:
        grid: the model's grid laid over the frame.
        volume: float32 (D, H, W) of the grid's `model_shape`, scaled to [0, 1] by the intensity window.
        not_finite: bool (D, H, W) of the grid's `box_shape`: the voxels of the frame whose value is NaN or infinite,
            which count as background. None where every value is finite.
    """

    grid: FrameGrid
    volume: np.ndarray
    not_finite: np.ndarray | None


def prepare(image: sitk.Image, grid: FrameGrid, window: IntensityWindow) -> PreparedFrame:
    """Reorient an image, crop it, scale it by the intensity window, and resample it to a model's grid.

    Args:
        image: a scalar 3D image.
        grid: the model's grid laid over this image; the image is cropped to its box.
        window: the intensity window of the sequence.
    """
    cropped, not_finite = _background_where_not_finite(grid.inside_box(grid.reoriented(image)), window)
    return PreparedFrame(grid, grid.to_model(window.apply(cropped)), not_finite)


def prepare_labels(labels: sitk.Image, grid: FrameGrid, classes: Collection[int]) -> np.ndarray:
    """Return labels on a model's grid, uint8 (D, H, W) of its `model_shape`.

    A voxel gets a label that fills more than half of it, else 0.

    Args:
        labels: label image with the geometry of the image that the grid belongs to.
        grid: the model's grid laid over that image.
        classes: the label values to keep; all others become 0.
    """
    cropped = grid.inside_box(grid.reoriented(labels))
    on_grid = np.zeros(grid.model_shape, np.uint8)
    for c in classes:
        on_grid[grid.to_model((cropped == c).astype(np.float32)) > 0.5] = c
    return on_grid


def scaled_sample(image: sitk.Image, grid: FrameGrid, window: IntensityWindow) -> np.ndarray:
    """Return evenly spaced voxels of a whole frame, at most 128 along an axis, scaled by the intensity window.

    Returns:
        float32 (D, H, W) of the reoriented frame.
    """
    reoriented = grid.reoriented(image)
    sample = reoriented[tuple(slice(None, None, ceil(n / 128)) for n in reoriented.shape)]
    return window.apply(_background_where_not_finite(sample, window)[0])


def foreground_box(image: sitk.Image, grid: FrameGrid, window: IntensityWindow) -> Box | None:
    """Return the box of the reoriented frame that holds all voxels above 0 after scaling; None where there are none."""
    reoriented, _ = _background_where_not_finite(grid.reoriented(image), window)
    return bounding_box(window.apply(reoriented) > 0)


def _background_where_not_finite(array: np.ndarray, window: IntensityWindow) -> tuple[np.ndarray, np.ndarray | None]:
    """Replace values that are not finite by background, and return where they were (None: nowhere)."""
    if not np.issubdtype(array.dtype, np.floating):
        return array, None
    not_finite = ~np.isfinite(array)
    if not not_finite.any():
        return array, None
    return np.where(not_finite, window.low, array), not_finite
