"""Frames of phantoms on the grid of a model, for training and validation."""

from collections.abc import Iterable

import numpy as np

from ..core.boxes import Shape
from ..engine.intensity_window import find_intensity_window
from ..model.description import Model
from ..phantoms.phantom import Phantom, grid_points
from .labelled_hearts import LabelledSequence
from .sparse_labels import allowed_classes

SLICE_DISTANCES = (7.0, 10.0)
"""Least and greatest distance of slices in mm, for a model that keeps the slices of an image."""


def phantom_spacing(model: Model, place: float = 0.5) -> tuple[float, float, float]:
    """Return a voxel size (D, H, W) in mm for phantoms.

    Args:
        model: its spacing must be given along H and W.
        place: from 0 to 1, where the distance of slices lies in `SLICE_DISTANCES`, if the model gives none.
    """
    least, most = SLICE_DISTANCES
    slices, rows, columns = model.geometry.spacing
    return (least + place * (most - least) if slices is None else slices, rows, columns)


def phantom_frames(
    phantom: Phantom, phases: Iterable[float], points: np.ndarray, model: Model
) -> tuple[np.ndarray, np.ndarray]:
    """Return frames of a phantom, scaled as in a run of a model.

    Args:
        phases: the phase of each of the T frames.
        points: positions (3, D, H, W) in mm, see `Phantom.frame`.
        model: gives the intensity rule and the number of classes.

    Returns:
        Images (T, D, H, W) float32 in [0, 1] and bit sets (T, D, H, W) uint8, see `sparse_labels`.
    """
    pairs = [phantom.frame(phase, points, noise_seed=t) for t, phase in enumerate(phases)]
    images = np.stack([image for image, _ in pairs])
    images = find_intensity_window(model.intensity, images).apply(images)
    classes = model.network.classes
    labels = np.stack([labels for _, labels in pairs])
    return images, allowed_classes(labels, list(range(1, classes)), classes)


def labelled_phantom(phantom: Phantom, name: str, model: Model, frames: int, shape: Shape) -> LabelledSequence:
    """Return one cycle of a phantom on a model's grid, with every frame annotated."""
    spacing = phantom_spacing(model)
    images, allowed = phantom_frames(phantom, np.arange(frames) / frames, grid_points(shape, spacing), model)
    return LabelledSequence(name, list(images.astype(np.float16)), dict(enumerate(allowed)), spacing=spacing)
