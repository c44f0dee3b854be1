"""Two stages: the locator finds a box in the whole frame, and the network reads only that box."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import read_bundle, write_bundle
from CLSTMSegmentLib.model.description import LOCATOR_PREFIX, Locator, Model
from CLSTMSegmentLib.model.rules import GeometryRule, IntensityRule
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from conftest import smallModel

LIMITS = {"locator": 0.8, "network": 0.4}
"""The brightness from which each network finds a structure."""


def threshold_weights(options, limit):
    """Return weights of a network that finds its first segment where the image is brighter than a limit."""
    network = CLSTMUNet4D(options).eval()
    middle = tuple(n // 2 for n in options.kernels[0])
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.weight.fill_(1)
        for block in (network.inc, network.up3.conv):
            for conv in (block.double_conv[0], block.double_conv[3]):
                conv.weight[(0, 0, *middle)] = 1
        network.outc.conv.weight[1, 0] = 100
        network.outc.conv.bias[1:] = torch.tensor([-100 * limit, -100.0])
    return network.state_dict()


@pytest.fixture(scope="module")
def two_stages():
    """A model that finds what is brighter than 0.4, in the box around what is brighter than 0.8 and 16 mm."""
    small = smallModel()
    options = NetworkOptions(classes=3, width=2, last_stage="none", poolings=((1, 2, 2),) * 3)
    coarse = GeometryRule(small.geometry.axes, "thickest", (None, 4.0, 4.0), smallest=(1, 32, 32))
    fine = GeometryRule(small.geometry.axes, "thickest", (None, 2.0, 2.0), smallest=(1, 32, 32))
    own, locating = (threshold_weights(options, LIMITS[name]) for name in ("network", "locator"))
    return Model(
        "two-stages",
        "Two stages",
        small.segments,
        options,
        "softmax",
        geometry=fine,
        intensity=IntensityRule("min-max"),
        locator=Locator(options, coarse, 16.0),
        weights=own | {f"{LOCATOR_PREFIX}{key}": value for key, value in locating.items()},
    )


def chest(heart=(60, 60), brightness=1.0, seed=0):
    """Return a frame of 10 slices with a bright disk (the heart) and, far from it, a dimmer one (the stomach)."""
    y, x = np.mgrid[:120, :120]
    image = np.random.default_rng(seed).uniform(0, 0.1, (10, 120, 120))
    image[2:8, np.hypot(y - heart[0], x - heart[1]) < 12] = brightness
    image[:, np.hypot(y - 15, x - 100) < 10] = 0.6
    image[0, 101, 21] = 1  # one voxel, too small to be found, gives every frame the same scale
    frame = sitk.GetImageFromArray((1000 * image).astype(np.int16))
    frame.SetSpacing((2.0, 2.0, 9.0))
    return Frame(frame, str(seed))


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
