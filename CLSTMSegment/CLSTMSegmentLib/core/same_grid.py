"""Whether two images have their voxels at the same places."""

from itertools import product
from math import dist

import SimpleITK as sitk

from .errors import InputError

TOLERANCE = 0.1
"""How far a corner of an annotation may lie from that of its image, as a fraction of the smallest voxel edge."""


def check_same_grid(image: sitk.Image, annotation: sitk.Image, name: str) -> None:
    """Raise an InputError unless an annotation has as many voxels as its image, at the same places.

    Args:
        image, annotation: 3D images.
        name: what the image is called in the message.
    """
    if annotation.GetSize() != image.GetSize():
        raise InputError(
            f"{name} has {image.GetSize()} voxels, its annotation {annotation.GetSize()}: draw on the grid of the frame"
        )
    corners = list(product(*((-0.5, n - 0.5) for n in image.GetSize())))
    apart = max(
        dist(*(one.TransformContinuousIndexToPhysicalPoint(corner) for one in (image, annotation)))
        for corner in corners
    )
    if not apart <= TOLERANCE * min(image.GetSpacing()):
        raise InputError(
            f"{name}: its annotation lies up to {apart:.1f} mm away from it, by spacing, origin and direction: draw on "
            "the grid of the frame, and export the annotation with the geometry of the frame"
        )
