"""The order in which the recurrent state reads the frames of a sequence."""

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.state_schedule import StateSchedule, frame_at
from CLSTMSegmentLib.model.rules import StateRule
from hypothesis import given
from hypothesis import strategies as st


def steps(count, wanted, rule):
    """Return the frames of each stack in their order, each with whether it is segmented."""
    stacks = StateSchedule(rule, count).stacks(wanted)
    return [[(t, "out" if keep else "read") for t, keep in stack.steps] for stack in stacks]


def test_carry_reads_every_frame_up_to_the_last_wanted_one():
    assert steps(6, [1, 3], StateRule("carry")) == [[(0, "read"), (1, "out"), (2, "read"), (3, "out")]]


def test_window_begins_again_and_skips_windows_without_wanted_frames():
    assert steps(7, [0, 5, 6], StateRule("window", 3)) == [
        [(0, "out")],
        [(3, "read"), (4, "read"), (5, "out")],
        [(6, "out")],
    ]


def test_reset_reads_only_the_wanted_frames():
    assert steps(5, [1, 4], StateRule("reset", warm_up_frames=3)) == [[(1, "out")], [(4, "out")]]


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (StateRule("carry", warm_up_frames=2, cyclic=True), [3, 4, 0]),
        (StateRule("carry", warm_up_frames=2), [2, 1, 0]),
        (StateRule("carry", warm_up_frames=9), [4, 3, 2, 1, 0]),
        (StateRule("carry", warm_up_frames=6, cyclic=True), [4, 0, 1, 2, 3, 4, 0]),
        (StateRule("carry", warm_up_frames=1000, cyclic=True), [0, 1, 2, 3, 4] * 2 + [0]),
    ],
)
def test_state_before_frame_0_is_warmed_up_with_the_last_or_the_next_frames(rule, first):
    assert StateSchedule(rule, 5).order_for(0) == first


def test_later_windows_are_warmed_up_with_the_frames_before_them():
    rule = StateRule("window", 2, warm_up_frames=1, cyclic=True)
    stacks = StateSchedule(rule, 4).stacks(range(4))

    assert [[t for t, _ in stack.steps] for stack in stacks] == [[3, 0, 1], [1, 2, 3]]


@pytest.mark.parametrize(("count", "read"), [(1, 10), (4, 10), (7, 14), (600, 1000)])
def test_no_more_than_two_cycles_warm_a_state_up(count, read):
    rule = StateRule("carry", warm_up_frames=1000, cyclic=True)

    assert len(StateSchedule(rule, count).order_for(0)) == read + 1


@pytest.mark.parametrize(
    ("rule", "count", "times"),
    [
        (StateRule("carry", warm_up_frames=3, cyclic=True), 1, None),
        (StateRule("carry", warm_up_frames=1000, cyclic=True), 30, None),
        (StateRule("window", 5, warm_up_frames=5), 200, None),
        (StateRule("window", 1, warm_up_frames=30), 200, "29 times as long"),
        (StateRule("window", 2, warm_up_frames=1000, cyclic=True), 40, "12 times as long"),
    ],
)
def test_warm_up_frames_say_what_they_cost_in_time(rule, count, times):
    cost = StateSchedule(rule, count).cost()

    assert cost is None if times is None else times in cost


def test_single_frame_has_no_warm_up_frames():
    assert StateSchedule(StateRule(warm_up_frames=3), 1).order_for(0) == [0]


@pytest.mark.parametrize("text", ["carry", "reset", "window:7"])
def test_rules_are_written_as_they_are_read(text):
    assert str(StateRule().changed(text, None)) == text


@pytest.mark.parametrize("text", ["window", "window:", "window:0", "window:-2", "carry:3", "forever", ""])
def test_unknown_rules_are_refused(text):
    with pytest.raises(InputError):
        StateRule().changed(text, None)


@pytest.mark.parametrize("rule", [StateRule("carry", warm_up_frames=2), StateRule("window", 3, 1), StateRule("reset")])
def test_order_for_a_frame_is_the_order_of_the_whole_run_up_to_it(rule):
    schedule = StateSchedule(rule, 7)

    stacks = list(schedule.stacks(range(7)))

    for stack in stacks:
        order = [t for t, _ in stack.steps]
        for frame in stack.frames:
            read = schedule.order_for(frame)
            assert read[-1] == frame
            assert order[: len(read)] == read


@given(
    rule=st.builds(
        StateRule, st.sampled_from(["carry", "window", "reset"]), st.integers(1, 6), st.integers(0, 9), st.booleans()
    ),
    count=st.integers(1, 12),
    data=st.data(),
)
def test_some_frames_are_read_in_the_same_order_as_in_a_run_over_all(rule, count, data):
    wanted = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))
    schedule = StateSchedule(rule, count)

    whole = {stack.frames: [t for t, _ in stack.steps] for stack in schedule.stacks(range(count))}
    some = list(schedule.stacks(wanted))

    assert [t for stack in some for t, keep in stack.steps if keep] == wanted
    for stack in some:
        order = [t for t, _ in stack.steps]
        assert order == whole[stack.frames][: len(order)]


@pytest.mark.parametrize(
    ("cyclic", "frames"),
    [(True, [1, 2, 3, 0, 1, 2, 3, 0, 1]), (False, [3, 2, 1, 0, 1, 2, 3, 2, 1])],
)
def test_positions_beyond_the_ends_begin_again_or_run_back(cyclic, frames):
    assert [frame_at(position, 4, cyclic) for position in range(-3, 6)] == frames


def test_single_frame_is_at_every_position():
    assert {frame_at(position, 1, cyclic) for position in range(-3, 4) for cyclic in (True, False)} == {0}
