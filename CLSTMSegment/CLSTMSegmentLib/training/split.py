"""The sequences that a training learns from, and those on which it is validated."""

from dataclasses import dataclass
from pathlib import Path

from ..core.boxes import Shape
from ..core.errors import InputError
from .labelled_hearts import LabelledSequence, load_hearts
from .phantom_frames import labelled_phantom
from .recipe import Recipe

VALIDATION_PHANTOMS = 4
VALIDATION_SHAPE = (24, 64, 64)
"""Size (D, H, W) in voxels of the model's grid."""

EXAMPLE_PHANTOMS = 8
EXAMPLE_SHAPE = (16, 112, 112)
"""Size (D, H, W) in voxels of the phantoms that show what the training has seen: as large as whole frames."""


@dataclass(frozen=True)
class Split:
    """Sequences to train on and to validate on, and their names for the model's description.

    Attributes:
        training: each sequence to train on, once.
        drawn: the same, with those that are drawn twice as often standing twice.
        validation: sequences to validate on.
        description: their names, for the model's description.
    """

    training: list[LabelledSequence]
    drawn: list[LabelledSequence]
    validation: list[LabelledSequence]
    description: dict[str, object]


def split_sequences(recipe: Recipe, data: Path | None) -> Split:
    """Return the labelled hearts in a folder, split as the recipe says; phantoms if it names no hearts.

    Raises:
        InputError: the folder is None but hearts are needed, or a heart that the recipe names is not there.
    """
    model, held_out = recipe.model, {*recipe.validation, *recipe.test}
    if not held_out:
        validation = _phantoms(recipe, VALIDATION_PHANTOMS, 4, VALIDATION_SHAPE)
        return Split([], [], validation, {"trained_on": "phantoms alone"})
    if data is None:
        raise InputError("this recipe needs labelled hearts: give their folder with --data")
    hearts = load_hearts(data, model.geometry, model.intensity, recipe.border, recipe.same_heart, recipe.masked_slices)
    missing = held_out - {heart.name for heart in hearts}
    if missing:
        raise InputError(f"{data} has no heart {', '.join(sorted(missing))}, which the recipe names")
    training = [heart for heart in hearts if heart.name not in held_out | {*recipe.excluded}]
    # single phases with all their slices; sequences of both phases hold the same slices again
    validation = [heart for heart in hearts if heart.name in recipe.validation and len(heart.frames) == 1]
    if recipe.margin_mm is not None:
        validation = [heart.cropped(recipe.margin_mm) for heart in validation]
    description: dict[str, object] = {
        "trained_on": sorted({heart.name for heart in training}),
        "validated_on": sorted(recipe.validation),
        "kept_for_test": sorted(recipe.test),
    }
    if recipe.same_heart:
        description["same_heart"] = recipe.same_heart
    if recipe.masked_slices:
        description["masked_slices"] = recipe.masked_slices
    drawn = training + [heart for heart in training if heart.name.startswith(recipe.twice)]
    return Split(training, drawn, validation, description)


def examples(recipe: Recipe, split: Split) -> list[LabelledSequence]:
    """Return whole frames of every kind that the training has seen."""
    return split.training + _phantoms(recipe, EXAMPLE_PHANTOMS, 2, EXAMPLE_SHAPE)


def _phantoms(recipe: Recipe, count: int, frames: int, shape: Shape) -> list[LabelledSequence]:
    """Return phantoms that the training does not see, because the seeds of its own phantoms are below 2^31."""
    return [
        labelled_phantom(recipe.phantom(2**31 + n), f"phantom {n}", recipe.model, frames, shape) for n in range(count)
    ]
