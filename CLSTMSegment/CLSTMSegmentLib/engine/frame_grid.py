"""The grid of a model laid over a frame: reorienting, cropping and resampling, and the reverse for labels."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
import SimpleITK as sitk

from ..core.boxes import Box, Shape, full_box, size_of
from ..core.errors import InputError
from ..core.same_grid import ImageGrid
from ..model.rules import GeometryRule
from .region import Region

THICK_SLICE_RATIO = 1.5
"""A frame counts as a stack of thick slices if its largest spacing is more than this many times the second largest."""

MOST_VOXELS = 4e9
"""Largest number of voxels that a frame can have on a model's grid; a whole body at 0.4 mm has fewer."""

FEW_VOXELS, MOST_FINER = 1e7, 1000
"""A frame that has more than these voxels on a model's grid can have at most this many times its own voxels there."""


@dataclass(frozen=True)
class GridKey:
    """What tells grids apart: two keys are equal if the voxels lie at the same places, but for rounding.

    Attributes:
        grid: of the image, see `ImageGrid.is_same`.
        box: the box and how the axes of the image are reoriented.
    """

    grid: ImageGrid
    box: tuple

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GridKey) and self.box == other.box and self.grid.is_same(other.grid)

    def __hash__(self) -> int:
        return hash((self.grid.size, self.box))


class FrameGrid:
    """How the voxels of a frame lie on a model's grid. A grid is never changed after it was made.

    All resampling ignores the frame's direction and origin: it uses the identity and zero instead. Two images
    that store the same voxels with permuted or flipped axes are the same once they are reoriented, and so their
    labels are the same, bit for bit.

    Args:
        image: the frame.
        rule: the axes and the spacing that the model needs.

    Attributes:
        order, flips: the image axis that becomes the model's D, H and W, and which of them are flipped.
        frame_shape, frame_spacing: size in voxels and voxel size in mm of the reoriented frame, along D, H, W.
        origin: LPS position of the reoriented frame's first voxel, mm.
        steps: (3, 3), mm: the rows are the LPS steps between voxels along D, H and W of the reoriented frame.
        box: index ranges along D, H and W of the reoriented frame that are segmented: the whole frame unless the grid
            is `cropped`.
    """

    def __init__(self, image: sitk.Image, rule: GeometryRule):
        self._image_grid = ImageGrid.of(image)
        self._size = image.GetSize()
        self.order, self.flips = reorientation(image, rule)
        spacing = image.GetSpacing()
        self.frame_spacing = tuple(spacing[a] for a in self.order)
        self.frame_shape = tuple(self._size[a] for a in self.order)
        self._spacing = None
        if rule.spacing is not None:
            self._spacing = tuple(
                own if target is None else target for own, target in zip(self.frame_spacing, rule.spacing, strict=True)
            )
        origin = np.array(image.GetOrigin())
        directions = np.array(image.GetDirection()).reshape(3, 3)
        axes = []
        for axis, flip in zip(self.order, self.flips, strict=True):
            step = directions[:, axis] * spacing[axis]
            if flip:
                origin = origin + step * (self._size[axis] - 1)
                step = -step
            axes.append(step)
        self.origin = origin
        self.steps = np.array(axes)
        self.box: Box = full_box(self.frame_shape)

    def cropped(self, box: Box) -> "FrameGrid":
        """Return the same grid with another box of the reoriented frame."""
        grid = copy(self)
        grid.box = box
        return grid

    def region_box(self, region: Region) -> Box:
        """Return the box of the reoriented frame that holds a region.

        Raises:
            InputError: the region lies outside the image, or holds no voxel of it.
        """
        corners = np.linalg.solve(self.steps.T, (region.corners() - self.origin).T).T
        first, last = corners.min(0) - 1e-6, corners.max(0) + 1e-6
        if any(first > np.array(self.frame_shape) - 1) or any(last < 0):
            raise InputError("the region of interest lies outside the image: move it onto the image")
        if any(np.ceil(first) > np.floor(last)):
            raise InputError("the region of interest is so thin that it holds no voxel of the image: make it larger")
        return tuple(
            (max(int(np.ceil(low)), 0), min(int(np.floor(high)) + 1, n))
            for low, high, n in zip(first, last, self.frame_shape, strict=True)
        )

    def reoriented(self, image: sitk.Image) -> np.ndarray:
        """Return all voxels of an image as (D, H, W) along the model's axes, in the type of the image.

        The array is a view of the image, which must exist as long as the array does.
        """
        array = np.transpose(sitk.GetArrayViewFromImage(image), [2 - a for a in self.order])
        return array[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]

    def inside_box(self, reoriented: np.ndarray) -> np.ndarray:
        """Return a view of the part of a reoriented array that lies inside the box."""
        return reoriented[tuple(slice(*r) for r in self.box)]

    @property
    def box_shape(self) -> Shape:
        """Return the size (D, H, W) of the box."""
        return size_of(self.box)

    @property
    def model_shape(self) -> Shape:
        """Return the size (D, H, W) of the box at the model's spacing."""
        if self._spacing is None:
            return self.box_shape
        return tuple(
            max(1, round(n * own / target))
            for n, own, target in zip(self.box_shape, self.frame_spacing, self._spacing, strict=True)
        )

    @property
    def model_spacing(self) -> tuple[float, float, float]:
        """Return the voxel size in mm on the model's grid, along D, H and W."""
        return self.frame_spacing if self._spacing is None else self._spacing

    def check_size(self, name: str) -> None:
        """Raise an InputError that names the frame when it would have too many voxels on the model's grid."""
        voxels = np.prod(self.model_shape, dtype=float)
        if voxels > MOST_VOXELS or voxels > max(FEW_VOXELS, MOST_FINER * np.prod(self.box_shape, dtype=float)):
            raise InputError(
                f"{name}: with voxels of {_product(self.frame_spacing)} mm it would have {_product(self.model_shape)} "
                f"voxels of {_product(self._spacing or self.frame_spacing)} mm on the model's grid: is its spacing "
                "given in mm, and is the model for images of this resolution?"
            )

    @property
    def key(self) -> "GridKey":
        """Return a value that is equal for grids whose voxels and boxes lie at the same places."""
        return GridKey(self._image_grid, (self.box, self.order, self.flips))

    def to_model(self, cropped: np.ndarray) -> np.ndarray:
        """Resample an array from the frame's spacing to the model's spacing.

        Args:
            cropped: float32 (D, H, W) of `box_shape`, finite.

        Returns:
            float32 of `model_shape`.
        """
        if self._spacing is None:
            return cropped
        image = sitk.GetImageFromArray(cropped)
        image.SetSpacing(self.frame_spacing[::-1])
        # a low-pass filter avoids aliasing where the model's spacing is larger (Cardoso et al. 2015)
        variances = [
            (target**2 - own**2) / (8 * np.log(2)) if target > own * 1.01 else 0.0
            for own, target in zip(self.frame_spacing, self._spacing, strict=True)
        ]
        if any(variances):
            image = sitk.DiscreteGaussian(image, variance=variances[::-1], useImageSpacing=True)
        grid = self._model_grid()
        return sitk.GetArrayFromImage(_resample(image, grid))

    def frame_positions(self) -> list[tuple[int, np.ndarray]]:
        """Return where the voxels of the box lie on the model's grid, along D, H and W.

        Each axis has its number of voxels on the model's grid, and the index there, which is no whole number, of every
        voxel of the box.
        """
        axes = zip(self.box_shape, self.frame_spacing, self.model_shape, self.model_spacing, strict=True)
        return [(m, (np.arange(n) - (n - 1) / 2) * (own / step) + (m - 1) / 2) for n, own, m, step in axes]

    def to_image(self, cropped_labels: np.ndarray, like: sitk.Image) -> sitk.Image:
        """Return the labels of a frame as an image; they are 0 outside the box.

        Args:
            cropped_labels: uint8 (D, H, W) of `box_shape`.
            like: the frame, whose geometry the image gets.
        """
        reoriented = np.zeros(self.frame_shape, np.uint8)
        self.inside_box(reoriented)[...] = cropped_labels
        array = reoriented[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]
        # reoriented axis n is image axis order[n]; arrays are k, j, i
        array = np.transpose(array, [self.order.index(a) for a in (2, 1, 0)])
        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
        image.CopyInformation(like)
        return image

    def _model_grid(self) -> sitk.Image:
        shape, target = self.model_shape, self._spacing
        grid = sitk.Image([int(n) for n in shape[::-1]], sitk.sitkUInt8)
        grid.SetSpacing(target[::-1])
        # both grids have the same centre, so that neither end loses more than half a voxel
        grid.SetOrigin(
            [
                ((n - 1) * own - (m - 1) * step) / 2
                for n, own, m, step in zip(
                    self.box_shape[::-1], self.frame_spacing[::-1], shape[::-1], target[::-1], strict=True
                )
            ]
        )
        return grid


