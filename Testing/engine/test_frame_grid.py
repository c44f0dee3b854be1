"""The way of a frame to a model's grid and of labels back: the same places, however the voxels are stored."""

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.frame_grid import FrameGrid
from CLSTMSegmentLib.engine.frame_interpolation import FrameInterpolation
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.phantoms.heart import HEART_AXES

RULE = GeometryRule(HEART_AXES, "thickest", (6.0, 3.0, 3.0))


def oblique(shape=(6, 20, 24), spacing=(1.5, 1.5, 8.0), seed=0):
    """Return a random int16 image with an oblique direction."""
    rng = np.random.default_rng(seed)
    image = sitk.GetImageFromArray(rng.integers(0, 1000, shape).astype(np.int16))
    image.SetSpacing(spacing)
    image.SetOrigin((12.5, -40.0, 7.25))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.5, 0.8).GetMatrix())
    return image


def stored_otherwise(image, order, flips):
    """Return the same voxels at the same places, stored with permuted and then flipped axes."""
    image = sitk.PermuteAxes(image, order)
    return image[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]


ALL_STORAGE_ORDERS = list(product(permutations(range(3)), product((False, True), repeat=3)))


@pytest.mark.parametrize("rule", [RULE, GeometryRule(HEART_AXES), GeometryRule(((0, 0, 1), (0, 1, 0), (1, 0, 0)))])
def test_reoriented_frame_does_not_depend_on_how_its_voxels_are_stored(rule):
    image = oblique()

    expected = FrameGrid(image, rule).reoriented(image)

    for order, flips in ALL_STORAGE_ORDERS:
        other = stored_otherwise(image, order, flips)
        np.testing.assert_array_equal(FrameGrid(other, rule).reoriented(other), expected)


def test_left_handed_image_keeps_its_place():
    image = oblique()
    mirrored = image[::-1]
    assert np.linalg.det(np.array(mirrored.GetDirection()).reshape(3, 3)) == pytest.approx(-1)

    grid, expected = FrameGrid(mirrored, RULE), FrameGrid(image, RULE)

    np.testing.assert_allclose(grid.origin, expected.origin, atol=1e-9)
    np.testing.assert_allclose(grid.steps, expected.steps, atol=1e-9)


def test_thick_slices_stay_slices_whatever_their_direction():
    image = oblique(shape=(24, 20, 6), spacing=(8.0, 1.5, 1.5))

    grid = FrameGrid(image, RULE)

    assert grid.frame_shape[0] == 6
    assert grid.frame_spacing == (8.0, 1.5, 1.5)


@pytest.mark.parametrize(("order", "flips"), ALL_STORAGE_ORDERS[::5])
def test_labels_come_back_on_the_voxels_they_were_found_on(order, flips):
    image = stored_otherwise(oblique(), order, flips)
    grid = FrameGrid(image, RULE)
    labels = (grid.reoriented(image) > 500).astype(np.uint8)

    result = grid.to_image(labels, image)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(image) > 500)
    assert result.GetDirection() == image.GetDirection()
    assert result.GetOrigin() == image.GetOrigin()
    assert result.GetSpacing() == image.GetSpacing()


def on_frame(grid, on_model):
    return FrameInterpolation(grid, torch.device("cpu")).to_frame(torch.from_numpy(on_model)).numpy()


def test_resampling_to_the_model_and_back_keeps_a_ramp_in_place():
    """Linear interpolation keeps a linear function of space, except where it is clamped at the border."""
    image = oblique(shape=(12, 40, 44))
    grid = FrameGrid(image, RULE)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.frame_shape), indexing="ij"), axis=-1)
    ramp = (index * grid.frame_spacing @ np.array([0.5, 1.0, -0.7])).astype(np.float32)

    back = on_frame(grid, grid.to_model(ramp))

    inner = (slice(2, -2), slice(6, -6), slice(6, -6))
    np.testing.assert_allclose(back[inner], ramp[inner], atol=1e-3)


