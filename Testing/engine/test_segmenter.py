"""The streaming segmenter as a whole, with a small random network."""

from itertools import count, permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.errors import Cancelled, InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.model.rules import GeometryRule, IntensityRule, StateRule
from CLSTMSegmentLib.network.inference import inference_network
from CLSTMSegmentLib.network.options import NetworkOptions
from conftest import smallModel
from model.published_state_dict import published_logits, random_published_weights

from engine.small_runs import arrays, assert_same, labels_of, segmenter_for


def test_one_tile_equals_the_bare_network_exactly(cine):
    model = smallModel(geometry=GeometryRule(), intensity=IntensityRule("min-max"), state=StateRule("carry"))
    network, state = inference_network(model.build_network(), torch.device("cpu")), None
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
    labels = labels_of(model, cine, frames="0,3")

    for number, image in labels.items():
        frame = cine[number].image
        assert (image.GetSize(), image.GetSpacing()) == (frame.GetSize(), frame.GetSpacing())
        assert (image.GetOrigin(), image.GetDirection()) == (frame.GetOrigin(), frame.GetDirection())
        assert image.GetPixelID() == sitk.sitkUInt8


def test_every_permutation_and_flip_gives_the_same_labels_exactly(model, cine):
    def stored(image, order, flips):
        image = sitk.PermuteAxes(image, order)
        return image[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]

    expected = labels_of(model, cine, frames="2")[2]
    assert len(np.unique(sitk.GetArrayViewFromImage(expected))) == 3

    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        reoriented = [Frame(stored(frame.image, order, flips), frame.index_value) for frame in cine]
        found = labels_of(model, reoriented, frames="2")[2]

        wanted = sitk.GetArrayFromImage(stored(expected, order, flips))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), wanted)


@pytest.mark.parametrize(
    "rule",
    [
        StateRule("carry"),
        StateRule("window", 2),
        StateRule("reset"),
        StateRule("carry", warm_up_frames=2, cyclic=True),
    ],
)
def test_some_frames_come_out_as_in_the_whole_run(cine, rule):
    model = smallModel(state=rule)

    whole = arrays(labels_of(model, cine))
    some = arrays(labels_of(model, cine, frames="3,5"))

    assert_same(some, {t: whole[t] for t in (3, 5)})


def test_recurrent_state_changes_later_frames_unless_it_is_reset(model, cine):
    carried = arrays(labels_of(model, cine))
    reset = arrays(labels_of(model, cine, state_rule="reset"))

    np.testing.assert_array_equal(carried[0], reset[0])
    assert any((carried[t] != reset[t]).any() for t in range(1, 6))


def test_state_rule_and_warm_up_frames_of_a_run_replace_those_of_the_model(cine):
    carrying, windowed = smallModel(), smallModel(state=StateRule("window", 2, warm_up_frames=1))

    changed = arrays(labels_of(carrying, cine, state_rule="window:2", warm_up_frames=1))

    assert_same(changed, arrays(labels_of(windowed, cine)))


def test_every_tile_keeps_its_own_recurrent_state():
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
        network=NetworkOptions(classes=2, width=2, last_stage="published"),
        activation="sigmoid",
        geometry=GeometryRule(patch=(16, 16, 16), crop="foreground"),
        intensity=IntensityRule("min-max", over="stack", zero_below=0.08),
        state=StateRule("window", 2),
    )
    tensors = random_published_weights(2, 2)
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
        logits = published_logits(tensors, torch.from_numpy(patches)[None, :, None])[0]
        p = torch.sigmoid(logits)[:, :, 3:-4, 3:-3].numpy()
        expected = np.where(p.max(1) > 0.5, p.argmax(1) + 1, 0)
        for t in range(len(stack)):
            got = found[first + t].transpose(2, 1, 0)
            assert (got[:3] == 0).all()
            assert (got[3:] != expected[t]).mean() < 0.001


def test_network_that_keeps_slices_apart_finds_the_same_in_every_order_of_the_slices():
    apart = NetworkOptions(
        **{"classes": 3, "width": 2, "last_stage": "none", "lstm_kernel_size": 1},
        **{"kernels": ((1, 3, 3),) * 4, "poolings": ((1, 2, 2),) * 3},
    )
    axes = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    model = smallModel(network=apart, geometry=GeometryRule(axes, spacing=(None, 2.0, 2.0), smallest=(1, 8, 8)))
    voxels = np.random.default_rng(4).random((7, 40, 40)).astype(np.float32)
    order = [3, 0, 6, 2, 5, 1, 4]
    frames = [Frame(sitk.GetImageFromArray(v), "0") for v in (voxels, voxels[order])]
    for frame in frames:
        frame.image.SetSpacing((1.0, 1.0, 9.0))

    straight, shuffled = (arrays(labels_of(model, [frame]))[0] for frame in frames)

    assert set(np.unique(straight)) == {0, 1, 2}
    np.testing.assert_array_equal(shuffled, straight[order])


