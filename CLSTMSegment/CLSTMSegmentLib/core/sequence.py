"""A sequence of images over time: a frame, the index of the frames, and a segmented frame."""

from dataclasses import dataclass
from math import isfinite

import SimpleITK as sitk

from .errors import InputError


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


def _is_finite_number(text: str) -> bool:
    try:
        return isfinite(float(text))
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
