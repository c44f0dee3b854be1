"""The grid of a model laid over a frame: reorienting, cropping and resampling, and the way back for labels."""

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..model.rules import GeometryRule
from .region import Region

THICK_SLICE_RATIO = 1.5
"""Spacing of the thickest axis over the next one from which the stack counts as sliced."""


class FrameGrid:
    """How the voxels of a frame lie on a model's grid.

    All resampling happens in the turned frame's own index space (identity direction, zero
    origin), so that a frame and its flipped or permuted twin, which are the same frame once
    turned, give the same labels bit for bit.
    """

    def __init__(self, image: sitk.Image, rule: GeometryRule):
        self._rule = rule
        self._size = image.GetSize()
        self.order, self.flips = turn(image, rule)
        spacing = image.GetSpacing()
        self.frame_spacing = tuple(spacing[a] for a in self.order)
        self.frame_shape = tuple(self._size[a] for a in self.order)
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
        """LPS position of the turned frame's first voxel, mm."""
        self.steps = np.array(axes)
        """Rows: LPS step in mm along the turned frame's D, H, W."""
        self.box = tuple((0, n) for n in self.frame_shape)
        """Half-open index ranges of the turned frame's D, H, W that are segmented; set it to crop."""

    def region_box(self, region: Region) -> tuple[tuple[int, int], ...]:
        """Index ranges of the turned frame that hold the region; an InputError when none does."""
        corners = np.linalg.solve(self.steps.T, (region.corners() - self.origin).T).T
        box = tuple(
            (max(int(np.ceil(low - 1e-6)), 0), min(int(np.floor(high + 1e-6)) + 1, n))
            for low, high, n in zip(corners.min(0), corners.max(0), self.frame_shape, strict=True)
        )
        if any(stop <= start for start, stop in box):
            raise InputError("the region of interest lies outside the image: move it onto the image")
        return box

    def turned(self, image: sitk.Image) -> np.ndarray:
        """The frame's voxels in D, H, W order of the model's axes, whole, in the frame's own type.

        A view: the image must outlive it.
        """
        array = np.transpose(sitk.GetArrayViewFromImage(image), [2 - a for a in self.order])
        return array[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]

    def cut(self, turned: np.ndarray) -> np.ndarray:
        """The part of a turned array inside the box."""
        return turned[tuple(slice(*r) for r in self.box)]

    @property
    def box_shape(self) -> tuple[int, int, int]:
        return tuple(stop - start for start, stop in self.box)

    @property
    def model_shape(self) -> tuple[int, int, int]:
        """Size (D, H, W) of the cropped frame at the model's spacing."""
        if self._rule.spacing is None:
            return self.box_shape
        return tuple(
            max(1, round(n * own / wanted))
            for n, own, wanted in zip(self.box_shape, self.frame_spacing, self._rule.spacing, strict=True)
        )

    def check_size(self, name: str) -> None:
        """Raise an InputError that names the frame when its size on the model's grid is beyond reason."""
        if np.prod(self.model_shape, dtype=float) > MOST_VOXELS:
            raise InputError(
                f"{name}: with voxels of {_product(self.frame_spacing)} mm it would have {_product(self.model_shape)} "
                "voxels on the model's grid: is its spacing given in mm?"
            )

    @property
    def key(self) -> tuple:
        """Equal for two frames whose voxels lie at the same places and crop alike (to 1 um)."""
        rounded = np.round(np.concatenate([self.origin, self.steps.ravel()]), 3) + 0.0
        return (self._size, self.box, self.order, self.flips, tuple(rounded))

    def to_model(self, cut: np.ndarray) -> np.ndarray:
        """Bring a cut array to the model's spacing.

        Args:
            cut: float32 of `box_shape`, finite.

        Returns:
            float32 of `model_shape`.
        """
        if self._rule.spacing is None:
            return cut
        image = sitk.GetImageFromArray(cut)
        image.SetSpacing(self.frame_spacing[::-1])
        # Down-sampling would alias; the filter of Cardoso et al. 2015 narrows the band first.
        variances = [
            (wanted**2 - own**2) / (8 * np.log(2)) if wanted > own * 1.01 else 0.0
            for own, wanted in zip(self.frame_spacing, self._rule.spacing, strict=True)
        ]
        if any(variances):
            image = sitk.DiscreteGaussian(image, variance=variances[::-1], useImageSpacing=True)
        grid = self._model_grid()
        return sitk.GetArrayFromImage(_resample(image, grid))

    def to_frame(self, on_model: np.ndarray) -> np.ndarray:
        """Bring a float32 array of `model_shape` back to the crop's own spacing: (D, H, W) of `box_shape`."""
        if self._rule.spacing is None:
            return on_model
        image = sitk.GetImageFromArray(np.ascontiguousarray(on_model))
        image.CopyInformation(self._model_grid())
        shape = self.box_shape
        grid = sitk.Image([int(n) for n in shape[::-1]], sitk.sitkUInt8)
        grid.SetSpacing(self.frame_spacing[::-1])
        return sitk.GetArrayFromImage(_resample(image, grid))

    def to_image(self, cropped_labels: np.ndarray, like: sitk.Image) -> sitk.Image:
        """Labels of the crop, (D, H, W) uint8, as an image with the geometry of `like`, 0 elsewhere."""
        turned = np.zeros(self.frame_shape, np.uint8)
        self.cut(turned)[...] = cropped_labels
        array = turned[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]
        # turned axis n is image axis order[n]; arrays are k, j, i
        array = np.transpose(array, [self.order.index(a) for a in (2, 1, 0)])
        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
        image.CopyInformation(like)
        return image

    def _model_grid(self) -> sitk.Image:
        shape, wanted = self.model_shape, self._rule.spacing
        grid = sitk.Image([int(n) for n in shape[::-1]], sitk.sitkUInt8)
        grid.SetSpacing(wanted[::-1])
        # both grids share their centre, so that neither end loses more than half a voxel
        grid.SetOrigin(
            [
                ((n - 1) * own - (m - 1) * step) / 2
                for n, own, m, step in zip(
                    self.box_shape[::-1], self.frame_spacing[::-1], shape[::-1], wanted[::-1], strict=True
                )
            ]
        )
        return grid


MOST_VOXELS = 4e9
"""Of a frame on a model's grid; a whole body at 0.4 mm has fewer."""


def _product(values: Sequence[float]) -> str:
    return " x ".join(f"{v:g}" for v in values)


def _resample(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(grid)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.UseNearestNeighborExtrapolatorOn()
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    return resampler.Execute(image)


def turn(image: sitk.Image, rule: GeometryRule) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Which image axis becomes the model's D, H and W, and which of them are flipped.

    The choice depends only on where the voxels are in space, not on how the array is stored:
    ties are broken by the resulting directions.
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
            turned = directions[list(order)] * np.where(flips, -1.0, 1.0)[:, None]
            score = (round(float((turned * reference).sum()), 6), *np.round(turned, 6).ravel().tolist())
            if best is None or score > best[0]:
                best = (score, order, flips)
    return best[1], best[2]
