"""The streaming segmenter as a whole, with a small random network."""

from itertools import count, permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Cancelled, Segmenter
from CLSTMSegmentLib.model.rules import GeometryRule, IntensityRule, TimeRule
from CLSTMSegmentLib.network.inference import ready_to_run
from conftest import smallModel
from model import published_state_dict as published


def labels_of(model, frames, wanted=None, region=None, **options):
    segmenter = Segmenter(model, "cpu", **options)
    return {r.number: r.labels for r in segmenter.segment(frames, wanted, region)}


def arrays(labels):
    return {number: sitk.GetArrayFromImage(image) for number, image in labels.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for number in a:
        np.testing.assert_array_equal(a[number], b[number])


@pytest.fixture
def cine(phantom):
    return phantom[0]


def test_one_tile_equals_the_bare_network_exactly(cine):
    model = smallModel(geometry=GeometryRule(), intensity=IntensityRule("min-max"), time=TimeRule("carry"))
    network, state = ready_to_run(model.build_network(), torch.device("cpu")), None
    stack = np.stack([sitk.GetArrayFromImage(f.image).transpose(2, 1, 0) for f in cine]).astype(np.float32)
    stack = (stack - stack.min()) / (stack.max() - stack.min())
    found = arrays(labels_of(model, cine))
    for t, frame in enumerate(stack):
        with torch.inference_mode():
            logits, state = network.step(torch.from_numpy(frame)[None, None], state)
        expected = logits[0].softmax(0).argmax(0).numpy().transpose(2, 1, 0)
        assert 0.01 < (expected > 0).mean() < 0.99
        np.testing.assert_array_equal(found[t], expected)


def test_labels_have_the_geometry_of_their_frame(model, cine):
    for number, image in labels_of(model, cine, [0, 3]).items():
        frame = cine[number].image
        assert (image.GetSize(), image.GetSpacing()) == (frame.GetSize(), frame.GetSpacing())
        assert (image.GetOrigin(), image.GetDirection()) == (frame.GetOrigin(), frame.GetDirection())
        assert image.GetPixelID() == sitk.sitkUInt8


def test_every_permutation_and_flip_gives_the_same_labels_exactly(model, cine):
    expected = labels_of(model, cine, [2])[2]
    assert len(np.unique(sitk.GetArrayViewFromImage(expected))) == 3
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):

        def stored(image, order=order, flips=flips):
            image = sitk.PermuteAxes(image, order)
            return image[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]

        turned = [Frame(stored(f.image), f.index_value) for f in cine]
        found = labels_of(model, turned, [2])[2]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(stored(expected)))


@pytest.mark.parametrize(
    "rule", [TimeRule("carry"), TimeRule("window", 2), TimeRule("reset"), TimeRule("carry", prime=2, cyclic=True)]
)
def test_some_frames_come_out_as_in_the_whole_run(model, cine, rule):
    whole = arrays(labels_of(model, cine, time_rule=rule))
    some = arrays(labels_of(model, cine, [3, 5], time_rule=rule))
    assert_same(some, {t: whole[t] for t in (3, 5)})


def test_memory_matters_and_reset_forgets_it(model, cine):
    carried = arrays(labels_of(model, cine))
    forgetful = arrays(labels_of(model, cine, time_rule=TimeRule("reset")))
    np.testing.assert_array_equal(carried[0], forgetful[0])
    assert any((carried[t] != forgetful[t]).any() for t in range(1, 6))


def test_every_tile_keeps_its_own_memory():
    """Two tiles without overlap give what two runs over the halves give."""
    model = smallModel(geometry=GeometryRule(), intensity=IntensityRule("min-max"))
    values = np.random.default_rng(1).integers(0, 900, (4, 32, 16, 16)).astype(np.int16)
    values[:, [0, 16], 0, 0], values[:, [0, 16], 0, 1] = 0, 900  # both halves have the same range

    def frames(part):
        return [Frame(sitk.GetImageFromArray(v[part]), str(t)) for t, v in enumerate(values)]

    tiled = arrays(labels_of(model, frames(slice(None)), tile=(16, 16, 16), overlap=0.0))
    halves = [arrays(labels_of(model, frames(part))) for part in (slice(16), slice(16, None))]
    assert_same(tiled, {t: np.concatenate([half[t] for half in halves]) for t in range(4)})


