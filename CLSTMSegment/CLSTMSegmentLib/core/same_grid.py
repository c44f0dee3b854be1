"""Whether two images have their voxels at the same places."""

from dataclasses import dataclass
from itertools import product
from math import dist, isfinite

import numpy as np
import SimpleITK as sitk

from .errors import InputError

TOLERANCE = 1e-3
"""Frames whose first voxels, and whose steps between voxels, differ by at most this part of a voxel have one grid."""

ANNOTATION_TOLERANCE = 0.1
"""How far a corner of an annotation may lie from that of its image, as a fraction of the smallest voxel edge.

It is larger than `TOLERANCE`, since other programs store the geometry of annotations in single precision.
"""

SHEAR_TOLERANCE = 0.1
"""An image with sheared axes is taken as straight if no corner moves by more than this part of a voxel edge."""

ROUNDING = 1e-5
"""Directions whose products differ by less from those of directions at right angles are straight, but for rounding."""

SMALLEST_EDGE, LARGEST_EDGE = 1e-6, 1e6
"""A voxel edge in mm beyond these is no length that was meant."""


@dataclass(frozen=True)
class ImageGrid:
    """Where the voxels of a 3D image lie, known from the header of its file.

    Attributes:
        size: number of voxels along i, j and k.
        spacing: voxel edges along i, j and k in mm.
        origin: LPS position of the first voxel in mm.
        direction: LPS directions of i, j and k as the columns of a 3 x 3 matrix, row by row.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image | sitk.ImageFileReader) -> "ImageGrid":
        """Return the grid of an image, or of the first three axes that a header of an image file has."""
        axes = image.GetDimension()
        direction = np.reshape(image.GetDirection(), (axes, axes))[:3, :3].ravel().tolist()
        return cls(image.GetSize()[:3], image.GetSpacing()[:3], image.GetOrigin()[:3], tuple(direction))

    @property
    def steps(self) -> np.ndarray:
        """Return the LPS steps between voxels along i, j and k in mm, as the columns of a 3 x 3 matrix."""
        return np.reshape(self.direction, (3, 3)) * self.spacing

    def check(self, name: str) -> None:
        """Raise an InputError that names the image unless the grid gives its voxels a size and a place in space."""
        numbers = (*self.spacing, *self.origin, *self.direction)
        if not all(map(isfinite, numbers)) or not all(SMALLEST_EDGE < edge < LARGEST_EDGE for edge in self.spacing):
            raise InputError(
                f"{name}: its header gives voxels of {' x '.join(f'{edge:g}' for edge in self.spacing)} mm and an "
                f"origin of {self.origin}: correct its geometry"
            )
        if abs(np.linalg.det(np.reshape(self.direction, (3, 3)))) < 1e-6:
            raise InputError(
                f"{name}: a spacing of {self.spacing} and the directions {self.direction} give its frames no place in "
                "space: correct its header"
            )

    def straight(self, name: str) -> "ImageGrid":
        """Return the straight grid that is nearest to this one; the middle of the image stays where it is.

        Args:
            name: what the image is called in the message.

        Raises:
            InputError: it lies too far away, see `SHEAR_TOLERANCE`.
        """
        axes = np.reshape(self.direction, (3, 3))
        if np.abs(axes.T @ axes - np.eye(3)).max() < ROUNDING:
            return self
        edges = np.linalg.norm(self.steps, axis=0)
        left, _, right = np.linalg.svd(self.steps / edges)  # the rotation nearest to the directions of the axes
        steps = left @ right * edges
        corners = np.array(list(product(*((-0.5, n - 0.5) for n in self.size))))
        middle = (np.array(self.size) - 1) / 2
        moved = np.linalg.norm((corners - middle) @ (steps - self.steps).T, axis=1).max()
        if moved > SHEAR_TOLERANCE * edges.min():
            raise InputError(
                f"{name} is sheared: its axes are not at right angles, as after a registration or with a tilted "
                f"gantry; on a straight grid its corners would lie {moved:.2g} mm off: resample it to a straight "
                "grid first"
            )
        origin = self.origin + (self.steps - steps) @ middle
        return ImageGrid(
            self.size, tuple(edges.tolist()), tuple(origin.tolist()), tuple((left @ right).ravel().tolist())
        )

    def is_same(self, other: "ImageGrid") -> bool:
        """Return whether another grid has as many voxels at the same places, see `TOLERANCE`."""
        if self == other or self.size != other.size:
            return self == other
        moved = np.column_stack([np.subtract(self.origin, other.origin), self.steps - other.steps])
        return bool(np.all(np.linalg.norm(moved, axis=0) <= TOLERANCE * min(self.spacing)))

    def check_same(self, other: "ImageGrid", name: str = "a frame") -> None:
        """Raise an InputError unless another grid is the same.

        Args:
            name: what has the other grid, for the message.
        """
        if not self.is_same(other):
            raise InputError(
                f"{name} differs in geometry from the first one, and one 4D file cannot hold both: write a .seq.mrb "
                "instead"
            )

    def place(self, image: sitk.Image) -> sitk.Image:
        """Give an image, whose size is that of the grid, the geometry of the grid, and return it."""
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image


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
    if not apart <= ANNOTATION_TOLERANCE * min(image.GetSpacing()):
        raise InputError(
            f"{name}: its annotation lies up to {apart:.1f} mm away from it, by spacing, origin and direction: draw on "
            "the grid of the frame, and export the annotation with the geometry of the frame"
        )
