"""Frames that are pushed one by one into a stream."""

import numpy as np
import psutil
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.intensity_window import find_intensity_window
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.engine.stream import StreamSettings
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.model.bundle import load_model

from engine.small_runs import arrays, assert_same, labels_of, segmenter_for
from engine.two_stages import chest


def window_of(model, frames):
    found = find_intensity_window(model.intensity, (sitk.GetArrayFromImage(frame.image) for frame in frames))
    return found.low, found.high


def pushed(stream, frames):
    return {n: stream.push(frame.image, frame.index_value).labels for n, frame in enumerate(frames)}


@pytest.mark.parametrize("rule", ["carry", "window:3", "reset"])
def test_stream_gives_the_labels_of_a_run_with_the_same_window(rule, model, cine):
    settings = {"state_rule": rule, "warm_up_frames": 0}
    expected = arrays(labels_of(model, cine, **settings))

    stream = segmenter_for(model, **settings).open_stream(StreamSettings(window_of(model, cine)))

    assert any(labels.any() for labels in expected.values())
    assert_same(arrays(pushed(stream, cine)), expected)


def test_later_states_of_a_window_are_warmed_up_as_in_a_run(model, cine):
    settings = {"state_rule": "window:2", "warm_up_frames": 2}
    expected = arrays(labels_of(model, cine, **settings))

    stream = segmenter_for(model, **settings).open_stream(StreamSettings(window_of(model, cine)))
    found = arrays(pushed(stream, cine))

    assert_same({n: found[n] for n in found if n >= 2}, {n: expected[n] for n in expected if n >= 2})


def test_first_state_is_warmed_up_with_the_first_frame(model, cine):
    still = [cine[0]] * 4
    expected = arrays(labels_of(model, still, warm_up_frames=0))

    stream = segmenter_for(model, warm_up_frames=3).open_stream()

    np.testing.assert_array_equal(sitk.GetArrayFromImage(stream.push(cine[0].image).labels), expected[3])


def test_results_have_number_index_value_and_geometry(model, cine):
    with_value, without = cine[0], cine[1]
    stream = segmenter_for(model).open_stream()

    first, second = stream.push(with_value.image, "12.5"), stream.push(without.image)

    assert (first.number, first.index_value) == (0, "12.5")
    assert (second.number, second.index_value) == (1, "1")
    assert second.labels.GetDirection() == without.image.GetDirection()
    assert 0 < stream.latency.median <= stream.latency.percentile_95


def test_reset_begins_anew(model, cine):
    stream = segmenter_for(model).open_stream()
    before = arrays(pushed(stream, cine))

    stream.reset()

    assert_same(arrays(pushed(stream, cine)), before)


def test_changed_geometry_resets_the_state_and_is_said(model, cine):
    smaller = [Frame(frame.image[2:, :, :], frame.index_value) for frame in cine]
    stream = segmenter_for(model, warm_up_frames=0).open_stream(StreamSettings(window_of(model, cine)))
    alone = segmenter_for(model, warm_up_frames=0).open_stream(StreamSettings(window_of(model, cine)))
    pushed(stream, cine)

    found = arrays(pushed(stream, smaller))

    assert_same(found, arrays(pushed(alone, smaller)))
    (warning,) = stream.warnings
    assert f"frame {len(cine)} differs in geometry" in warning


def test_frame_that_cannot_be_segmented_leaves_the_stream_usable(model, cine):
    stream, other = segmenter_for(model).open_stream(), segmenter_for(model).open_stream()
    stream.push(cine[0].image)
    other.push(cine[0].image)

    with pytest.raises(InputError, match=r"frame 1 .* colour"):
        stream.push(sitk.Image([8, 8, 8], sitk.sitkVectorUInt8, 3))

    found, expected = stream.push(cine[1].image), other.push(cine[1].image)
    assert found.number == 1
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.labels), sitk.GetArrayFromImage(expected.labels))


@pytest.mark.parametrize("rejected_first", [False, True])
def test_frame_that_is_rejected_leaves_window_and_state_as_they_were(rejected_first, model, cine):
    image = cine[0].image
    center = image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()])
    settings = {"region": Region(center, (40.0, 40.0, 40.0)), "warm_up_frames": 1}
    stream, other = (segmenter_for(model, **settings).open_stream() for _ in range(2))
    expected = arrays(pushed(other, cine))
    elsewhere = image * 1000
    elsewhere.SetOrigin((5000.0, 5000.0, 5000.0))

    found = [] if rejected_first else [stream.push(image).labels]
    with pytest.raises(InputError, match="region"):
        stream.push(elsewhere)
    found += [stream.push(frame.image).labels for frame in cine[len(found) :]]

    assert_same(arrays(dict(enumerate(found))), expected)
    assert not stream.warnings


def test_image_that_the_caller_fills_again_does_not_change_frames_before(model, cine):
    settings = {"state_rule": "window:2", "warm_up_frames": 2}
    expected = arrays(pushed(segmenter_for(model, **settings).open_stream(), cine))
    stream, buffer = segmenter_for(model, **settings).open_stream(), sitk.Image(cine[0].image)
    found = {}

    for number, frame in enumerate(cine):
        buffer[:, :, :] = frame.image[:, :, :]
        found[number] = stream.push(buffer, frame.index_value).labels

    assert_same(arrays(found), expected)