def test_published_checkpoint_runs_on_its_patch_over_padded_frames():
    torch.manual_seed(8)
    model = smallModel(
        network={"in_channels": 1, "classes": 2, "width": 2, "last_stage": "published"},
        activation="sigmoid",
        geometry=GeometryRule(patch=(16, 16, 16), crop="foreground"),
        intensity=IntensityRule("min-max", over="stack", zero_below=0.08),
        time=TimeRule("window", 2),
    )
    tensors = published.state_dict(2, 2)
    model = type(model)(**{**vars(model), "weights": tensors})
    rng = np.random.default_rng(0)
    volumes = rng.random((3, 12, 10, 16)).astype(np.float32) * 50
    volumes[:, :3] = 0  # the first three slices along i are background: cropped away
    frames = [Frame(sitk.GetImageFromArray(v.transpose(2, 1, 0).copy()), str(t)) for t, v in enumerate(volumes)]
    found = arrays(labels_of(model, frames))
    for first, stack in ((0, volumes[:2]), (2, volumes[2:])):  # non-overlapping stacks, scaled each on its own
        scaled = (stack - stack.min()) / (stack.max() - stack.min())
        scaled[scaled < 0.08] = 0
        patches = np.pad(scaled[:, 3:], [(0, 0), (3, 4), (3, 3), (0, 0)])
        logits = published.forward(tensors, torch.from_numpy(patches)[None, :, None])[0]
        p = torch.sigmoid(logits)[:, :, 3:-4, 3:-3].numpy()
        expected = np.where(p.max(1) > 0.5, p.argmax(1) + 1, 0)
        for t in range(len(stack)):
            got = found[first + t].transpose(2, 1, 0)
            assert (got[:3] == 0).all()
            assert (got[3:] != expected[t]).mean() < 0.001
    with pytest.raises(InputError, match="works only on tiles"):
        Segmenter(model, "cpu", tile=(32, 32, 32))


def test_region_is_segmented_and_nothing_outside_it(model, cine):
    image = cine[0].image
    center = np.array(image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()]))
    axes = tuple(map(tuple, np.array(image.GetDirection()).reshape(3, 3).T))
    region = Region(tuple(center), (60.0, 48.0, 40.0), axes)
    found = sitk.GetArrayFromImage(labels_of(model, cine, [1], region)[1])
    k, j, i = np.nonzero(found)
    assert found.any()
    edges = (np.array([i, j, k]).T + 0.0 - (np.array(image.GetSize()) / 2)) * image.GetSpacing()
    assert (np.abs(edges) <= np.array([30, 24, 20]) + 1e-6).all()


def test_voxels_that_are_not_numbers_are_background_with_a_warning(model, cine):
    values = sitk.GetArrayFromImage(cine[1].image).astype(np.float32)
    values[2:4, 10:40, 10:40] = np.nan
    values[5, 5, 5] = np.inf
    broken = sitk.GetImageFromArray(values)
    broken.CopyInformation(cine[1].image)
    frames = [cine[0], Frame(broken, cine[1].index_value), cine[2]]
    segmenter = Segmenter(model, "cpu")
    found = {r.number: sitk.GetArrayFromImage(r.labels) for r in segmenter.segment(frames)}
    assert (found[1][2:4, 10:40, 10:40] == 0).all()
    assert found[1][5, 5, 5] == 0
    assert found[1].any()
    assert len(segmenter.report.warnings) == 1
    assert "frame 1 (133.333): 1801 voxels" in segmenter.report.warnings[0]


def test_frames_of_different_geometry_each_get_their_own_place(model, cine):
    moved = sitk.Image(cine[1].image[8:56, 4:60])
    frames = [cine[0], Frame(moved, "b"), Frame(cine[2].image, "c")]
    segmenter = Segmenter(model, "cpu")
    for result, frame in zip(segmenter.segment(frames), frames, strict=True):
        assert result.labels.GetSize() == frame.image.GetSize()
        assert result.labels.GetOrigin() == frame.image.GetOrigin()
    assert any("memory starts anew" in w for w in segmenter.report.warnings)


def test_progress_counts_frames_and_tiles_and_cancel_stops_between_tiles(model, cine):
    ticks = []
    list(Segmenter(model, "cpu", tile=(8, 32, 32)).segment(cine, [0, 1], progress=ticks.append))
    assert {(p.frame, p.frames) for p in ticks} == {(1, 2), (2, 2)}
    assert [p.tile for p in ticks[: ticks[0].tiles]] == list(range(1, ticks[0].tiles + 1))
    assert ticks[0].seconds_left is None
    assert ticks[-1].seconds_left >= 0
    finished, asked = [], iter([False] * (ticks[0].tiles + 1) + [True])
    with pytest.raises(Cancelled):
        for result in Segmenter(model, "cpu", tile=(8, 32, 32)).segment(cine, cancelled=lambda: next(asked)):
            finished.append(result.number)
    assert finished == [0]


@pytest.mark.parametrize(("memory", "little"), [(10**8, True), (10**11, False)])
def test_memory_too_small_for_a_frame_is_said(model, cine, memory, little):
    segmenter = Segmenter(model, "cpu", memory=memory)
    assert len(list(segmenter.segment(cine[:1]))) == 1
    assert any("0.1 GB are little for frames of this size" in w for w in segmenter.report.warnings) is little


