"""Which sequences a training learns from, and which guide it."""

from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import InputError
from .configuration import Configuration
from .datasets import LabelledSequence, load_hearts
from .stacks import labelled_phantom

VALIDATION_PHANTOMS = 4
VALIDATION_SHAPE = (24, 64, 64)
"""Voxels (D, H, W) on the model's grid."""


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
    model = configuration.model
    kept_out = {*configuration.validation, *configuration.test}
    if not kept_out:
        # training phantoms have seeds below 2^31
        phantoms = [configuration.phantom(2**31 + n) for n in range(VALIDATION_PHANTOMS)]
        validation = [labelled_phantom(p, f"phantom {n}", model, 4, VALIDATION_SHAPE) for n, p in enumerate(phantoms)]
        return Split([], validation, {"trained_on": "phantoms alone"})
    hearts = load_hearts(data, model.geometry, model.intensity, configuration.rim)
    missing = kept_out - {heart.name for heart in hearts}
    if missing:
        raise InputError(f"{data} has no heart {', '.join(sorted(missing))}, which the training file names")
    return Split(
        [heart for heart in hearts if heart.name not in kept_out],
        # whole single phases: the frames of "both" hold the same slices again
        [heart for heart in hearts if heart.name in configuration.validation and len(heart.frames) == 1],
        {
            "trained_on": sorted({heart.name for heart in hearts} - kept_out),
            "validated_on": sorted(configuration.validation),
            "kept_for_test": sorted(configuration.test),
        },
    )
