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
