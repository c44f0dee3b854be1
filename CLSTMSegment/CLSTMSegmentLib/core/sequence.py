"""A sequence of images over time: a frame, the index of the frames, and a segmented frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import SimpleITK as sitk

from .errors import InputError
from .same_grid import ImageGrid


@dataclass(frozen=True)
class Frame:
    """One time point: a scalar 3D image, and its index value, verbatim."""

    image: sitk.Image
    index_value: str


def check_frame(frame: Frame, number: int) -> None:
    """Raise an InputError that names the frame unless it is a scalar 3D image with voxels and a geometry."""
    image, name = frame.image, f"frame {number} ({frame.index_value})"
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{name} is a colour or vector image: only scalar images can be segmented")
    if image.GetDimension() != 3:
        raise InputError(f"{name} has {image.GetDimension()} dimensions instead of 3")
    if image.GetNumberOfPixels() == 0:
        raise InputError(f"{name} has no image data")
    if "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"{name} holds complex numbers: take their magnitude first")
    geometry = (*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection())
    if not all(map(isfinite, geometry)) or min(image.GetSpacing()) <= 0:
        raise InputError(
            f"{name} has a spacing of {image.GetSpacing()} and an origin of {image.GetOrigin()}: correct its geometry"
        )
    ImageGrid.of(image).straight(name)


@dataclass(frozen=True)
class SequenceIndex:
    """How the frames of a sequence are indexed.

    Attributes:
        values: the index value of each frame, verbatim.
        name: name of the index, for example "time".
        unit: for example "ms"; may be empty.
        type: type of the values, "numeric" or "text".
    """

    values: list[str]
    name: str = "frame"
    unit: str = ""
    type: str = "numeric"

    @property
    def is_numeric(self) -> bool:
        """Return whether the values are numbers: their type says so, and each of them is a finite number."""
        return self.type == "numeric" and all(_is_finite_number(value) for value in self.values)

    def of(self, numbers: Sequence[int]) -> "SequenceIndex":
        """Return the index of the frames with these numbers."""
        return replace(self, values=[self.values[number] for number in numbers])

    def distinct(self) -> tuple["SequenceIndex", list[str]]:
        """Return the index with a value of its own for each frame, and warnings about what is odd in the values.

        Slicer shows one frame for each value, and takes equal numbers, such as 1 and 1.0, for one value. A value that
        occurs again gets a number, as in "40 (2)". Values that are no numbers, or equal ones, become texts.
        """
        values, warnings = _numbered(self.values), []
        changed = [t for t, value in enumerate(values) if value != self.values[t]]
        index = replace(self, values=values)
        if changed:
            warnings.append(
                f"{len(changed)} frames have the same index value as a frame before them: they are called "
                f"{values[changed[0]]!r} and so on"
            )
        elif self.type == "numeric" and not self.is_numeric:
            odd = next(value for value in values if not _is_finite_number(value))
            warnings.append(f"the index values, such as {odd!r}, are no numbers: they are used as texts")
        if not index.is_numeric:
            return replace(index, type="text"), warnings
        numbers = [float(value) for value in values]
        if len(set(numbers)) < len(numbers):
            warnings.append("some index values are equal numbers, such as 1 and 1.0: they are used as texts")
            return replace(index, type="text"), warnings
        falling = next((t for t in range(1, len(numbers)) if numbers[t] < numbers[t - 1]), None)
        if falling is not None:
            warnings.append(
                f"the index value falls from {values[falling - 1]} to {values[falling]} in frame {falling}: the frames "
                "are segmented in this order, and Slicer shows them in the order of their values"
            )
        return index, warnings


def _numbered(values: list[str]) -> list[str]:
    """Return the values, with a number after each one that occurred before; empty values are called "frame"."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    numbered = []
    for value in values:
        wanted = value or "frame"
        name, n = wanted, counts.get(wanted, 1)
        while name in taken:
            n += 1
            name = f"{wanted} ({n})"
        counts[wanted] = n  # the next one of this value need not try the numbers before
        taken.add(name)
        numbered.append(name)
    return numbered


def _is_finite_number(text: str) -> bool:
    """Return whether Slicer takes a text for a finite number: unlike Python, it reads no 1_000 and no other digits."""
    try:
        return text.isascii() and "_" not in text and isfinite(float(text))
    except ValueError:
        return False


@dataclass(frozen=True)
class SegmentedFrame:
    """One finished frame.

    Attributes:
        number: number of the frame in the sequence, from 0.
        index_value: index value of the frame, verbatim.
        labels: uint8 image with the geometry of the input frame; 0 is background, n the model's n-th segment.
        out_of_distribution: the measures in which the frame is unlike those of the model's training, see
            `engine.out_of_distribution`.
    """

    number: int
    index_value: str
    labels: sitk.Image
    out_of_distribution: tuple[str, ...] = ()
