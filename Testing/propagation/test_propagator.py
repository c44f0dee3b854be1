"""Labels of all frames from one or two annotated frames of phantoms and of real cines."""

import time

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import Cancelled, InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.propagation.propagator import Propagator
from CLSTMSegmentLib.training.labelled_hearts import read_cines
from hook_phantom import hook_sequence


def mask(labels, label=1):
    return sitk.GetArrayFromImage(labels) == label


def dice(a, b):
    return 2 * np.sum(a & b) / (np.sum(a) + np.sum(b))


def propagated(frames, annotations, **options):
    return list(Propagator(frames, annotations, **options).run())


def scores(found, labels, label=1):
    return [dice(mask(one.result.labels, label), mask(other, label)) for one, other in zip(found, labels, strict=True)]


@pytest.fixture(scope="module")
def beat():
    """Twelve frames of a beating heart and their true labels."""
    return heart_sequence(5, frames=12, shape=(8, 64, 64), spacing=(8.0, 3.0, 3.0))


def test_one_annotated_frame_labels_the_whole_beat(beat):
    frames, labels = beat

    found = propagated(frames, {0: labels[0]}, cyclic=True)

    for label in (1, 2):
        copied = [dice(mask(labels[0], label), mask(one, label)) for one in labels]
        assert min(scores(found, labels, label)) > max(0.8, min(copied) + 0.1)
    assert not any(one.flags() for one in found)


def test_results_are_in_order_on_the_grid_of_their_frames(beat):
    frames, labels = beat

    found = propagated(frames, {3: labels[3]}, cyclic=True)

    assert [one.result.number for one in found] == list(range(12))
    assert [one.result.index_value for one in found] == [frame.index_value for frame in frames]
    for one, frame in zip(found, frames, strict=True):
        assert one.result.labels.GetSize() == frame.image.GetSize()
        assert one.result.labels.GetDirection() == frame.image.GetDirection()
        assert one.result.labels.GetOrigin() == frame.image.GetOrigin()


def test_annotated_frames_keep_their_annotation(beat):
    frames, labels = beat

    found = propagated(frames, {2: labels[2], 7: labels[7]})

    for number in (2, 7):
        np.testing.assert_array_equal(mask(found[number].result.labels), mask(labels[number]))
        assert found[number].agreement is None


def test_second_annotated_frame_makes_the_others_better(beat):
    frames, labels = beat

    one = scores(propagated(frames, {0: labels[0]}, cyclic=True), labels)
    two = scores(propagated(frames, {0: labels[0], 5: labels[5]}, cyclic=True), labels)

    assert np.mean(two) > np.mean(one)


def test_labels_need_not_be_numbered_one_after_the_other(beat):
    frames, labels = beat
    doubled = {0: labels[0] * 3}

    found = propagated(frames[:2], doubled)

    assert set(np.unique(sitk.GetArrayViewFromImage(found[1].result.labels))) == {0, 3, 6}


def test_corrupted_frame_is_flagged(beat):
    frames, labels = list(beat[0]), beat[1]
    noise = sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, 400, (8, 64, 64)).astype(np.float32))
    noise.CopyInformation(frames[4].image)
    frames[4] = Frame(noise, frames[4].index_value)

    found = propagated(frames, {0: labels[0]}, cyclic=True)

    assert [one.result.number for one in found if one.flags()] == [4]


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (lambda labels: {}, "nothing is annotated"),
        (lambda labels: {12: labels[0]}, "frame 12 is annotated"),
        (lambda labels: {0: labels[0] * 0}, "no label"),
        (lambda labels: {0: labels[0][1:, :, :]}, "frame 0 has"),
    ],
    ids=["none", "no frame", "empty", "other grid"],
)
def test_annotations_that_cannot_be_used_are_refused(annotations, message, beat):
    frames, labels = beat

    with pytest.raises(InputError, match=message):
        Propagator(frames, annotations(labels))


def test_sequence_of_one_frame_is_refused(beat):
    frames, labels = beat

    with pytest.raises(InputError, match="one frame only"):
        Propagator(frames[:1], {0: labels[0]})


def test_spacing_that_is_rounded_in_a_file_changes_nothing():
    frames, labels = heart_sequence(5, frames=3, shape=(8, 64, 64), spacing=(8.0, 4.0, 4.0))
    rounded = []
    for frame in frames:
        image = sitk.Image(frame.image)
        image.SetSpacing([edge * (1 - 1e-15) for edge in image.GetSpacing()])
        rounded.append(Frame(image, frame.index_value))

    found, expected = (propagated(images, {0: labels[0]}) for images in (rounded, frames))

    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mask(one.result.labels), mask(other.result.labels))


