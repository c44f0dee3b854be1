"""The intensity window of a sequence, by each of the intensity rules."""

import numpy as np
import pytest
from CLSTMSegmentLib.engine.intensity_window import find_intensity_window
from CLSTMSegmentLib.model.rules import IntensityRule

FRAMES = [np.linspace(0, 100, 101), np.linspace(0, 300, 101), np.linspace(0, 200, 101)]


def test_percentiles_are_the_median_over_the_frames():
    window = find_intensity_window(IntensityRule("percentile", 10, 90), FRAMES)

    assert (window.low, window.high) == pytest.approx((20, 180))
    np.testing.assert_allclose(window.apply(np.array([0, 20, 100, 180, 999])), [0, 0, 0.5, 1, 1])


def test_min_max_spans_all_frames_and_small_values_become_0():
    window = find_intensity_window(IntensityRule("min-max", zero_below=0.08), FRAMES)

    assert (window.low, window.high) == (0, 300)
    np.testing.assert_allclose(window.apply(np.array([0, 23, 24, 300])), [0, 0, 0.08, 1], rtol=1e-6)


def test_scaled_values_are_raised_to_the_power_gamma():
    window = find_intensity_window(IntensityRule("min-max", gamma=0.5), FRAMES)

    np.testing.assert_allclose(window.apply(np.array([0, 75, 300])), [0, 0.5, 1], rtol=1e-6)


def test_values_that_are_not_finite_are_ignored():
    window = find_intensity_window(IntensityRule("min-max"), [np.array([np.nan, 3.0, np.inf, 7.0]), np.array([np.nan])])

    assert (window.low, window.high) == (3, 7)


@pytest.mark.parametrize(("offset", "kind"), [(1e10, np.float64), (2_000_000_000, np.int32), (-1e38, np.float64)])
def test_offset_of_all_intensities_loses_no_contrast(offset, kind):
    values = np.array([0, 50, 100], kind) * (1e30 if abs(offset) > 1e37 else 1) + np.array(offset, kind)

    window = find_intensity_window(IntensityRule("min-max"), [values])

    np.testing.assert_allclose(window.apply(values), [0, 0.5, 1], atol=1e-3)


@pytest.mark.parametrize("frames", [[], [np.array([np.nan])], [np.array([5, 5, 5])]])
def test_without_contrast_every_voxel_is_0(frames):
    window = find_intensity_window(IntensityRule(), frames)

    np.testing.assert_array_equal(window.apply(np.array([4, 5, 6])), [0, 0, 0])
