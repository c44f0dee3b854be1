"""Measures of agreement and steadiness, against values worked out by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.evaluation.metrics import dice, ejection_fraction, flicker, surface_distances


def image(rows):
    return sitk.GetImageFromArray(np.array(rows, np.uint8))


def test_dice_counts_the_annotated_slices_of_one_label():
    found, truth = image([[[1, 1, 2]], [[0, 1, 1]]]), image([[[1, 0, 2]], [[0, 0, 0]]])
    assert dice(found, truth, 1) == pytest.approx(2 * 1 / (4 + 1))
    assert dice(found, truth, 1, (0, 0)) == pytest.approx(2 * 1 / (2 + 1))
    assert dice(found, truth, 2) == 1.0
    assert dice(found, truth, 3) == 1.0
    assert dice(found, truth, 1, (1, 1)) == 0.0


def block(start, stop, spacing=(1.0, 1.0, 1.0)):
    array = np.zeros((6, 24, 24), np.uint8)
    array[1:5, 6:18, start:stop] = 1
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    return made


def test_surface_distances_of_a_shifted_block_are_in_mm():
    same = surface_distances(block(6, 14), block(6, 14), 1)
    assert same == (0.0, 0.0)
    near = surface_distances(block(6, 14), block(7, 15), 1)
    assert near[0] == pytest.approx(1.0)
    assert 0 < near[1] < 1
    wide = surface_distances(block(6, 14, (2.5, 1.0, 1.0)), block(7, 15, (2.5, 1.0, 1.0)), 1)
    assert wide[0] == pytest.approx(2.5)
    assert wide[1] > near[1]


def test_surface_distances_count_annotated_slices_and_need_two_surfaces():
    stray = block(6, 14)
    stray[20:22, 2:4, 0] = 1
    assert surface_distances(stray, block(6, 14), 1)[1] > 0
    assert surface_distances(stray, block(6, 14), 1, (1, 4)) == (0.0, 0.0)
    assert surface_distances(block(0, 0), block(6, 14), 1) is None


def test_flicker_is_nothing_for_steady_change_and_grows_with_jumps():
    assert flicker([10, 12, 14, 16]) == 0
    assert flicker([10, 10, 13, 10]) == pytest.approx((3 + 6) / 2 / 10.75)
    assert np.isnan(flicker([0, 0, 0]))


def test_ejection_fraction_in_percent():
    assert ejection_fraction(120, 48) == pytest.approx(60)
    assert np.isnan(ejection_fraction(0, 1))