def _product(values: Sequence[float]) -> str:
    return " x ".join(f"{v:g}" for v in values)


def _resample(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(grid)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.UseNearestNeighborExtrapolatorOn()
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    return resampler.Execute(image)


def reorientation(image: sitk.Image, rule: GeometryRule) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return which image axis becomes the model's D, H and W, and which of them are flipped.

    The choice depends only on the positions of the voxels in space, not on the order in which the image stores them:
    of equally good choices, the resulting directions decide.
    """
    if rule.axes is None:
        return (0, 1, 2), (False, False, False)
    directions = np.array(image.GetDirection()).reshape(3, 3).T  # rows: unit vector of i, j, k
    reference = np.array(rule.axes)
    spacing = np.array(image.GetSpacing())
    thickest = int(np.argmax(spacing))
    sliced = (
        rule.slice_axis == "thickest" and spacing[thickest] > THICK_SLICE_RATIO * np.delete(spacing, thickest).max()
    )
    best = None
    for order in permutations(range(3)):
        if sliced and order[0] != thickest:
            continue
        for flips in product((False, True), repeat=3):
            reoriented = directions[list(order)] * np.where(flips, -1.0, 1.0)[:, None]
            score = (round(float((reoriented * reference).sum()), 6), *np.round(reoriented, 6).ravel().tolist())
            if best is None or score > best[0]:
                best = (score, order, flips)
    return best[1], best[2]
