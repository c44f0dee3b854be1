"""The intensity window of a stream."""

import numpy as np
import pytest
from CLSTMSegmentLib.engine.live_window import LiveWindow
from CLSTMSegmentLib.model.rules import IntensityRule

RULE = IntensityRule("percentile", 0, 100)


def ends(window):
    return window.now.low, window.now.high


def opened(rule, first_frames, fixed=None):
    return LiveWindow.at_the_start(rule, first_frames, fixed)


def frame(low, high):
    return np.array([low, high], np.float32)


def test_first_frames_give_the_median_of_their_ends():
    one = opened(RULE, 3).after(frame(0, 10))
    two = one.after(frame(2, 30))
    three = two.after(frame(1, 20))

    assert [ends(window) for window in (one, two, three)] == [(0, 10), (1, 20), (1, 20)]


def test_least_and_greatest_values_of_the_first_frames_are_taken_where_the_rule_says_so():
    window = opened(IntensityRule("min-max"), 2).after(frame(0, 10)).after(frame(3, 30))

    assert ends(window) == (0, 30)


def test_later_frames_move_the_window_slowly_and_within_bounds():
    first = last = opened(RULE, 1).after(frame(0, 100)).after(frame(50, 200))
    for _ in range(500):
        last = last.after(frame(50, 200))

    assert ends(first) == pytest.approx((1, 102))
    assert ends(last) == pytest.approx((25, 125))


def test_frames_without_contrast_change_nothing():
    window = opened(RULE, 2).after(frame(7, 7))
    assert not window.now.has_contrast

    window = window.after(frame(0, 10)).after(frame(5, 5))

    assert ends(window) == (0, 10)


def test_fixed_window_stays():
    window = opened(RULE, 1, (3.0, 4.0))

    assert [ends(window.after(frame(0, n))) for n in (1, 100)] == [(3.0, 4.0)] * 2