@pytest.mark.parametrize("spacing", [(6.0, 3.0, 3.0), (None, 1.1, 2.0), (30.0, 0.7, 1.5), (100.0, 100.0, 100.0), None])
@pytest.mark.parametrize("box", [((0, 6), (0, 20), (0, 24)), ((2, 3), (1, 19), (7, 20))])
def test_interpolation_to_the_frame_is_that_of_simpleitk(spacing, box):
    grid = FrameGrid(oblique(), GeometryRule(HEART_AXES, "thickest", spacing)).cropped(box)
    on_model = np.random.default_rng(0).random(grid.model_shape, dtype=np.float32)
    reference = sitk.Image(grid.box_shape[::-1], sitk.sitkUInt8)
    reference.SetSpacing(grid.frame_spacing[::-1])
    image = sitk.GetImageFromArray(on_model)
    image.SetSpacing(grid.model_spacing[::-1])
    sizes = zip(grid.box_shape, grid.frame_spacing, grid.model_shape, grid.model_spacing, strict=True)
    image.SetOrigin([((n - 1) * own - (m - 1) * step) / 2 for n, own, m, step in sizes][::-1])
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(reference)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.UseNearestNeighborExtrapolatorOn()

    expected = sitk.GetArrayFromImage(resampler.Execute(image))

    # where a voxel lies outside of the model's grid, SimpleITK takes the nearest voxel along the other axes, too
    inside = [(at >= -0.5) & (at < m - 0.5) for m, at in grid.frame_positions()]
    inside = inside[0][:, None, None] & inside[1][:, None] & inside[2]
    assert inside.any()
    np.testing.assert_allclose(on_frame(grid, on_model)[inside], expected[inside], rtol=0, atol=1e-6)


def test_axis_without_a_spacing_keeps_the_slices_of_the_image_apart():
    image, rule = oblique(), GeometryRule(HEART_AXES, "thickest", (None, 3.0, 3.0))
    grid = FrameGrid(image, rule)
    volume = grid.reoriented(image).astype(np.float32)

    on_model = grid.to_model(volume)

    assert grid.model_shape[0] == grid.frame_shape[0] == 6
    for k in range(6):
        alone = np.where(np.arange(6)[:, None, None] == k, volume, 0).astype(np.float32)
        np.testing.assert_array_equal(grid.to_model(alone)[k], on_model[k])
    assert on_frame(grid, on_model).shape == volume.shape


def test_published_rule_reads_the_images_own_index_axes():
    image = oblique()

    grid = FrameGrid(image, GeometryRule())

    np.testing.assert_array_equal(grid.reoriented(image), sitk.GetArrayFromImage(image).transpose(2, 1, 0))
    assert grid.model_shape == image.GetSize()


def test_region_in_ras_selects_the_voxels_inside_it():
    image = oblique(shape=(6, 30, 30))
    corner = np.array(image.TransformIndexToPhysicalPoint((10, 12, 1))) * (-1, -1, 1)
    other = np.array(image.TransformIndexToPhysicalPoint((20, 20, 4))) * (-1, -1, 1)
    region = Region.from_ras_bounds(tuple(np.stack([corner, other], axis=1).ravel()))
    grid = FrameGrid(image, RULE)

    cropped = grid.cropped(grid.region_box(region))
    origin = cropped.origin + np.array([start for start, _ in cropped.box]) @ cropped.steps
    inside = region.contains(origin, cropped.steps, cropped.box_shape)
    found = sitk.GetArrayFromImage(cropped.to_image(inside.astype(np.uint8), image))

    assert grid.box_shape == grid.frame_shape != cropped.box_shape
    low, high = np.minimum(corner, other), np.maximum(corner, other)
    for index in np.ndindex(*found.shape):
        place = np.array(image.TransformIndexToPhysicalPoint(index[::-1])) * (-1, -1, 1)
        assert found[index] == bool(np.all((place >= low - 1e-6) & (place <= high + 1e-6)))


def test_region_off_the_image_or_without_volume_is_refused():
    with pytest.raises(InputError, match="outside the image"):
        FrameGrid(oblique(), RULE).region_box(Region.from_ras_bounds((900, 950, 900, 950, 900, 950)))
    with pytest.raises(InputError, match="no volume"):
        Region.from_ras_bounds((0, 0, 0, 10, 0, 10))
