"""The model that is taught: its grid fits what is annotated, and its weights begin with those of another model."""

import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.teaching.adapted_weights import adapted_weights
from CLSTMSegmentLib.teaching.taught_model import fitting_geometry, untaught_model
from CLSTMSegmentLib.teaching.teaching_job import teach
from conftest import smallModel
from model.published_state_dict import random_published_weights

from teaching.small_teaching import CPU, hook_training_set, stop_after

INNER, OUTER = smallModel().segments
EYE = Segment("x", "Eye", PALETTE[0])


@pytest.fixture
def published(tmp_path):
    """A published checkpoint (eksubin/CLSTM-Unet4D) with random weights."""
    torch.manual_seed(0)
    torch.save(random_published_weights(4, 1), tmp_path / "published.pth")
    return tmp_path / "published.pth"


def test_voxels_follow_what_is_annotated(hook, tmp_path):
    frames, truth = hook
    fine = sitk.Expand(frames[0].image, [4, 4, 1])
    labels = sitk.Expand(truth[0], [4, 4, 1], sitk.sitkNearestNeighbor)

    coarse_rule = fitting_geometry(hook_training_set(tmp_path / "job", hook, (0,)).annotations())
    fine_rule = fitting_geometry([(fine, labels)])

    assert coarse_rule.spacing == (3.0, 3.0, 3.0)  # the image's own: the hook spans few of its voxels
    assert fine_rule.spacing[0] == 3.0
    assert 0.75 < fine_rule.spacing[1] < 3.0


def test_published_checkpoint_is_a_beginning_and_what_is_kept_is_told(hook, published, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0,), initial=str(published))

    untaught = untaught_model(training_set, CPU)

    model = untaught.description
    assert "encoder, CLSTM and decoder without the last stage of the published checkpoint" in untaught.origin
    assert "the output for Hook is new" in untaught.origin
    assert model.network.width == 4
    assert model.network.classes == 2
    key = "down2.maxpool_conv.1.double_conv.0.weight"
    original = torch.load(published, weights_only=True)
    torch.testing.assert_close(untaught.weights[key].to(torch.float32), original[key].to(torch.float32))


def test_model_taught_from_a_published_checkpoint_segments_frames_of_any_size(hook, published, few_steps, tmp_path):
    training_set = hook_training_set(tmp_path / "job", hook, (0,), initial=str(published))

    result = teach(training_set.folder, tmp_path / "models", cancelled=stop_after(2))

    model = load_model(result.folder)
    assert model.geometry.patch is None
    assert model.geometry.crop is None
    assert model.network.last_stage == "none"
    assert (model.state.rule, model.state.warm_up_frames) == ("carry", 3)


def test_segments_that_the_initial_model_knows_are_kept(hook, tmp_path):
    initial = load_model("cardiac-cine-lv")
    cavity = initial.segments[0]
    training_set = hook_training_set(tmp_path / "job", hook, (0,), segments=(EYE, cavity), initial="cardiac-cine-lv")

    untaught = untaught_model(training_set, CPU)

    assert "the output for Left ventricular cavity is kept too; the output for Eye is new" in untaught.origin
    source = initial.build_network().state_dict()
    torch.testing.assert_close(untaught.weights["outc.conv.weight"][2], source["outc.conv.weight"][1])


def test_new_model_keeps_the_grid_and_the_licence_of_the_initial_one(hook, bundle, tmp_path):
    initial = load_model(bundle)
    training_set = hook_training_set(tmp_path / "job", hook, (0,), initial=str(bundle))

    model = untaught_model(training_set, CPU).description

    assert model.geometry == initial.geometry
    assert model.state == initial.state
    assert (model.licence, model.citation, model.modality) == (initial.licence, initial.citation, initial.modality)
    assert model.description == "Taught from 1 annotated frames: Hook."


@pytest.mark.parametrize(
    ("segments", "channels", "text"),
    [
        ((OUTER, INNER), {0: 0, 1: 2, 2: 1}, "the output for Outer, Inner is kept too."),
        ((INNER, EYE), {0: 0, 1: 1}, "the output for Inner is kept too; the output for Eye is new."),
        ((EYE,), {0: 0}, "its encoder, CLSTM and decoder; the output for Eye is new."),
    ],
)
def test_output_channels_are_kept_by_the_names_of_their_segments(segments, channels, text, bundle):
    source = load_model(bundle)
    torch.manual_seed(5)
    network = CLSTMUNet4D(source.network.__class__(classes=len(segments) + 1, width=2, last_stage="none"))
    fresh = {key: value.clone() for key, value in network.state_dict().items()}

    weights, origin = adapted_weights(source, fresh, segments)

    before = source.build_network().state_dict()
    assert origin.endswith(text)
    network.load_state_dict(weights)
    for key in ("outc.conv.weight", "outc.conv.bias"):
        for channel in range(len(segments) + 1):
            expected = before[key][channels[channel]] if channel in channels else fresh[key][channel]
            torch.testing.assert_close(weights[key][channel], expected, atol=0, rtol=0)
    torch.testing.assert_close(weights["inc.double_conv.0.weight"], before["inc.double_conv.0.weight"])


def test_output_of_a_model_with_a_sigmoid_is_not_kept(published):
    source = load_model(published)
    fresh = CLSTMUNet4D(source.network.__class__(classes=2, width=4, last_stage="none")).state_dict()

    weights, _ = adapted_weights(source, fresh, source.segments)

    torch.testing.assert_close(weights["outc.conv.weight"], fresh["outc.conv.weight"], atol=0, rtol=0)


def test_thin_stack_gets_a_flat_least_size(hook, tmp_path):
    rule = fitting_geometry(hook_training_set(tmp_path / "job", hook, (0,)).annotations())

    assert isinstance(rule, GeometryRule)
    assert rule.smallest == (16, 32, 32)
