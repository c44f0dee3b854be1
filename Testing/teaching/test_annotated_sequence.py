"""An annotated frame on the grid of the model that is taught: prepared as in a run, with what its annotation says."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.engine.frame_grid import FrameGrid
from CLSTMSegmentLib.engine.preparation import prepare
from CLSTMSegmentLib.teaching.annotated_sequence import annotated_sequence, slice_axes
from CLSTMSegmentLib.teaching.taught_model import untaught_model
from CLSTMSegmentLib.teaching.teaching_settings import TeachingSettings
from CLSTMSegmentLib.teaching.training_set import write_training_set
from CLSTMSegmentLib.training.sparse_labels import UNKNOWN

from teaching.small_teaching import CPU, HOOK, hook_training_set

EYE = Segment("eye", "Eye", PALETTE[1])


@pytest.mark.parametrize("mark", ["drawn", "whole", "slices", "partly"])
def test_mark_says_what_is_known_beside_the_drawing(mark, hook, tmp_path):
    frames, truth = hook
    annotations = {n: truth[n] for n in ((2, 4) if mark == "partly" else (2,))}  # one frame must not be in part
    training_set = write_training_set(
        tmp_path / "job", TeachingSettings("hook", (HOOK, EYE)), [(frames, annotations)], {(0, 2): mark}
    )
    model = untaught_model(training_set, CPU).description

    sequence = annotated_sequence(training_set, training_set.frames[0], model)

    (allowed,) = sequence.allowed.values()
    assert (allowed == 1 << 1).any()  # the hook, drawn
    others = set(np.unique(allowed)) - {1 << 1}
    # background or eye; background; anything
    known = {"drawn": {0b101}, "whole": {0b001}, "slices": {0b101, UNKNOWN}, "partly": {UNKNOWN}}
    assert others == known[mark]
    assert (allowed[(allowed == 1 << 1).any(axis=(1, 2))] == UNKNOWN).any() == (mark == "partly")
    assert model.components == ("largest" if mark == "whole" else "all")  # nothing is known of the eye else


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_that_are_annotated_may_be_those_of_any_view(axis):
    drawn = np.zeros((20, 20, 20), bool)
    drawn[4:16, 5:15, 3:17] = True
    others = np.ones(20, bool)
    others[[6, 9, 12]] = False
    drawn[(slice(None),) * axis + (others,)] = False

    assert slice_axes(drawn) == [axis]


@pytest.mark.parametrize("places", [(10, 11, 16, 22), (9, 10, 11, 15, 16, 17)])
@pytest.mark.parametrize("axis", [1, 2])
def test_slices_of_a_round_brush_in_another_view_teach_no_part_of_the_structure_as_background(axis, places, tmp_path):
    z, y, x = np.mgrid[:32, :32, :32]
    ball = (z - 16) ** 2 + (y - 16) ** 2 + (x - 16) ** 2 < 100
    frames = [Frame(sitk.GetImageFromArray((100 * ball + n).astype(np.int16)), str(n)) for n in range(3)]
    drawn, at = np.zeros_like(ball, np.uint8), [slice(None)] * 3
    at[axis] = list(places)
    drawn[tuple(at)] = ball[tuple(at)]
    settings = TeachingSettings("ball", (HOOK,), hold_out_frames=False)
    labels = {1: sitk.GetImageFromArray(drawn)}
    training_set = write_training_set(tmp_path / "job", settings, [(frames, labels)], {(0, 1): "slices"})

    sequence = annotated_sequence(training_set, training_set.frames[0], untaught_model(training_set, CPU).description)

    (allowed,) = sequence.allowed.values()
    assert not ((allowed == 1 << 0) & ball).any()
    assert (allowed == 1 << 0).any()


def test_frames_are_prepared_as_in_a_run_and_the_annotated_one_has_its_place_among_them(hook, bundle, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0, 4), initial=str(bundle))
    model = untaught_model(training_set, CPU).description

    first, second = (annotated_sequence(training_set, frame, model) for frame in training_set.frames)

    assert (len(first.frames), list(first.allowed)) == (4, [0])
    assert (len(second.frames), list(second.allowed)) == (5, [3])
    assert second.name == "frame 4 of sequence 0"
    assert not second.cyclic
    for found, frame in zip(second.frames, hook[0][1:6], strict=True):
        expected = prepare(frame.image, FrameGrid(frame.image, model.geometry), training_set.windows[0]).volume
        np.testing.assert_array_equal(found, expected.astype(np.float16))


@pytest.mark.parametrize(
    ("other", "frames_used", "place"), [(1, 4, 0), (3, 3, 2)], ids=["before the annotated frame", "after it"]
)
def test_frames_beyond_a_change_of_the_grid_are_not_used(other, frames_used, place, hook, bundle, tmp_path):
    """In a run, the recurrent state starts anew there."""
    frames, truth = list(hook[0]), hook[1]
    frames[other] = Frame(frames[other].image[:, 4:, :], frames[other].index_value)
    training_set = hook_training_set(tmp_path / "job", (frames, truth), (2,), initial=str(bundle))
    model = untaught_model(training_set, CPU).description

    sequence = annotated_sequence(training_set, training_set.frames[0], model)

    assert len(sequence.frames) == frames_used
    assert list(sequence.allowed) == [place]
    assert {frame.shape for frame in sequence.frames} == {sequence.allowed[place].shape}


def test_voxel_that_is_no_number_is_background(hook, tmp_path):
    frames, truth = hook
    array = sitk.GetArrayFromImage(frames[2].image).astype(np.float32)
    array[8, 16, 16], array[3, 20, 10], array[5, 5, 5] = np.nan, np.inf, -np.inf
    damaged = sitk.GetImageFromArray(array)
    damaged.CopyInformation(frames[2].image)
    training_set = hook_training_set(tmp_path / "job", ([Frame(damaged, "0")], {0: truth[2]}), (0,))
    model = untaught_model(training_set, CPU).description

    sequence = annotated_sequence(training_set, training_set.frames[0], model)

    reoriented = FrameGrid(damaged, model.geometry).reoriented(damaged)
    assert sequence.frames[0].shape == reoriented.shape
    assert np.isfinite(sequence.frames[0]).all()
    assert (sequence.frames[0][~np.isfinite(reoriented)] == 0).all()


def test_image_that_is_too_large_on_the_grid_of_the_model_is_refused_by_frame(hook, bundle, tmp_path):
    frames, truth = hook
    for image in (metres := sitk.Image(frames[0].image)), (labels := sitk.Image(truth[0])):
        image.SetSpacing((3000.0, 3000.0, 3000.0))
    training_set = hook_training_set(tmp_path / "job", ([Frame(metres, "0")], {0: labels}), (0,), initial=str(bundle))
    model = untaught_model(training_set, CPU).description

    with pytest.raises(InputError, match=r"frame 0 of sequence 0: .* is its spacing given in mm"):
        annotated_sequence(training_set, training_set.frames[0], model)
