"""Time rules: which frames are read, in which order, from which memory."""

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.state_schedule import plan_stacks
from CLSTMSegmentLib.model.rules import TimeRule


def steps(count, wanted, rule):
    return [[(t, "out" if keep else "memory") for t, keep in s.steps] for s in plan_stacks(count, wanted, rule)]


def test_carry_reads_every_frame_up_to_the_last_wanted_one():
    assert steps(6, [1, 3], TimeRule("carry")) == [[(0, "memory"), (1, "out"), (2, "memory"), (3, "out")]]


def test_window_starts_anew_and_skips_windows_without_wanted_frames():
    assert steps(7, [0, 5, 6], TimeRule("window", 3)) == [
        [(0, "out")],
        [(3, "memory"), (4, "memory"), (5, "out")],
        [(6, "out")],
    ]


def test_reset_reads_only_the_wanted_frames():
    assert steps(5, [1, 4], TimeRule("reset", prime=3)) == [[(1, "out")], [(4, "out")]]


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (TimeRule("carry", prime=2, cyclic=True), [3, 4, 0]),
        (TimeRule("carry", prime=2), [2, 1, 0]),
        (TimeRule("carry", prime=9), [4, 3, 2, 1, 0]),
        (TimeRule("carry", prime=6, cyclic=True), [4, 0, 1, 2, 3, 4, 0]),
    ],
)
def test_memory_before_frame_0_is_warmed_with_the_last_or_the_next_frames(rule, first):
    assert [t for t, _ in next(plan_stacks(5, [0], rule)).steps] == first


def test_later_windows_are_warmed_with_the_frames_before_them():
    rule = TimeRule("window", 2, prime=1, cyclic=True)
    assert [[t for t, _ in s.steps] for s in plan_stacks(4, range(4), rule)] == [[3, 0, 1], [1, 2, 3]]


def test_one_frame_has_nothing_to_be_warmed_with():
    assert [t for t, _ in next(plan_stacks(1, [0], TimeRule(prime=3))).steps] == [0]


@pytest.mark.parametrize("text", ["carry", "reset", "window:7"])
def test_rules_are_written_as_they_are_read(text):
    assert str(TimeRule.parse(text, 0, False)) == text


@pytest.mark.parametrize("text", ["window", "window:", "window:0", "window:-2", "carry:3", "forever", ""])
def test_unknown_rules_are_refused(text):
    with pytest.raises(InputError):
        TimeRule.parse(text, 0, False)
