"""Labels on the voxels of a frame, from probabilities on a model's grid."""

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ..model.description import Model
from .frame_grid import FrameGrid
from .frame_interpolation import FrameInterpolation


def labels_on_frame(probabilities: Tensor, grid: FrameGrid, model: Model) -> np.ndarray:
    """Return the labels of the most probable classes on the voxels of a frame.

    The classes are resampled to the frame one after the other, so that memory never holds the probabilities of all
    classes at the frame's resolution. With a softmax the background is not resampled: it is 1 minus the sum of the
    other classes, since linear interpolation keeps that sum. A GPU does all this and copies only the labels.

    Args:
        probabilities: (classes, D, H, W) on the model's grid, on any device.
        grid: the model's grid laid over the frame.
        model: its activation says what the classes are.

    Returns:
        uint8 (D, H, W) of the grid's box: 0 is background, n the model's n-th segment. With a sigmoid, a voxel belongs
        to a segment only where its probability is more than 0.5.
    """
    softmax = model.activation == "softmax"
    interpolation = FrameInterpolation(grid, probabilities.device)
    labels = probabilities.new_zeros(grid.box_shape, dtype=torch.uint8)
    best = probabilities.new_full(grid.box_shape, 0.0 if softmax else 0.5)
    background = torch.ones_like(best) if softmax else None
    for label, on_model in enumerate(probabilities[1:] if softmax else probabilities, start=1):
        on_frame = interpolation.to_frame(on_model)
        labels.masked_fill_(on_frame > best, label)
        best = torch.maximum(best, on_frame)
        if softmax:
            background -= on_frame
    if softmax:
        labels.masked_fill_(background >= best, 0)
    return labels.cpu().numpy()


def largest_component(labels: np.ndarray) -> np.ndarray:
    """Keep only the largest connected component of all segments together; labels are uint8 (D, H, W)."""
    components = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray((labels > 0).astype(np.uint8))))
    return np.where(sitk.GetArrayViewFromImage(components) == 1, labels, 0).astype(np.uint8)