def test_frame_of_another_geometry_is_refused_before_anything_is_done(beat):
    frames, labels = list(beat[0]), beat[1]
    frames[9] = Frame(frames[9].image[:-1, :, :], frames[9].index_value)

    with pytest.raises(InputError, match="frame 9 differs in geometry from the annotated frame 0"):
        next(Propagator(frames, {0: labels[0]}).run())


def test_progress_is_told_and_the_work_can_be_cancelled(beat):
    frames, labels = beat
    told = []

    with pytest.raises(Cancelled):
        list(Propagator(frames, {0: labels[0]}).run(told.append, lambda: len(told) >= 3))

    assert [progress.frame for progress in told] == sorted(progress.frame for progress in told)
    assert told[-1].frames == 12
    assert told[-1].seconds_left > 0


def test_frames_that_are_not_finite_do_not_matter_elsewhere(beat):
    frames, labels = list(beat[0]), beat[1]
    array = sitk.GetArrayFromImage(sitk.Cast(frames[1].image, sitk.sitkFloat32))
    array[0, :2] = np.nan
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(frames[1].image)
    frames[1] = Frame(image, frames[1].index_value)

    found = propagated(frames[:3], {0: labels[0]})

    assert min(scores(found, labels[:3])) > 0.8


def changed(frame, change):
    """Return a frame with other voxels: float64 of what a function returns for its voxels."""
    image = sitk.GetImageFromArray(change(sitk.GetArrayFromImage(sitk.Cast(frame.image, sitk.sitkFloat64))))
    image.CopyInformation(frame.image)
    return Frame(image, frame.index_value)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_single_slice_is_propagated_too(axis, beat):
    middle = [slice(None)] * 3
    middle[axis] = slice(n := beat[0][0].image.GetSize()[axis] // 2, n + 1)
    frames = [Frame(frame.image[tuple(middle)], frame.index_value) for frame in beat[0][:4]]
    labels = [one[tuple(middle)] for one in beat[1][:4]]

    found = propagated(frames, {0: labels[0]})

    assert min(scores(found, labels)) > 0.85


@pytest.mark.parametrize("signal", [0.0, np.nan])
def test_frame_without_a_signal_does_not_spoil_those_after_it(signal, beat):
    frames, labels = beat[0][:7], beat[1][:7]
    expected = scores(propagated(frames, {0: labels[0]}), labels)
    frames = [*frames[:3], changed(frames[3], lambda voxels: np.full_like(voxels, signal)), *frames[4:]]

    found = propagated(frames, {0: labels[0]})

    assert [one.result.number for one in found if one.flags()] == [3]
    assert min(np.subtract(scores(found, labels), expected)[4:]) > -0.03


def test_large_offset_of_all_intensities_changes_nothing(beat):
    frames, labels = beat[0][:4], beat[1][:4]
    expected = scores(propagated(frames, {0: labels[0]}), labels)

    found = propagated([changed(frame, lambda voxels: voxels + 1e10) for frame in frames], {0: labels[0]})

    assert scores(found, labels) == pytest.approx(expected, abs=0.005)


def test_hook_that_swings_by_more_than_its_width_is_followed():
    frames, labels = hook_sequence(6)

    found = scores(propagated(frames, {0: labels[0]}, cyclic=True), labels)
    copied = [dice(mask(labels[0]), mask(one)) for one in labels]

    print(f"hook: mean {np.mean(found[1:]):.3f}, least {min(found):.3f}; copied {np.mean(copied[1:]):.3f}")
    assert np.mean(found[1:]) > 0.9 > 2 * np.mean(copied[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SCD0000101", "SCD0000201", "SCD0000301"])
def test_end_systole_of_a_real_heart_is_found_from_end_diastole(name, data):
    frames, annotations = read_cines(data)[name]
    by_phase = {annotation.phase: number for number, annotation in annotations.items()}
    diastole, systole = by_phase["ED"], by_phase["ES"]
    began = time.monotonic()

    found = propagated(frames, {diastole: annotations[diastole].labels}, cyclic=True)

    seconds = time.monotonic() - began
    true = mask(annotations[systole].labels)
    copied, score = dice(mask(annotations[diastole].labels), true), dice(mask(found[systole].result.labels), true)
    print(f"{name}: end-systole {score:.3f}, copied {copied:.3f}, {seconds:.0f} s")
    assert score > max(0.85, copied + 0.03)


def test_annotation_a_bit_beside_its_frame_gets_the_place_of_the_frame(beat):
    frames, labels = beat[0][:3], [sitk.Cast(one, sitk.sitkUInt8) for one in beat[1][:3]]
    labels[1].SetOrigin([place + 0.05 for place in labels[1].GetOrigin()])

    found = propagated(frames, {1: labels[1]})

    assert {one.result.labels.GetOrigin() for one in found} == {frames[0].image.GetOrigin()}
    np.testing.assert_array_equal(mask(found[1].result.labels), mask(labels[1]))