def test_closed_stream_takes_no_frames(model, cine):
    stream = segmenter_for(model).open_stream()
    stream.close()

    with pytest.raises(InputError, match="closed"):
        stream.push(cine[0].image)


@pytest.mark.parametrize("window", [(5.0, 5.0), (3, 1), (0, float("nan")), ("0", 1)])
def test_window_that_is_none_is_refused(window):
    with pytest.raises(InputError, match="ascending"):
        StreamSettings(window)


def test_structure_that_leaves_its_box_is_followed(two_stages):
    stream = Segmenter(two_stages, RunSettings(device="cpu")).open_stream()
    places = range(60, 96, 4)

    labels = [sitk.GetArrayFromImage(stream.push(chest((60, x)).image).labels) for x in places]

    # as much of the disk as at first is found at the end, 7 cm away from where the box was
    assert labels[-1].astype(bool).sum() == pytest.approx(labels[0].astype(bool).sum(), rel=0.05)
    assert any("reaches the border" in warning for warning in stream.warnings)


def test_structure_that_jumps_out_of_its_box_is_located_again(two_stages):
    stream, other = (segmenter_for(two_stages).open_stream() for _ in range(2))
    frames = [chest((60, 40), seed=0), *(chest((60, 85), seed=n) for n in range(1, 4))]
    expected = arrays(pushed(other, frames[1:]))

    found = arrays(pushed(stream, frames))

    for number in range(1, 4):
        size = np.count_nonzero(expected[number - 1])
        assert np.count_nonzero(found[number]) == pytest.approx(size, rel=0.1)
    (warning,) = stream.warnings
    assert "frame 1: the structure is no longer in the box" in warning


def test_frame_without_a_structure_leaves_the_box_where_it_was(two_stages):
    stream = segmenter_for(two_stages).open_stream()
    frames = [chest((60, 40), seed=0), chest((60, 40), seed=1), chest((60, 40), seed=2)]
    black = frames[1].image * 0

    found = [stream.push(image).labels for image in (frames[0].image, black, frames[2].image)]

    counts = [np.count_nonzero(sitk.GetArrayFromImage(labels)) for labels in found]
    assert counts[1] == 0
    assert counts[2] == pytest.approx(counts[0], rel=0.1)
    assert not any("box" in warning for warning in stream.warnings)


def test_region_of_interest_that_cuts_a_structure_leaves_box_and_state_alone(two_stages):
    half = Region((95.0, 120.0, 45.0), (50.0, 100.0, 200.0))
    stream = Segmenter(two_stages, RunSettings(device="cpu", region=half)).open_stream()

    labels = [sitk.GetArrayFromImage(stream.push(chest(seed=t).image).labels) for t in range(3)]

    assert all(frame[5, 60, 55] == 1 and frame[5, 60, 65] == 0 for frame in labels)
    assert not stream.warnings


def test_region_of_interest_that_is_moved_is_followed(two_stages):
    left, right = (Region((x, 120.0, 45.0), (50.0, 100.0, 200.0)) for x in (95.0, 145.0))
    stream = Segmenter(two_stages, RunSettings(device="cpu", region=left)).open_stream()
    stream.push(chest().image)

    stream.move_region(right)
    labels = sitk.GetArrayFromImage(stream.push(chest().image).labels)

    assert labels[5, 60, 65] == 1
    assert labels[5, 60, 55] == 0
    assert any("its region of interest differs" in warning for warning in stream.warnings)


def test_structure_that_comes_later_is_located_then(two_stages):
    stream = Segmenter(two_stages, RunSettings(device="cpu")).open_stream()
    empty, later = chest(brightness=0.05), chest()

    stream.push(empty.image)
    labels = sitk.GetArrayFromImage(stream.push(later.image).labels)

    assert labels[:, 48:73, 48:73].any()
    assert not labels[:, :30, 85:].any()  # the disk that only the whole frame shows
    assert any("found nothing" in warning for warning in stream.warnings)


@pytest.mark.slow
def test_many_frames_do_not_take_more_memory(two_stages):
    stream = Segmenter(two_stages, RunSettings(device="cpu")).open_stream()
    frames = [chest(seed=seed).image for seed in range(10)]
    for n in range(200):
        stream.push(frames[n % 10])
    before = psutil.Process().memory_info().rss

    for n in range(800):
        stream.push(frames[n % 10])

    assert psutil.Process().memory_info().rss - before < 20e6


def test_real_cine_gives_the_labels_of_a_run(data, bundled):
    (path,) = data.rglob("SCD0000101.seq.nrrd")
    frames, model = read_sequence(path), load_model(bundled)
    # the run looks for the heart in five frames, the stream in one: both are held to the same box
    center = np.array(
        frames[0].image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in frames[0].image.GetSize()])
    )
    right_anterior = center * (-1, -1, 1)
    bounds = [bound for middle in right_anterior for bound in (middle - 18, middle + 18)]
    settings = {"warm_up_frames": 0, "region": Region.from_ras_bounds(tuple(bounds))}
    expected = arrays(labels_of(model, frames, **settings))

    stream = segmenter_for(model, **settings).open_stream(StreamSettings(window_of(model, frames)))

    assert any(labels.any() for labels in expected.values())
    assert_same(arrays(pushed(stream, frames)), expected)
