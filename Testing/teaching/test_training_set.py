"""The training set of a teaching job: what is written is read again, and what cannot be used is refused by name."""

import sys

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError, StorageError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.intensity_window import find_intensity_window
from CLSTMSegmentLib.teaching.teaching_folders import teaching_folder
from CLSTMSegmentLib.teaching.teaching_settings import TeachingSettings
from CLSTMSegmentLib.teaching.training_set import TrainingSet, write_training_set

from teaching.small_teaching import HOOK, hook_training_set, largest_file

SETTINGS = TeachingSettings("hook", (HOOK,))


def test_training_set_is_read_as_it_was_written(hook, tmp_path):
    frames, truth = hook
    marks = {(1, 4): "partly"}

    written = write_training_set(
        tmp_path / "job", SETTINGS, [(frames, {0: truth[0]}), (frames, {4: truth[4], 2: truth[2]})], marks
    )

    read = TrainingSet.read(tmp_path / "job")
    assert read == written
    assert [(frame.sequence, frame.number, frame.mark) for frame in read.frames] == [
        (0, 0, "drawn"),
        (1, 2, "drawn"),
        (1, 4, "partly"),
    ]
    for frame in read.frames:
        labels, image = read.labels(frame), read.image(frame)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(truth[frame.number]))
        assert image.GetDirection() == pytest.approx(frames[frame.number].image.GetDirection())


def test_frames_around_an_annotated_frame_belong_to_it_as_far_as_there_are_any(hook, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0, 4))

    first, second = training_set.frames
    assert (first.around, second.around) == ((0, 1, 2, 3), (1, 2, 3, 4, 5))
    for frame in (first, second):
        for number in frame.around:
            expected = sitk.GetArrayFromImage(hook[0][number].image)
            np.testing.assert_array_equal(sitk.GetArrayFromImage(training_set.image(frame, number)), expected)


def test_intensity_window_of_each_sequence_is_found_in_all_of_its_frames(hook, tmp_path):
    frames, truth = hook
    brighter = [Frame(frame.image * (1.0 + t), frame.index_value) for t, frame in enumerate(frames)]

    training_set = write_training_set(tmp_path / "job", SETTINGS, [(frames, {0: truth[0]}), (brighter, {0: truth[0]})])

    rule = SETTINGS.intensity_rule()
    for window, images in zip(training_set.windows, (frames, brighter), strict=True):
        assert window == find_intensity_window(rule, [sitk.GetArrayFromImage(frame.image) for frame in images])
    assert training_set.windows[1].high > 2 * training_set.windows[0].high


def placed(labels, **geometry):
    """Return labels with another spacing, origin or direction."""
    labels = sitk.Image(labels)
    for name, values in geometry.items():
        getattr(labels, f"Set{name.title()}")(values)
    return labels


def test_annotation_on_the_grid_of_its_frame_but_for_rounding_is_taken(hook, tmp_path):
    frames, truth = hook
    image = frames[0].image
    rounded = placed(
        truth[0], origin=np.float32(image.GetOrigin()).tolist(), spacing=np.float32(image.GetSpacing()).tolist()
    )

    training_set = write_training_set(tmp_path / "job", SETTINGS, [(frames, {0: rounded})])

    assert len(training_set.frames) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels[:, :, :8], "voxels, its annotation"),
        (lambda labels: labels * 0, "nothing is drawn in it"),
        (lambda labels: labels * 9, "labels must be whole numbers from 0 to 1"),
        (lambda labels: sitk.Cast(labels, sitk.sitkUInt32) * (2**32 - 1), "labels must be whole numbers from 0 to 1"),
        (lambda labels: sitk.Cast(labels, sitk.sitkFloat32) / 0, "labels must be whole numbers from 0 to 1"),
        (lambda labels: sitk.Compose(labels, labels, labels), "must be a 3D label image"),
        (lambda labels: sitk.Cast(labels, sitk.sitkComplexFloat32), "must be a 3D label image"),
        (lambda labels: placed(labels, origin=(500, 500, 500)), "its annotation lies up to .* mm away"),
        (lambda labels: placed(labels, spacing=(7, 7, 7)), "its annotation lies up to .* mm away"),
        (lambda labels: placed(labels, direction=(1, 0, 0, 0, -1, 0, 0, 0, 1)), "its annotation lies up to .* mm away"),
    ],
)
def test_annotation_that_does_not_fit_is_refused_with_its_frame_and_leaves_nothing(change, message, hook, tmp_path):
    frames, truth = hook

    with pytest.raises(InputError, match=rf"frame 3 .*{message}"):
        write_training_set(tmp_path / "job", SETTINGS, [(frames, {0: truth[0], 3: change(truth[3])})])

    assert list(tmp_path.iterdir()) == []


