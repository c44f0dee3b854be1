"""Measures of single slices, compared with values computed by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.evaluation.slice_measures import displaced_slices, in_plane_distance, slices_beyond_ends

SPACING = (1.5, 1.5, 8.0)


def stack(columns, half_widths):
    """Return label 1 as a square in each slice, around row 30 and the slice's column; none where its width is 0."""
    array = np.zeros((len(columns), 60, 60), np.uint8)
    for number, (column, half) in enumerate(zip(columns, half_widths, strict=True)):
        array[number, 30 - half : 30 + half, column - half : column + half] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    return image


def test_distance_in_plane_does_not_see_the_neighbouring_slices():
    truth, found = stack([20, 30, 40], [5, 8, 5]), stack([22, 32, 42], [5, 8, 5])

    distance = in_plane_distance(found, truth, 1, range(3))

    assert 0 < distance < 2 * 1.5
    assert in_plane_distance(truth, truth, 1, range(3)) == 0
    assert in_plane_distance(stack([20], [0]), stack([20], [5]), 1, [0]) is None


def test_slice_that_is_displaced_tells_how_far_the_model_pulls_it_to_its_neighbours():
    truth = stack([20, 28, 20, 20], [6, 6, 6, 6])  # slice 1 lies 12 mm off its neighbours
    halfway, right = stack([20, 24, 20, 20], [6, 6, 6, 6]), truth

    found = displaced_slices(halfway, truth, 1, range(4))

    assert [slice_.number for slice_ in found] == [1, 2]  # slice 2 lies 6 mm off the middle of 28 and 20
    assert found[0].displacement_mm == pytest.approx(8 * 1.5)
    assert found[0].pulled == pytest.approx(0.5)
    assert found[0].dice == pytest.approx(2 / 3)
    assert [slice_.pulled for slice_ in displaced_slices(right, truth, 1, range(4))] == [0, 0]


def test_displaced_slice_in_which_nothing_is_found_has_no_pull():
    truth, found = stack([20, 28, 20], [6, 6, 6]), stack([20, 28, 20], [6, 0, 6])

    (displaced,) = displaced_slices(found, truth, 1, range(3))

    assert (displaced.dice, displaced.pulled) == (0, None)


@pytest.mark.parametrize("base_first", [False, True])
def test_slices_beyond_the_apex_and_the_base_are_told_apart_by_the_annotated_area(base_first):
    truth, found = stack([30] * 6, [0, 0, 3, 6, 8, 0]), stack([30] * 6, [2, 3, 3, 6, 0, 0])
    if base_first:
        truth, found = truth[:, :, ::-1], found[:, :, ::-1]

    assert slices_beyond_ends(found, truth, 1) == (2, -1)


def test_no_slices_are_counted_where_one_image_is_empty():
    assert slices_beyond_ends(stack([30], [0]), stack([30], [5]), 1) is None
