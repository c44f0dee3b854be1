"""Preparation: from an image to what the network reads."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.engine.frame_grid import FrameGrid
from CLSTMSegmentLib.engine.intensity_window import IntensityWindow
from CLSTMSegmentLib.engine.preparation import foreground_box, prepare, prepare_labels, scaled_sample
from CLSTMSegmentLib.model.rules import GeometryRule, IntensityRule

AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
WINDOW = IntensityWindow(0.0, 100.0, IntensityRule())


@pytest.fixture
def voxels():
    """Voxels (k, j, i) of 4 x 6 x 8, float32 from 0 to 100."""
    return np.linspace(0, 100, 4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)


def test_volume_is_scaled_along_the_axes_of_the_model(voxels):
    image = sitk.GetImageFromArray(voxels)
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))  # the image's j runs against the model's H

    prepared = prepare(image, FrameGrid(image, GeometryRule(AXES)), WINDOW)

    np.testing.assert_allclose(prepared.volume, voxels[:, ::-1] / 100, rtol=1e-6)
    assert prepared.not_finite is None


def test_values_that_are_not_finite_are_background(voxels):
    voxels[1, 2, 3], voxels[0, 0, 1] = np.nan, -np.inf
    image = sitk.GetImageFromArray(voxels)

    prepared = prepare(image, FrameGrid(image, GeometryRule(AXES)), WINDOW)

    assert np.isfinite(prepared.volume).all()
    assert prepared.volume[1, 2, 3] == prepared.volume[0, 0, 1] == 0
    assert np.argwhere(prepared.not_finite).tolist() == [[0, 0, 1], [1, 2, 3]]


def test_only_the_box_of_the_grid_is_read(voxels):
    image = sitk.GetImageFromArray(voxels)
    grid = FrameGrid(image, GeometryRule(AXES))

    cropped = grid.cropped(((1, 3), (0, 6), (2, 5)))

    np.testing.assert_allclose(prepare(image, cropped, WINDOW).volume, voxels[1:3, :, 2:5] / 100, rtol=1e-6)
    assert grid.box == ((0, 4), (0, 6), (0, 8))


def test_labels_fill_the_voxels_of_the_model_of_which_they_are_more_than_half():
    labels = np.zeros((4, 8, 8), np.uint8)
    labels[:, :4], labels[:, 4:] = 1, 2
    image = sitk.GetImageFromArray(labels)
    grid = FrameGrid(image, GeometryRule(AXES, spacing=(1.0, 2.0, 2.0)))

    found = prepare_labels(image, grid, [1, 2])

    assert found.shape == (4, 4, 4)
    assert (found[:, :2] == 1).all()
    assert (found[:, 2:] == 2).all()
    assert (prepare_labels(image, grid, [2])[:, :2] == 0).all()


def test_sample_of_a_large_frame_is_small_and_scaled():
    image = sitk.Image(300, 20, 20, sitk.sitkFloat32) + 50

    sample = scaled_sample(image, FrameGrid(image, GeometryRule()), WINDOW)

    assert sample.shape == (100, 20, 20)
    assert (sample == 0.5).all()


def test_foreground_is_what_the_intensity_rule_leaves_above_0(voxels):
    window = IntensityWindow(0.0, 100.0, IntensityRule("min-max", zero_below=0.5))
    voxels[:], voxels[1:3, 2, 4:6], voxels[0, 0, 0] = 10, 90, np.nan
    image = sitk.GetImageFromArray(voxels)
    grid = FrameGrid(image, GeometryRule(AXES))

    assert foreground_box(image, grid, window) == ((1, 3), (2, 3), (4, 6))
    assert foreground_box(image * 0, grid, window) is None
