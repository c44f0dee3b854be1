"""From probabilities on a model's grid to labels on a frame's own."""

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from .bundle import Model
from .frames import FrameGrid


def labels_on_frame(probabilities: Tensor, grid: FrameGrid, model: Model) -> np.ndarray:
    """Arg-max while resampling, one class at a time, so that no class is ever held twice at full size.

    Args:
        probabilities: (classes, D, H, W) on the model's grid.

    Returns:
        uint8 of the grid's box: 0 background, n the model's n-th segment. With a sigmoid a segment
        needs more than 0.5.
    """
    softmax = model.activation == "softmax"
    labels = np.zeros(grid.box_shape, np.uint8)
    best = np.full(grid.box_shape, 0.5, np.float32)
    for c, plane in enumerate(probabilities):
        on_frame = grid.to_frame(grid.model_image(plane.contiguous().numpy()))
        if softmax and c == 0:
            best = np.array(on_frame)
            continue
        better = on_frame > best
        labels[better] = c if softmax else c + 1
        best[better] = on_frame[better]
    return labels


def largest_component(labels: np.ndarray) -> np.ndarray:
    """The labels of the largest connected piece of all segments together."""
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray((labels > 0).astype(np.uint8))))
    return np.where(sitk.GetArrayViewFromImage(pieces) == 1, labels, 0).astype(np.uint8)