def test_region_that_holds_no_voxel_is_refused_with_its_cause_and_its_frame(model, cine):
    image = cine[1].image
    between = image.TransformContinuousIndexToPhysicalPoint([n // 2 + 0.5 for n in image.GetSize()])

    for center, cause in ((between, "so thin that it holds no voxel"), ((9e3, 0.0, 0.0), "lies outside the image")):
        with pytest.raises(InputError, match=rf"frame 0 .*{cause}"):
            labels_of(model, cine, warm_up_frames=0, region=Region(center, (0.1, 0.1, 0.1)))


def test_region_is_segmented_and_nothing_outside_it(model, cine):
    image = cine[0].image
    center = np.array(image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()]))
    axes = tuple(map(tuple, np.array(image.GetDirection()).reshape(3, 3).T))
    region = Region(tuple(center), (60.0, 48.0, 40.0), axes)

    found = sitk.GetArrayFromImage(labels_of(model, cine, frames="1", region=region)[1])

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
    segmenter = segmenter_for(model)

    found = {result.number: sitk.GetArrayFromImage(result.labels) for result in segmenter.segment(frames)}

    assert (found[1][2:4, 10:40, 10:40] == 0).all()
    assert found[1][5, 5, 5] == 0
    assert found[1].any()
    assert len(segmenter.report.warnings) == 1
    assert "frame 1 (133.333): 1801 voxels" in segmenter.report.warnings[0]


def test_frames_of_different_geometry_each_get_their_own_place(model, cine):
    moved = sitk.Image(cine[1].image[8:56, 4:60])
    frames = [cine[0], Frame(moved, "b"), Frame(cine[2].image, "c")]
    segmenter = segmenter_for(model)

    results = list(segmenter.segment(frames))

    for result, frame in zip(results, frames, strict=True):
        assert result.labels.GetSize() == frame.image.GetSize()
        assert result.labels.GetOrigin() == frame.image.GetOrigin()
    assert any("recurrent state is reset" in w for w in segmenter.report.warnings)


def test_progress_counts_frames_and_tiles(model, cine):
    reports = []

    list(segmenter_for(model, tile=(8, 32, 32), frames="0,1").segment(cine, progress=reports.append))

    first, last = reports[0], reports[-1]
    assert {(report.frame, report.frames) for report in reports} == {(1, 2), (2, 2)}
    assert [report.tile for report in reports[: first.tiles]] == list(range(1, first.tiles + 1))
    assert first.seconds_left is None
    assert last.seconds_left >= 0


def test_cancelled_run_stops_between_two_tiles_and_keeps_the_finished_frames(model, cine):
    segmenter = segmenter_for(model, tile=(8, 32, 32))
    finished, cancelled = [], lambda: bool(finished) and next(tiles_of_second_frame) > 0
    tiles_of_second_frame = count()

    with pytest.raises(Cancelled):
        for result in segmenter.segment(cine, cancelled=cancelled):
            finished.append(result.number)

    assert finished == [0]
    assert next(tiles_of_second_frame) == 2 < segmenter.report.tiles_per_frame


def test_frame_darker_than_all_of_the_training_is_told_from_the_others(cine):
    model = smallModel(typical={"brightness": (0.2, 0.5), "contrast": (0.1, 0.4)})
    lost = Frame(sitk.Cast(cine[2].image * 0.05, cine[2].image.GetPixelID()), cine[2].index_value)
    frames = [*cine[:2], lost, *cine[3:]]
    center = lost.image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in lost.image.GetSize()])
    region = Region(center, (60.0, 48.0, 40.0), tuple(map(tuple, np.eye(3).tolist())))

    for where in (None, region):
        segmenter = segmenter_for(model, region=where)
        results = {result.number: result.out_of_distribution for result in segmenter.segment(frames)}

        outside = {number: measures for number, measures in results.items() if measures}
        assert outside == {2: ("brightness", "contrast")}
        (warning,) = [warning for warning in segmenter.report.warnings if "unlike those" in warning]
        assert warning.startswith(f"frame 2 ({cine[2].index_value}) is unlike")


def test_largest_component_rule_keeps_one_component(cine):
    found = labels_of(smallModel(components="largest"), cine, frames="0")[0]

    components = sitk.ConnectedComponent(found > 0)
    assert sitk.GetArrayFromImage(components).max() == 1
