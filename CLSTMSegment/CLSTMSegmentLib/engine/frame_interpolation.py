"""Linear interpolation from a model's grid to the voxels of a frame, on any device."""

import numpy as np
import torch
from torch import Tensor

from .frame_grid import FrameGrid


class FrameInterpolation:
    """Interpolates linearly, along one axis after the other, as a product with a matrix.

    Beyond the first and the last voxel of the model's grid, these are repeated.

    Args:
        grid: the model's grid laid over the frame.
        device: where to compute.
    """

    def __init__(self, grid: FrameGrid, device: torch.device):
        matrices = [_matrix(*axis) for axis in grid.frame_positions()]
        self._matrices = [None if matrix is None else matrix.to(device) for matrix in matrices]

    def to_frame(self, on_model: Tensor) -> Tensor:
        """Return values on the voxels of the grid's box.

        Args:
            on_model: float32 of `FrameGrid.model_shape`.

        Returns:
            float32 of `FrameGrid.box_shape`; the same tensor where both are the same voxels.
        """
        values = on_model
        for equation, matrix in zip(("nd,dhw->nhw", "nh,dhw->dnw", "nw,dhw->dhn"), self._matrices, strict=True):
            if matrix is not None:
                values = torch.einsum(equation, matrix, values)
        return values


def _matrix(samples: int, positions: np.ndarray) -> Tensor | None:
    """Return the matrix (n, samples) that interpolates between samples; None where nothing changes.

    Args:
        samples: number of samples.
        positions: where to interpolate, counted in samples, (n,).
    """
    if np.array_equal(positions, np.arange(samples)):
        return None
    distance = torch.from_numpy(positions.clip(0, samples - 1))[:, None] - torch.arange(samples)
    return (1 - distance.abs()).clamp(min=0).float()
