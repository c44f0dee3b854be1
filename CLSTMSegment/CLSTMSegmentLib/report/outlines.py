"""Slices of a volume and outlines on them, for pictures."""

import matplotlib
import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes

from ..model.description import Model

matplotlib.use("Agg")


def slices_across(image: sitk.Image, axis: int) -> np.ndarray:
    """The image's voxels with the slices across an image axis first."""
    return np.moveaxis(sitk.GetArrayFromImage(image), 2 - axis, 0)


def window_around(labels: list[np.ndarray]) -> tuple[slice, slice]:
    """The part of the slices to show: around all segments, with as much again; all where there are none."""
    filled = np.any([(frame > 0).any(axis=0) for frame in labels], axis=0)
    if not filled.any():
        return slice(None), slice(None)
    window = []
    for direction in (1, 0):
        where = np.flatnonzero(filled.any(axis=direction))
        margin = max((where[-1] - where[0] + 1) * 2 // 3, 8)
        window.append(slice(max(where[0] - margin, 0), where[-1] + margin + 1))
    return tuple(window)


def spread_positions(labels: list[np.ndarray], count: int = 3) -> list[int]:
    """Slices spread over the segments' extent."""
    filled = np.flatnonzero(np.any([(frame > 0).any(axis=(1, 2)) for frame in labels], axis=0))
    if filled.size == 0:
        filled = np.arange(len(labels[0]))
    return [int(filled[round(part * (filled.size - 1))]) for part in np.linspace(0.2, 0.8, count)]


def draw_outlines(ax: Axes, labels: np.ndarray, model: Model, style: str = "solid") -> None:
    """Outline every segment of a slice in its colour."""
    # the first segment last, on top: where two touch, their outlines coincide
    for value, segment in reversed(list(enumerate(model.segments, start=1))):
        mask = labels == value
        if mask.any() and not mask.all():
            ax.contour(mask, levels=[0.5], colors=[segment.color], linewidths=1.2, linestyles=style)
