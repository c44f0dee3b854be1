"""Which sequences a training learns from, and which guide it."""

from dataclasses import dataclass
from pathlib import Path

from ..core.boxes import Shape
from ..core.errors import InputError
from .configuration import Configuration
from .labelled_hearts import LabelledSequence, load_hearts
from .stacks import labelled_phantom

VALIDATION_PHANTOMS = 4
VALIDATION_SHAPE = (24, 64, 64)
"""Voxels (D, H, W) on the model's grid."""

EXAMPLE_PHANTOMS = 8
EXAMPLE_SHAPE = (16, 112, 112)
"""Of phantoms that show what the training has seen: as large as whole frames."""


@dataclass(frozen=True)
class Split:
    """Sequences to train on and to validate on, and who they are, for the model's description."""

    training: list[LabelledSequence]
    validation: list[LabelledSequence]
    description: dict[str, object]


def split_sequences(configuration: Configuration, data: Path) -> Split:
    """The labelled hearts under a folder, by the configuration's split; phantoms where it names none.

    Raises:
        InputError: a heart that the configuration names is not there.
    """
    model, kept_out = configuration.model, {*configuration.validation, *configuration.test}
    if not kept_out:
        validation = _phantoms(configuration, VALIDATION_PHANTOMS, 4, VALIDATION_SHAPE)
        return Split([], validation, {"trained_on": "phantoms alone"})
    hearts = load_hearts(data, model.geometry, model.intensity, configuration.rim)
    missing = kept_out - {heart.name for heart in hearts}
    if missing:
        raise InputError(f"{data} has no heart {', '.join(sorted(missing))}, which the training file names")
    training = [heart for heart in hearts if heart.name not in kept_out | {*configuration.left_out}]
    return Split(
        training,
        # whole single phases: the frames of "both" hold the same slices again
        [heart for heart in hearts if heart.name in configuration.validation and len(heart.frames) == 1],
        {
            "trained_on": sorted({heart.name for heart in training}),
            "validated_on": sorted(configuration.validation),
            "kept_for_test": sorted(configuration.test),
        },
    )


def examples(configuration: Configuration, split: Split) -> list[LabelledSequence]:
    """Whole frames of all kinds that the training has seen."""
    return split.training + _phantoms(configuration, EXAMPLE_PHANTOMS, 2, EXAMPLE_SHAPE)


def _phantoms(configuration: Configuration, count: int, frames: int, shape: Shape) -> list[LabelledSequence]:
    """Phantoms that are none of the training's: those have seeds below 2^31."""
    return [
        labelled_phantom(configuration.phantom(2**31 + n), f"phantom {n}", configuration.model, frames, shape)
        for n in range(count)
    ]
