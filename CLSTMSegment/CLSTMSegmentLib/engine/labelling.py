"""Labels on the voxels of a frame, from probabilities on a model's grid."""

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from ..model.description import Model
from .frame_grid import FrameGrid


def labels_on_frame(probabilities: Tensor, grid: FrameGrid, model: Model) -> np.ndarray:
    """Return the labels of the most probable classes on the voxels of a frame.

    The classes are resampled to the frame one after the other, so that RAM never holds the probabilities of all
    classes at the frame's resolution. With a softmax the background is not resampled: it is 1 minus the sum of the
    other classes, since linear interpolation keeps that sum.

    Args:
        probabilities: (classes, D, H, W) on the model's grid, on the CPU.
        grid: the model's grid laid over the frame.
        model: its activation says what the classes are.

    Returns:
        uint8 (D, H, W) of the grid's box: 0 is background, n the model's n-th segment. With a sigmoid, a voxel belongs
        to a segment only where its probability is more than 0.5.
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
    """Keep only the largest connected component of all segments together; labels are uint8 (D, H, W)."""
    components = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray((labels > 0).astype(np.uint8))))
    return np.where(sitk.GetArrayViewFromImage(components) == 1, labels, 0).astype(np.uint8)
