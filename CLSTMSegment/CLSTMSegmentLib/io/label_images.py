"""Label images: what can be one, and how it is read from a file."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from .image_files import read_image

MOST_LABELS = 255
"""Greatest label that a file of labels can have."""


def read_labels(path: Path) -> sitk.Image:
    """Return the label image in a file, in uint8, whatever the type of its voxels.

    Raises:
        InputError: it cannot be read, or a value is no whole number from 0 to `MOST_LABELS`.
    """
    labels = read_image(path)
    check_labels(labels, str(path), MOST_LABELS)
    return sitk.Cast(labels, sitk.sitkUInt8)


def check_labels(labels: sitk.Image, name: str, greatest: int) -> None:
    """Raise an InputError unless an image is a 3D label image with the labels 0 to `greatest`.

    Args:
        name: what the image is called in the message.
    """
    kind = labels.GetPixelIDTypeAsString()
    if labels.GetDimension() != 3 or labels.GetNumberOfComponentsPerPixel() != 1 or "complex" in kind:
        raise InputError(f"{name}: its annotation must be a 3D label image, not {labels.GetDimension()}D of {kind}")
    values = np.unique(sitk.GetArrayViewFromImage(labels))
    if not np.isin(values, range(greatest + 1)).all():
        raise InputError(f"{name}: labels must be whole numbers from 0 to {greatest}")
