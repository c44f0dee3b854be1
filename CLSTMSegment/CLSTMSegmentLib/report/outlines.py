"""Slices of a volume and outlines on them, for pictures."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..core.structure import Segment
from .figure_text import Axes

Box2D = tuple[slice, slice]
"""Rows and columns of a slice."""


def slices_across(image: sitk.Image, axis: int) -> np.ndarray:
    """Return the voxels of an image with the slices across one of its axes (0 for x) first."""
    return np.moveaxis(sitk.GetArrayFromImage(image), 2 - axis, 0)


def box_around(labels: Sequence[np.ndarray]) -> Box2D:
    """Return the rows and columns to show: those of all segments, with a margin; all when there are no segments.

    Args:
        labels: labels (slices, rows, columns) of each frame.
    """
    filled = np.any([(frame > 0).any(axis=0) for frame in labels], axis=0)
    if not filled.any():
        return slice(None), slice(None)
    box = []
    for direction in (1, 0):
        where = np.flatnonzero(filled.any(axis=direction))
        margin = max((where[-1] - where[0] + 1) * 2 // 3, 8)
        box.append(slice(max(where[0] - margin, 0), where[-1] + margin + 1))
    return tuple(box)


def spread_positions(labels: Sequence[np.ndarray], count: int = 3) -> list[int]:
    """Return the numbers of slices that are spread over the extent of the segments.

    Args:
        labels: labels (slices, rows, columns) of each frame.
        count: number of slices to return.
    """
    filled = np.flatnonzero(np.any([(frame > 0).any(axis=(1, 2)) for frame in labels], axis=0))
    if filled.size == 0:
        filled = np.arange(len(labels[0]))
    return [int(filled[round(fraction * (filled.size - 1))]) for fraction in np.linspace(0.2, 0.8, count)]


def draw_outlines(ax: Axes, labels: np.ndarray, segments: Sequence[Segment], style: str = "solid") -> None:
    """Outline every segment of a slice in its colour.

    Args:
        ax: where the slice is shown.
        labels: labels (rows, columns) of the slice.
        segments: the segments of the labels 1, 2, ...
        style: line style of matplotlib.
    """
    # the first segment is drawn last, on top: where two segments touch, their outlines coincide
    for value, segment in reversed(list(enumerate(segments, start=1))):
        mask = labels == value
        if mask.any() and not mask.all():
            ax.contour(mask, levels=[0.5], colors=[segment.color], linewidths=1.2, linestyles=style)
