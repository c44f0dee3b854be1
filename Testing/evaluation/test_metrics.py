"""Measures of agreement and of steadiness, compared with values computed by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.volume_curve import ejection_fraction
from CLSTMSegmentLib.evaluation.metrics import dice, flicker, surface_distances


def label_image(rows):
    return sitk.GetImageFromArray(np.array(rows, np.uint8))


def block(start, stop, spacing=(1.0, 1.0, 1.0)):
    """Return a block of label 1 from one column to another."""
    array = np.zeros((6, 24, 24), np.uint8)
    array[1:5, 6:18, start:stop] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def test_dice_counts_one_label_in_all_slices():
    found, truth = label_image([[[1, 1, 2]], [[0, 1, 1]]]), label_image([[[1, 0, 2]], [[0, 0, 0]]])

    values = [dice(found, truth, label) for label in (1, 2)]

    assert values == [pytest.approx(2 * 1 / (4 + 1)), 1.0]


def test_dice_counts_the_annotated_slices_only():
    found, truth = label_image([[[1, 1, 2]], [[0, 1, 1]]]), label_image([[[1, 0, 2]], [[0, 0, 0]]])

    values = [dice(found, truth, 1, slices) for slices in ([0], [1])]

    assert values == [pytest.approx(2 * 1 / (2 + 1)), 0.0]


def test_dice_of_a_label_that_is_in_neither_image_is_one():
    found, truth = label_image([[[1, 1, 2]]]), label_image([[[1, 0, 2]]])

    value = dice(found, truth, 3)

    assert value == 1.0


def test_surface_distances_of_equal_blocks_are_zero():
    found = truth = block(6, 14)

    distances = surface_distances(found, truth, 1)

    assert distances == (0.0, 0.0)


def test_surface_distances_of_a_shifted_block_are_in_mm():
    wide = (2.5, 1.0, 1.0)

    near = surface_distances(block(6, 14), block(7, 15), 1)
    far = surface_distances(block(6, 14, wide), block(7, 15, wide), 1)

    assert near[0] == pytest.approx(1.0)
    assert 0 < near[1] < 1
    assert far[0] == pytest.approx(2.5)
    assert far[1] > near[1]


def test_surface_distances_count_the_annotated_slices_only():
    found, truth = block(6, 14), block(6, 14)
    found[20:22, 2:4, 0] = 1

    everywhere = surface_distances(found, truth, 1)
    annotated = surface_distances(found, truth, 1, (1, 4))

    assert everywhere[1] > 0
    assert annotated == (0.0, 0.0)


def test_surface_distances_go_across_slices_that_are_not_compared():
    found, truth = block(6, 14), block(6, 14)
    found[:, :, 2:] = 0
    for image in (found, truth):
        image.SetSpacing((1.0, 1.0, 8.0))

    distances = surface_distances(found, truth, 1, (0, 1, 2, 4, 5))

    assert distances[0] == 24.0  # from slice 4 to slice 1
    assert distances[1] > 1.0


def test_there_are_no_surface_distances_without_two_surfaces():
    assert surface_distances(block(0, 0), block(6, 14), 1) is None


def test_flicker_is_zero_for_steady_change_and_grows_with_jumps():
    assert flicker([10, 12, 14, 16]) == 0
    assert flicker([10, 10, 13, 10]) == pytest.approx((3 + 6) / 2 / 10.75)
    assert np.isnan(flicker([0, 0, 0]))


def test_ejection_fraction_is_in_percent_and_needs_a_volume():
    assert ejection_fraction(120, 48) == pytest.approx(60)
    assert ejection_fraction(0, 1) is None
