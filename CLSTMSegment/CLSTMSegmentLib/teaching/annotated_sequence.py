"""An annotated frame of a training set, with the frames around it, on the grid of the model that is taught."""

from math import prod

import numpy as np
import SimpleITK as sitk
import torch

from ..core.errors import InputError
from ..core.memory import free_memory
from ..engine.frame_grid import FrameGrid
from ..engine.preparation import prepare, prepare_labels
from ..model.description import Model
from ..training.labelled_hearts import LabelledSequence
from ..training.sparse_labels import UNKNOWN, allowed_classes
from .training_set import AnnotatedFrame, TrainingSet

MOST_SLICES_IN_A_ROW = 3
"""A drawing that is thicker than this across the slices of the image may have been made in slices of another view."""


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
    annotated = frame.around.index(frame.number)
    used = _on_same_grid(grids, annotated)
    frames = [prepare(images[n], grids[n], window).volume.astype(np.float16) for n in used]
    allowed = _allowed_classes(labels, grids[annotated], frame.mark, len(model.segments))
    return LabelledSequence(name, frames, {used.index(annotated): allowed}, cyclic=False)


def check_ram(training_set: TrainingSet, model: Model) -> None:
    """Raise an InputError if the annotated frames and those around them need more RAM on the model's grid than is free.

    An image that cannot be read, or that is too large on the model's grid, is an InputError too.
    """
    needed = 0
    for frame in training_set.frames:
        grid = FrameGrid(training_set.image(frame), model.geometry)
        grid.check_size(f"frame {frame.number} of sequence {frame.sequence}")
        needed += len(frame.around) * prod(grid.model_shape) * np.dtype(np.float16).itemsize
    free = free_memory(torch.device("cpu"))
    if needed > free:
        raise InputError(
            f"the annotated frames need {needed / 1e9:.0f} GB of RAM on the model's grid, and {free / 1e9:.0f} GB are "
            "free: begin with a model of larger voxels, or annotate fewer frames"
        )


def _on_same_grid(grids: list[FrameGrid], annotated: int) -> range:
    """Return the places of the frames around the annotated one, up to a change of the grid, as in a run."""
    first, last = annotated, annotated + 1
    while first > 0 and grids[first - 1].key == grids[annotated].key:
        first -= 1
    while last < len(grids) and grids[last].key == grids[annotated].key:
        last += 1
    return range(first, last)


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
        for axis in slice_axes(grid.reoriented(labels) > 0):
            others = tuple(n for n in range(3) if n != axis)
            allowed[np.broadcast_to(~on_grid.any(axis=others, keepdims=True), allowed.shape)] = UNKNOWN
    return allowed


def slice_axes(drawn: np.ndarray) -> list[int]:
    """Return the axis across which slices were drawn, or two where it is not clear which one.

    It is 0 for D, unless the drawing is thick across D and a single slice thick across one other axis. If it is two or
    three slices thick there, as from a round brush, both axes are possible: then only what lies in drawn slices of both
    is known for certain.

    Args:
        drawn: which voxels (D, H, W) of the reoriented frame are drawn.
    """
    thickest = [_most_slices_in_a_row(drawn.any(axis=tuple(n for n in range(3) if n != axis))) for axis in range(3)]
    if thickest[0] <= MOST_SLICES_IN_A_ROW:
        return [0]
    single = [axis for axis in (1, 2) if thickest[axis] == 1]
    thin = [axis for axis in (1, 2) if thickest[axis] <= MOST_SLICES_IN_A_ROW]
    if len(single) == 1:
        return single
    return [0, *thin] if len(thin) == 1 else [0]


def _most_slices_in_a_row(filled: np.ndarray) -> int:
    """Return the largest number of slices that follow each other, of those in which something is drawn."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], filled.astype(int), [0]])))
    return int((ends[1::2] - ends[::2]).max(initial=0))
