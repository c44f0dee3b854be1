"""From probabilities on a model's grid to labels on a frame's own."""

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from ..model.description import Model
from .frame_grid import FrameGrid


def labels_on_frame(probabilities: Tensor, grid: FrameGrid, model: Model) -> np.ndarray:
    """Arg-max while resampling, one class at a time, so that no class is ever held twice at full size.

    With a softmax, background is not resampled but what the others leave: linear interpolation keeps
    the sum of 1.

    Args:
        probabilities: (classes, D, H, W) on the model's grid.

    Returns:
        uint8 of the grid's box: 0 background, n the model's n-th segment. With a sigmoid a segment
        needs more than 0.5.
    """
    softmax = model.activation == "softmax"
    labels = np.zeros(grid.box_shape, np.uint8)
    best = np.full(grid.box_shape, 0.0 if softmax else 0.5, np.float32)
    background = np.ones(grid.box_shape, np.float32) if softmax else None
    for label, plane in enumerate(probabilities[1:] if softmax else probabilities, start=1):
        on_frame = grid.to_frame(plane.numpy())
        better = on_frame > best
        labels[better] = label
        best[better] = on_frame[better]
        if softmax:
            background -= on_frame
    if softmax:
        labels[background >= best] = 0
    return labels


def largest_component(labels: np.ndarray) -> np.ndarray:
    """The labels of the largest connected piece of all segments together."""
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray((labels > 0).astype(np.uint8))))
    return np.where(sitk.GetArrayViewFromImage(pieces) == 1, labels, 0).astype(np.uint8)