@pytest.mark.parametrize("short_from", [0, 3])
def test_out_of_memory_shrinks_the_tile_goes_on_and_says_so(model, cine, monkeypatch, short_from):
    segmenter = Segmenter(model, "cpu")
    step, step_number = segmenter._step, count()

    def short_of_memory(tile, state, wanted):
        if next(step_number) >= short_from and tile.numel() > 8 * 32 * 48:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return step(tile, state, wanted)

    monkeypatch.setattr(segmenter, "_step", short_of_memory)
    found = {r.number: r.labels for r in segmenter.segment(cine)}
    assert list(found) == list(range(6))
    assert segmenter.report.tiles_per_frame > 1
    assert "tiles shrink" in segmenter.report.warnings[0]
    # each frame as in a run that had its tiles from the start
    whole, tiled = labels_of(model, cine), labels_of(model, cine, tile=segmenter.report.tile)
    assert_same(arrays(found), arrays({n: (whole if n < short_from else tiled)[n] for n in found}))
    monkeypatch.setattr(segmenter, "_step", lambda *_: (_ for _ in ()).throw(RuntimeError("CUDA out of memory")))
    with pytest.raises(MemoryError, match="smallest tiles"):
        list(segmenter.segment(cine))


def test_frame_darker_than_all_of_the_training_is_told_from_the_others(cine):
    model = smallModel(typical={"brightness": (0.2, 0.5), "contrast": (0.1, 0.4)})
    lost = Frame(sitk.Cast(cine[2].image * 0.05, cine[2].image.GetPixelID()), cine[2].index_value)
    frames = [*cine[:2], lost, *cine[3:]]
    center = lost.image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in lost.image.GetSize()])
    region = Region(center, (60.0, 48.0, 40.0), np.eye(3).tolist())
    for where in (None, region):
        segmenter = Segmenter(model, "cpu")
        outside = {r.number: r.unfamiliar for r in segmenter.segment(frames, region=where) if r.unfamiliar}
        assert outside == {2: ("brightness", "contrast")}
        (warning,) = [warning for warning in segmenter.report.warnings if "unlike those" in warning]
        assert warning.startswith(f"frame 2 ({cine[2].index_value}) is unlike")


def test_largest_component_rule_keeps_one_piece(cine):
    found = labels_of(smallModel(components="largest"), cine, [0])[0]
    pieces = sitk.ConnectedComponent(found > 0)
    assert sitk.GetArrayViewFromImage(pieces).max() == 1


@pytest.mark.parametrize(
    ("frames", "wanted", "message"),
    [
        ([], None, "no frames"),
        ([Frame(sitk.Image((8, 8, 8), sitk.sitkVectorUInt8, 3), "5")], None, r"frame 0 \(5\) is a colour"),
        ([Frame(sitk.Image((8, 8), sitk.sitkUInt8), "5")], None, "2 dimensions"),
        ([Frame(sitk.Image((8, 8, 8), sitk.sitkUInt8), "0")], [1], "no such frames"),
    ],
)
def test_frames_that_cannot_be_used_are_named(model, frames, wanted, message):
    with pytest.raises(InputError, match=message):
        list(Segmenter(model, "cpu").segment(frames, wanted))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "quantum"}, "unknown device"),
        ({"device": "cuda:99"}, "cannot be used"),
        ({"tile": (8, 30, 32)}, "multiples of 8"),
        ({"overlap": 1.0}, "overlap"),
    ],
)
def test_options_that_cannot_be_used_are_named(model, options, message):
    with pytest.raises(InputError, match=message):
        Segmenter(model, **({"device": "cpu"} | options))


def test_frame_smaller_than_the_model_works_at_is_padded_up_to_it(cine):
    small = smallModel(geometry=GeometryRule(smallest=(16, 64, 64)))
    frame = Frame(cine[0].image[20:44, 20:44, 2:7], "0")
    segmenter = Segmenter(small, "cpu")
    labels = next(segmenter.segment([frame])).labels
    assert labels.GetSize() == (24, 24, 5)
    assert segmenter.report.tile == (24, 64, 64)  # D, H, W are i, j, k here: 24 is more than 16
    with pytest.raises(InputError, match=r"at least \(16, 64, 64\)"):
        Segmenter(small, "cpu", tile=(8, 64, 64))


def test_constant_frames_and_a_single_voxel_are_segmented_with_a_warning(model):
    for size in ((24, 24, 8), (1, 1, 1), (20, 20, 1)):
        segmenter = Segmenter(model, "cpu")
        (result,) = segmenter.segment([Frame(sitk.Image(size, sitk.sitkInt16) + 7, "0")])
        assert result.labels.GetSize() == size
        assert "no contrast" in segmenter.report.warnings[0]
