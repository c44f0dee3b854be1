"""The intensity window of a stream."""

import numpy as np
import pytest
from CLSTMSegmentLib.engine.live_window import LiveWindow
from CLSTMSegmentLib.model.rules import IntensityRule

RULE = IntensityRule("percentile", 0, 100)


def ends(window):
    return window.low, window.high


def frame(low, high):
    return np.array([low, high], np.float32)


def test_first_frames_give_the_median_of_their_ends():
    window = LiveWindow(RULE, 3, None)

    found = [ends(window.after(frame(*pair))) for pair in ((0, 10), (2, 30), (1, 20))]

    assert found == [(0, 10), (1, 20), (1, 20)]


def test_least_and_greatest_values_of_the_first_frames_are_taken_where_the_rule_says_so():
    window = LiveWindow(IntensityRule("min-max"), 2, None)
    window.after(frame(0, 10))

    assert ends(window.after(frame(3, 30))) == (0, 30)


def test_later_frames_move_the_window_slowly_and_within_bounds():
    window = LiveWindow(RULE, 1, None)
    window.after(frame(0, 100))

    first = ends(window.after(frame(50, 200)))
    for _ in range(500):
        last = ends(window.after(frame(50, 200)))

    assert first == pytest.approx((1, 102))
    assert last == pytest.approx((25, 125))


def test_frames_without_contrast_change_nothing():
    window = LiveWindow(RULE, 2, None)
    assert not window.after(frame(7, 7)).has_contrast

    window.after(frame(0, 10))

    assert ends(window.after(frame(5, 5))) == (0, 10)


def test_fixed_window_stays():
    window = LiveWindow(RULE, 1, (3.0, 4.0))

    assert [ends(window.after(frame(0, n))) for n in (1, 100)] == [(3.0, 4.0)] * 2
