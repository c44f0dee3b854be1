"""Two stages: the locator finds a box in the whole frame, and the network reads only that box."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import read_bundle, write_bundle

from engine.two_stages import chest


def found(model, sequence, **settings):
    segmenter = Segmenter(model, RunSettings(device="cpu", **settings))
    labels = [sitk.GetArrayFromImage(result.labels) for result in segmenter.segment(sequence)]
    return labels, segmenter.report


def test_only_the_box_around_what_the_locator_finds_is_segmented(two_stages):
    (labels,), report = found(two_stages, [chest()])

    assert labels[5, 60, 60] == 1
    assert labels[5, 15, 100] == 0  # as bright as the network asks for, but outside the box
    assert report.tile[0] == 10  # all slices
    assert max(report.tile[1:]) <= 48
    assert report.seconds["locate"] > 0
    assert not report.warnings


def test_box_holds_a_structure_that_moves_and_one_frame_without_it_does_not_move_the_box(two_stages):
    frames = [chest((60 + t % 3, 60), seed=t) for t in range(8)]
    frames[4] = chest(brightness=0.05)

    labels, report = found(two_stages, frames)

    assert [bool(frame[5, 62, 60]) for frame in labels] == [True] * 4 + [False] + [True] * 3
    assert not any(frame[:, 15, 100].any() for frame in labels)
    assert not report.warnings


def test_one_frame_alone_comes_out_as_in_the_whole_run(two_stages):
    frames = [chest((60 + 2 * t, 60), seed=t) for t in range(6)]

    whole, _ = found(two_stages, frames)
    (alone,), _ = found(two_stages, frames, frames="5")

    np.testing.assert_array_equal(alone, whole[5])


def test_where_the_locator_finds_nothing_the_whole_frame_is_segmented_and_a_warning_says_so(two_stages):
    (labels,), report = found(two_stages, [chest(brightness=0.7), chest(brightness=0.05)], frames="0")

    assert labels[5, 60, 60] == labels[5, 15, 100] == 1
    assert any("locator of Two stages found nothing" in warning for warning in report.warnings)


def test_locator_looks_only_into_the_region_of_interest(two_stages):
    frame = chest()
    around_stomach = Region((200.0, 30.0, 45.0), (40.0, 40.0, 200.0))

    (labels,), report = found(two_stages, [frame], region=around_stomach)

    assert labels[5, 15, 100] == 1
    assert labels[5, 60, 60] == 0
    assert report.warnings


def beating(moved, frames=12):
    """Return frames of a disk that is elsewhere in those that `moved` names, of which the locator sees none."""
    return [chest(moved.get(t, (60, 60)), seed=t) for t in range(frames)]


def disk_voxels(labels):
    return [int(np.count_nonzero(frame == 1)) for frame in labels]


# the box ends about 20 voxels from the middle of the disk, whose radius is 12, and the wider one 8 voxels farther
@pytest.mark.parametrize(
    "moved", [{4: (60, 73)}, {4: (60, 73), 5: (46, 60)}, {4: (79, 60)}, {4: (60, 82), 9: (60, 73)}]
)
def test_structure_that_moves_out_of_its_box_is_found_whole_in_a_wider_one(two_stages, moved):
    labels, report = found(two_stages, beating(moved))

    still, *_ = disk_voxels(found(two_stages, beating({}))[0])
    for number, frame in enumerate(labels):
        middle = moved.get(number, (60, 60))
        around = tuple(slice(n - 14, n + 15) for n in middle)
        assert np.count_nonzero(frame[(slice(None), *around)] == 1) == pytest.approx(still, rel=0.03), number
        assert frame[(5, *middle)] == 1
    assert [text.split(" ")[1] for text in report.warnings] == [str(number) for number in moved]
    assert all("reaches the border of the box" in text for text in report.warnings)


def test_structure_that_lies_outside_its_box_in_a_frame_is_found_and_said(two_stages):
    labels, report = found(two_stages, beating({4: (90, 30)}))

    assert [bool(frame[5, 90, 30]) for frame in labels] == [number == 4 for number in range(12)]
    assert "frame 4 (4): a structure lies outside the box" in report.warnings[0]
    assert all(text.startswith("frame 4 (4)") for text in report.warnings)


def test_frames_after_one_in_a_wider_box_come_out_as_without_it_and_alone(two_stages):
    frames = beating({4: (60, 73)})

    whole, _ = found(two_stages, frames)
    (moved,), _ = found(two_stages, frames, frames="4")
    (later,), report = found(two_stages, frames, frames="9")

    np.testing.assert_array_equal(moved, whole[4])
    np.testing.assert_array_equal(later, whole[9])
    assert not report.warnings  # nobody asked for the frame that needs a wider box


class ReadFrames(list):
    """Frames that note which of them are read."""

    def __init__(self, frames):
        super().__init__(frames)
        self.read = []

    def __getitem__(self, number):
        self.read.append(number)
        return super().__getitem__(number)


def test_state_of_a_wider_box_has_read_every_frame_before(two_stages):
    frames = ReadFrames(beating({4: (60, 73), 6: (60, 73)}))

    found(two_stages, frames, warm_up_frames=2)

    warm_up = [2, 1]
    in_turn = frames.read[frames.read.index(11) + 1 + 5 :]  # after the survey, and after five looks of the locator
    again = [*warm_up, 0, 1, 2, 3], [5]
    assert in_turn == [*warm_up, 0, 1, 2, 3, 4, *again[0], 5, 6, *again[1], 7, 8, 9, 10, 11]


def test_region_of_interest_may_cut_a_structure(two_stages):
    # the disk reaches from 96 to 144 mm in x and y: the region ends in its middle, as the box does then
    frames = [chest(seed=t) for t in range(3)]
    half = Region((95.0, 120.0, 45.0), (50.0, 100.0, 200.0))

    labels, report = found(two_stages, frames, region=half)

    assert all(frame[5, 60, 55] == 1 and frame[5, 60, 65] == 0 for frame in labels)
    assert not report.warnings


def test_bundle_keeps_the_locator_and_its_weights(two_stages, tmp_path):
    expected, _ = found(two_stages, [chest()])

    read = write_bundle(two_stages, two_stages.weights, tmp_path / "copy")
    again = write_bundle(read, read.stored_weights(), tmp_path / "copy of the copy")

    assert again.locator == two_stages.locator
    np.testing.assert_array_equal(found(again, [chest()])[0][0], expected[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin_mm": -1}, "margin_mm must be a length"),
        ({"margin_mm": "wide"}, "margin_mm must be a length"),
        ({"network": {"classes": 2}}, "its locator needs 3 classes"),
        ({"colour": 1}, "not a complete model description"),
    ],
)
def test_locator_that_makes_no_sense_is_refused(two_stages, tmp_path, change, message):
    write_bundle(two_stages, two_stages.weights, tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["locator"] |= change
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(InputError, match=message):
        read_bundle(tmp_path / "model")
