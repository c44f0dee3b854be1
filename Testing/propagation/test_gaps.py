"""Gaps between annotated frames."""

import pytest
from CLSTMSegmentLib.propagation.gaps import Gap, gaps_between


@pytest.mark.parametrize(
    ("annotated", "cyclic", "expected"),
    [
        ([0], False, [Gap(0, None, [1, 2, 3, 4])]),
        ([4], False, [Gap(None, 4, [0, 1, 2, 3])]),
        ([2], False, [Gap(None, 2, [0, 1]), Gap(2, None, [3, 4])]),
        ([3, 1], False, [Gap(1, 3, [2]), Gap(None, 1, [0]), Gap(3, None, [4])]),
        ([2], True, [Gap(2, 2, [3, 4, 0, 1])]),
        ([1, 2], True, [Gap(2, 1, [3, 4, 0])]),
        ([0, 1, 2, 3, 4], True, []),
    ],
)
def test_frames_lie_between_the_annotated_ones(annotated, cyclic, expected):
    assert list(gaps_between(annotated, 5, cyclic)) == expected


def test_weights_fall_with_the_distance_in_time():
    gap = Gap(0, 4, [1, 2, 3])

    assert [gap.weight_of_before(place) for place in range(3)] == [0.75, 0.5, 0.25]


@pytest.mark.parametrize(("gap", "weight"), [(Gap(0, None, [1, 2]), 1), (Gap(None, 2, [0, 1]), 0)])
def test_only_neighbour_has_all_the_weight(gap, weight):
    assert [gap.weight_of_before(place) for place in range(2)] == [weight] * 2
    assert gap.sides == 1