def test_frame_without_a_segment_can_be_annotated_as_whole(hook, tmp_path):
    frames, truth = hook

    training_set = write_training_set(
        tmp_path / "job", SETTINGS, [(frames, {0: truth[0], 3: truth[3] * 0})], {(0, 3): "whole"}
    )

    assert [frame.number for frame in training_set.frames] == [0, 3]


@pytest.mark.parametrize(
    ("annotated", "marks", "message"),
    [
        ({}, {}, "no frame is annotated"),
        ({9: 0}, {}, "frame 9 is annotated, but the sequence has frames 0 to 5"),
        ({0: 0}, {(0, 0): "nearly"}, "'nearly' is none of partly, slices, drawn, whole"),
    ],
)
def test_annotation_of_no_frame_or_with_an_unknown_mark_is_refused(annotated, marks, message, hook, tmp_path):
    frames, truth = hook
    annotations = {number: truth[of] for number, of in annotated.items()}

    with pytest.raises(InputError, match=message):
        write_training_set(tmp_path / "job", SETTINGS, [(frames, annotations)], marks)

    assert list(tmp_path.iterdir()) == []


def test_frame_that_cannot_be_segmented_is_refused_even_where_it_is_not_annotated(hook, tmp_path):
    frames, truth = hook
    complex_frame = Frame(sitk.Cast(frames[5].image, sitk.sitkComplexFloat32), "5")

    with pytest.raises(InputError, match=r"frame 5 \(5\) holds complex numbers"):
        write_training_set(tmp_path / "job", SETTINGS, [([*frames[:5], complex_frame], {0: truth[0]})])

    assert list(tmp_path.iterdir()) == []


def test_training_set_does_not_replace_another(hook, tmp_path):
    before = hook_training_set(tmp_path / "job", hook, (0,))

    with pytest.raises(InputError, match="unfinished teaching job: resume the teaching job in it, or remove it"):
        hook_training_set(tmp_path / "job", hook, (2,))

    assert TrainingSet.read(tmp_path / "job") == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_full_disk_leaves_no_part_of_a_training_set(hook, tmp_path):
    with pytest.raises(StorageError, match="the training set cannot be written to"), largest_file(10_000):
        hook_training_set(tmp_path / "models" / "job", hook)

    assert list((tmp_path / "models").iterdir()) == []


def test_folder_without_a_training_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no training set"):
        TrainingSet.read(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"settings": {"name": "a"}}'])
def test_damaged_training_set_is_refused(content, tmp_path, hook):
    hook_training_set(tmp_path / "job", hook, (0,))
    (tmp_path / "job" / "training-set.json").write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=r"training-set\.json is damaged .*: start the teaching job again"):
        TrainingSet.read(tmp_path / "job")


def test_damaged_image_of_a_training_set_is_named(hook, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0,))
    (tmp_path / "job" / "images" / "0-2.nrrd").write_bytes(b"no image")

    with pytest.raises(InputError, match=r"0-2\.nrrd cannot be read as an image"):
        training_set.image(training_set.frames[0], 2)


def test_folder_of_a_teaching_job_is_beside_its_model_and_not_shown_among_the_models(tmp_path):
    folder = teaching_folder(tmp_path, "hook")

    assert folder.parent == tmp_path
    assert folder.name.startswith(".")
