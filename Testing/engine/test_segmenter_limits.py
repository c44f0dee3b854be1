"""What the segmenter refuses, and what it does when memory is short."""

from dataclasses import replace
from itertools import count

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import Cancelled, InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.network.inference import InferenceNetwork
from CLSTMSegmentLib.phantoms.heart import HEART_AXES
from conftest import smallModel

from engine.small_runs import arrays, assert_same, labels_of, segmenter_for


def test_model_with_a_patch_refuses_other_tiles():
    model = smallModel(geometry=GeometryRule(patch=(16, 16, 16)))

    with pytest.raises(InputError, match="works only on tiles"):
        segmenter_for(model, tile=(32, 32, 32))


@pytest.mark.parametrize(("ram_gb", "low"), [(0.1, True), (100, False)])
def test_ram_limit_too_low_for_a_frame_is_a_warning(model, cine, ram_gb, low):
    segmenter = segmenter_for(model, ram_gb=ram_gb)

    finished = list(segmenter.segment(cine[:1]))

    assert len(finished) == 1
    assert any("RAM limit of 0.1 GB is low for frames of this size" in w for w in segmenter.report.warnings) is low


@pytest.mark.parametrize("short_from", [0, 3])
def test_run_that_is_out_of_memory_continues_with_smaller_tiles_and_a_warning(model, cine, monkeypatch, short_from):
    segmenter, step, step_number = segmenter_for(model), InferenceNetwork.step, count()

    def short_of_memory(network, tile, state):
        if next(step_number) >= short_from and tile.numel() > 8 * 32 * 48:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return step(network, tile, state)

    with monkeypatch.context() as patch:
        patch.setattr(InferenceNetwork, "step", short_of_memory)
        found = {result.number: result.labels for result in segmenter.segment(cine)}

    assert list(found) == list(range(6))
    assert segmenter.report.tiles_per_frame > 1
    assert "tiles shrink" in segmenter.report.warnings[0]
    # each frame as in a run that had its tiles from the start
    whole, tiled = labels_of(model, cine), labels_of(model, cine, tile=segmenter.report.tile)
    assert_same(arrays(found), arrays({n: (whole if n < short_from else tiled)[n] for n in found}))


@pytest.mark.parametrize(("tile", "slow"), [((8, 32, 32), True), (None, False)])
def test_run_says_what_its_tiles_cost_in_time(cine, tile, slow):
    segmenter = segmenter_for(smallModel(geometry=GeometryRule(HEART_AXES, "thickest")), tile=tile)

    list(segmenter.segment(cine[:1]))

    cost = "9 tiles of 8 x 32 x 32 voxels, which overlap: this takes at least 2.2 times as long"
    assert any(cost in warning for warning in segmenter.report.warnings) is slow


def test_run_says_what_its_warm_up_frames_cost_in_time(model, cine):
    segmenter = segmenter_for(model, state_rule="window:1", warm_up_frames=1000)

    with pytest.raises(Cancelled):  # it is said before the first frame is read
        list(segmenter.segment(list(cine) * 8, cancelled=lambda: True))

    assert segmenter.report.warnings[0].startswith("1000 warm-up frames: a run over all frames takes about")


def test_time_left_is_told_within_the_first_frame(model, cine):
    told = []

    list(segmenter_for(model, tile=(8, 32, 32)).segment(cine[:2], progress=told.append))

    first = [progress.seconds_left for progress in told if progress.frame == 1]
    assert first[0] is None
    assert min(first[1:]) > 0


def test_run_that_is_out_of_memory_with_the_smallest_tiles_ends_with_what_to_do(model, cine, monkeypatch):
    def no_memory(network, tile, state):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(InferenceNetwork, "step", no_memory)

    with pytest.raises(MemoryError, match="smallest tiles"):
        list(segmenter_for(model).segment(cine))


def test_network_that_gives_no_finite_numbers_is_refused_by_the_name_of_its_model(model, cine):
    weights = {key: -value - 1 if key.endswith("running_var") else value for key, value in model.weights.items()}
    segmenter = segmenter_for(replace(model, weights=weights))

    with pytest.raises(InputError, match="model small: its network gives values that are not finite numbers"):
        list(segmenter.segment(cine))


@pytest.mark.parametrize(
    ("frames", "chosen", "message"),
    [
        ([], "all", "no frames"),
        ([Frame(sitk.Image((8, 8, 8), sitk.sitkVectorUInt8, 3), "5")], "all", r"frame 0 \(5\) is a colour"),
        ([Frame(sitk.Image((8, 8), sitk.sitkUInt8), "5")], "all", "2 dimensions"),
        ([Frame(sitk.Image((8, 8, 8), sitk.sitkUInt8), "0")], "1", "has frames 0 to 0"),
    ],
)
def test_frames_that_cannot_be_used_are_named(model, frames, chosen, message):
    with pytest.raises(InputError, match=message):
        list(segmenter_for(model, frames=chosen).segment(frames))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "quantum"}, "unknown device"),
        ({"device": "cuda:99"}, "cannot be used"),
        ({"device": "cuda:256"}, "cannot be used|unknown device"),
        ({"device": "cuda:99999999999999999999"}, "unknown device"),
        ({"tile": (8, 30, 32)}, "multiples of 8"),
        ({"overlap": 1.0}, "overlap"),
    ],
)
def test_options_that_cannot_be_used_are_named(model, options, message):
    with pytest.raises(InputError, match=message):
        segmenter_for(model, **options)


def test_frame_smaller_than_the_model_works_at_is_padded_up_to_it(cine):
    small = smallModel(geometry=GeometryRule(smallest=(16, 64, 64)))
    frame = Frame(cine[0].image[20:44, 20:44, 2:7], "0")
    segmenter = segmenter_for(small)

    labels = next(segmenter.segment([frame])).labels

    assert labels.GetSize() == (24, 24, 5)
    assert segmenter.report.tile == (24, 64, 64)  # D, H, W are i, j, k here: 24 is more than 16


def test_tile_smaller_than_the_model_works_at_is_refused():
    small = smallModel(geometry=GeometryRule(smallest=(16, 64, 64)))

    with pytest.raises(InputError, match=r"at least \(16, 64, 64\)"):
        segmenter_for(small, tile=(8, 64, 64))


@pytest.mark.parametrize("size", [(24, 24, 8), (1, 1, 1), (20, 20, 1)])
def test_nothing_is_found_in_constant_frames_and_a_single_voxel_and_a_warning_says_why(model, size):
    segmenter = segmenter_for(model)

    (result,) = segmenter.segment([Frame(sitk.Image(size, sitk.sitkInt16) + 7, "0")])

    assert result.labels.GetSize() == size
    assert "no contrast" in segmenter.report.warnings[0]
    assert not sitk.GetArrayViewFromImage(result.labels).any()
