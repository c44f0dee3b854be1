"""An annotated frame of a training set, with the frames around it, on the grid of the model that is taught."""

import numpy as np
import SimpleITK as sitk

from ..engine.frame_grid import FrameGrid
from ..engine.preparation import prepare, prepare_labels
from ..model.description import Model
from ..training.labelled_hearts import LabelledSequence
from ..training.sparse_labels import UNKNOWN, allowed_classes
from .training_set import AnnotatedFrame, TrainingSet


def annotated_sequence(training_set: TrainingSet, frame: AnnotatedFrame, model: Model) -> LabelledSequence:
    """Return an annotated frame among the frames around it, prepared as in a run.

    Raises:
        InputError: an image cannot be read, or is too large on the model's grid.
    """
    name = f"frame {frame.number} of sequence {frame.sequence}"
    window = training_set.windows[frame.sequence]
    images, labels = training_set.read_frame(frame)
    grids = [FrameGrid(image, model.geometry) for image in images]
    for grid in grids:
        grid.check_size(name)
    frames = [prepare(image, grid, window).volume.astype(np.float16) for image, grid in zip(images, grids, strict=True)]
    annotated = frame.around.index(frame.number)
    allowed = _allowed_classes(labels, grids[annotated], frame.mark, len(model.segments))
    return LabelledSequence(name, frames, {annotated: allowed}, cyclic=False)


def _allowed_classes(labels: sitk.Image, grid: FrameGrid, mark: str, segments: int) -> np.ndarray:
    """Return what the annotation says of each voxel on the model's grid, as bit sets; see `training.sparse_labels`."""
    classes = range(1, segments + 1)
    on_grid = prepare_labels(labels, grid, classes)
    if mark == "partly":
        return np.where(on_grid > 0, 1 << on_grid, UNKNOWN).astype(np.uint8)
    drawn = np.unique(grid.reoriented(labels))
    complete = [c for c in classes if mark == "whole" or c in drawn]
    allowed = allowed_classes(on_grid, complete, len(classes) + 1)
    if mark == "slices":
        allowed[~on_grid.any(axis=(1, 2))] = UNKNOWN
    return allowed
