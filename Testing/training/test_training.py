"""Phantoms, sparse labels and training: what is not annotated teaches nothing, and a run can be resumed exactly."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.devices import has_bfloat16
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.model.bundle import load_model, write_bundle
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.phantoms.heart import HeartPhantom, heart_sequence
from CLSTMSegmentLib.training import trainer as train
from CLSTMSegmentLib.training.configuration import read_configuration
from CLSTMSegmentLib.training.labelled_hearts import load_hearts
from CLSTMSegmentLib.training.sparse_labels import UNKNOWN, Rim, allowed_classes, marginal_loss
from CLSTMSegmentLib.training.stacks import StackRule, TrainingStacks
from CLSTMSegmentLib.training.trainer import bfloat16_learns, stack_loss
from CLSTMSegmentLib.training.widening import widened
from conftest import REPOSITORY, smallModel
from torch.nn import functional

CONFIGURATION = REPOSITORY / "recipes" / "cardiac-cine-lv.toml"
CPU_INFO = Path("/proc/cpuinfo")
RULE = StackRule(
    frames=3,
    lead=2,
    labelled=1,
    batch=2,
    patches=((8, 24, 24),),
    phantom_share=1.0,
    cine_share=0.5,
    animated_share=0.0,
    corrupted_share=0.0,
)
MODEL = smallModel(geometry=GeometryRule(spacing=(8.0, 6.0, 6.0)))


def stacks(sequences=(), **changes):
    return TrainingStacks(list(sequences), HeartPhantom, MODEL, replace(RULE, **changes), seed=4)


def test_phantom_heart_beats_is_labelled_and_is_seeded():
    cine, truth = heart_sequence(5, frames=8, shape=(6, 48, 48), spacing=(10.0, 3.5, 3.5))
    cavity = [int((sitk.GetArrayViewFromImage(labels) == 1).sum()) for labels in truth]
    assert np.argmax(cavity) == 0
    assert min(cavity) < 0.9 * max(cavity)
    assert np.argmin(cavity) in (2, 3, 4)
    direction = np.array(cine[0].image.GetDirection()).reshape(3, 3)
    assert np.abs(direction).max() < 0.99
    again = heart_sequence(5, frames=8, shape=(6, 48, 48), spacing=(10.0, 3.5, 3.5))[0]
    for a, b in zip(cine, again, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(a.image), sitk.GetArrayViewFromImage(b.image))
    assert np.any(sitk.GetArrayViewFromImage(cine[0].image) != sitk.GetArrayViewFromImage(cine[1].image))


def test_class_that_was_not_drawn_may_be_anywhere_that_is_not_labelled():
    labels = np.array([0, 1, 0], np.uint8)
    assert allowed_classes(labels, [1], 3).tolist() == [0b101, 0b010, 0b101]
    assert allowed_classes(labels, [1, 2], 3).tolist() == [0b001, 0b010, 0b001]


def test_rim_is_known_near_the_inner_class_and_excluded_far_from_it_within_slices():
    labels = np.zeros((2, 41, 41), np.uint8)
    labels[0, 18:23, 18:23] = 1
    allowed = allowed_classes(labels, [1], 3)
    allowed[0, 20, 24] = UNKNOWN
    Rim(inner=1, outer=2, from_mm=3.0, to_mm=5.0, most_mm=20.0).apply(allowed, (8.0, 2.0, 2.0))
    assert allowed[0, 20, 20] == 0b010
    assert allowed[0, 20, 17] == 0b101  # 2 mm
    assert allowed[0, 20, 16] == 0b100  # 4 mm
    assert allowed[0, 20, 15] == 0b101  # 6 mm
    assert allowed[0, 20, 2] == 0b001  # 32 mm
    assert allowed[0, 20, 24] == UNKNOWN
    assert (allowed[1] == 0b101).all()  # nothing is known in a slice without the inner class


def test_loss_is_blind_to_what_was_not_annotated():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 4, 4)
    labels = np.zeros((1, 4, 4, 4), np.uint8)
    labels[:, :2] = 1
    allowed = torch.from_numpy(allowed_classes(labels, [1], 3))
    allowed[:, :, :, 3] = UNKNOWN
    loss = marginal_loss(logits, allowed)
    changed = logits.clone()
    changed[..., 3] = torch.randn(1, 3, 4, 4)  # unknown voxels
    torch.testing.assert_close(marginal_loss(changed, allowed), loss)
    changed = logits.clone()  # which of the classes that were not told apart is likelier
    p = changed.softmax(1)
    swapped = p[:, [2, 1, 0]]
    rest = (allowed == 0b101)[:, None]
    torch.testing.assert_close(marginal_loss(torch.where(rest, swapped, p).log(), allowed), loss)
    changed = logits.clone()
    changed[:, 1, 2:] += 5  # cavity where there is none
    assert marginal_loss(changed, allowed) > loss


def test_loss_of_a_perfect_answer_is_nearly_nothing():
    labels = np.random.default_rng(0).integers(0, 3, (1, 8, 16, 16)).astype(np.uint8)
    logits = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 3).movedim(-1, 1) * 30.0
    assert marginal_loss(logits, torch.from_numpy(allowed_classes(labels, [1, 2], 3))) < 1e-3


def test_class_that_nobody_drew_adds_no_dice_loss():
    labels = np.zeros((1, 8, 16, 16), np.uint8)
    labels[:, :, 4:12, 4:12] = 1
    logits = torch.stack([torch.from_numpy(labels == c) for c in range(3)], 1) * 7.0
    logits[:, 2] = 0  # a little of the other class everywhere
    assert marginal_loss(logits, torch.from_numpy(allowed_classes(labels, [1], 3))) < 0.02


def test_stacks_depend_on_seed_and_number_alone_and_keep_labels_of_some_frames():
    images, allowed = stacks()[7]
    assert images.shape == allowed.shape
    assert images.shape[0] == 2
    assert 3 <= images.shape[1] <= 5
    assert images.shape[2:] == (8, 24, 24)
    labelled = (allowed != UNKNOWN).any(dim=(0, 2, 3, 4))
    assert labelled.sum() == 1
    assert not labelled[:-3].any()
    torch.testing.assert_close(stacks()[7], (images, allowed), atol=0, rtol=0)
    assert not torch.equal(stacks()[8][0][:, -1], images[:, -1])


def test_larger_patches_come_in_smaller_batches():
    sizes = {tuple(stacks(batch=8, patches=((8, 16, 16), (8, 32, 32)))[n][0].shape[::2]) for n in range(6)}
    assert {(8, 8, 16), (2, 8, 32)} == sizes


def test_some_frames_of_a_stack_are_spoiled_and_keep_their_labels():
    whole, spoiled = stacks()[7], stacks(corrupted_share=1.0)[7]
    torch.testing.assert_close(spoiled[1], whole[1], atol=0, rtol=0)
    assert ((spoiled[0] - whole[0]).abs().mean(dim=(2, 3, 4)) > 0.02).all()


def test_one_annotated_frame_beats_and_every_frame_of_the_beat_has_labels(hearts):
    configuration = read_configuration(small_configuration(hearts, 2))
    sequences = load_hearts(hearts, configuration.model.geometry, configuration.model.intensity)
    phases = [s for s in sequences if len(s.frames) == 1]
    images, allowed = stacks(phases, phantom_share=0.0, animated_share=1.0, labelled=3, frames=3, lead=0)[0]
    cavity = (allowed == 0b010).sum(dim=(2, 3, 4))
    assert (cavity > 0).all()
    assert len(set(cavity[0].tolist())) > 1
    assert not torch.equal(images[0, 0], images[0, 1])


def test_frames_before_the_last_ones_change_the_loss_but_get_no_gradient():
    network = smallModel().build_network()
    images, allowed = next(item for item in map(stacks().__getitem__, range(20)) if item[0].shape[1] > RULE.frames)
    images.requires_grad_()
    loss = stack_loss(network, images, allowed, RULE.frames)
    loss.backward()
    lead = images.shape[1] - RULE.frames
    assert images.grad[:, :lead].abs().sum() == 0
    assert images.grad[:, lead:].abs().sum() > 0
    other = images.detach().clone()
    other[:, :lead] = 1 - other[:, :lead]
    assert stack_loss(network, other, allowed, RULE.frames).item() != pytest.approx(loss.item(), abs=1e-7)


def small_configuration(folder, iterations, width=2):
    """The bundled model's training file, made small: two stages of so many iterations each."""
    wanted = {
        "validation": '["A"]',
        "test": '["B"]',
        "lead": "1",
        "patches": "[[8, 24, 24]]",
        "iterations": iterations,
        "validate_every": 2,
        "norms_frozen_from": 3,
        "width": width,
        "spacing": "[8.0, 6.0, 6.0]",
    }
    lines = []
    for line in CONFIGURATION.read_text(encoding="utf-8").splitlines():
        key = line.split(" = ")[0]
        lines.append(f"{key} = {wanted[key]}" if key in wanted else line)
    path = folder / f"small-{iterations}-{width}.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def network(**changes):
    torch.manual_seed(0)
    return CLSTMUNet4D(**{"in_channels": 1, "classes": 3, "width": 2, "last_stage": "none"} | changes).eval()


@pytest.mark.skipif(not CPU_INFO.exists(), reason="Linux alone lists what a processor can do in a file")
def test_mixed_precision_is_for_processors_that_have_it():
    flags = CPU_INFO.read_text(encoding="utf-8").split()
    assert has_bfloat16(torch.device("cpu")) == ("avx512_bf16" in flags or "amx_bf16" in flags)


@pytest.mark.parametrize("error", [0.0, 1e3, float("nan")])
def test_mixed_precision_that_loses_a_gradient_is_found_out(error, monkeypatch):
    network = CLSTMUNet4D(1, 3, 4, last_stage="none")

    def loss(network, images, allowed, frames, bfloat16):
        exact = stack_loss(network, images, allowed, frames)
        lost = network.down2.maxpool_conv[1].double_conv[0].weight if bfloat16 else torch.zeros(1)
        return exact - (exact.detach() * error * lost).sum()

    monkeypatch.setattr(train, "stack_loss", loss)
    assert bfloat16_learns(network, ((8, 24, 24), (8, 32, 32)), torch.device("cpu")) is (error == 0)
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize("times", [1, 2, 3])
def test_wider_network_computes_what_the_narrower_one_did(times):
    narrow, wide = network(), network(width=2 * times)
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    stack = torch.rand(1, 3, 1, 8, 16, 16)
    torch.testing.assert_close(wide(stack), narrow(stack), atol=1e-5, rtol=1e-5)


def test_copies_of_a_channel_go_their_own_ways():
    wide = network(width=4)
    wide.load_state_dict(widened(network().state_dict(), wide.state_dict()))
    wide(torch.rand(1, 2, 1, 8, 16, 16)).square().mean().backward()
    gradient = wide.down1.maxpool_conv[1].double_conv[0].weight.grad
    first, second = gradient.flatten(1).unflatten(0, (4, 2)).unbind(1)
    assert functional.cosine_similarity(first, second).max() < 0.99


@pytest.mark.parametrize(
    "other",
    [{"width": 3}, {"width": 1}, {"classes": 1}, {"classes": 6}, {"in_channels": 2}, {"last_stage": "published"}],
)
def test_weights_that_do_not_fit_cannot_be_widened(other):
    with pytest.raises(InputError, match="the weights to begin with"):
        widened(network().state_dict(), network(**other).state_dict())


def test_annotated_slices_and_classes_alone_are_known(hearts):
    configuration = read_configuration(small_configuration(hearts, 2))
    sequences = load_hearts(hearts, configuration.model.geometry, configuration.model.intensity)
    assert {s.name for s in sequences} == {"SC-HF-I-01", "A", "B"}
    cine = next(s for s in sequences if len(s.frames) == 4)
    assert list(cine.allowed) == [0]
    known = (cine.allowed[0] != UNKNOWN).any(axis=(1, 2))
    assert np.flatnonzero(known).tolist() == [2, 3, 4, 5]
    assert set(np.unique(cine.allowed[0])) == {0b001, 0b010, 0b100, UNKNOWN}
    phase = next(s for s in sequences if len(s.frames) == 1)
    assert set(np.unique(phase.allowed[0])) == {0b101, 0b010}


def test_folder_without_labelled_hearts_is_refused_in_words(tmp_path, capsys):
    configuration = small_configuration(tmp_path, 2)
    assert main(["train", str(configuration), "--data", str(tmp_path / "empty"), "--out", str(tmp_path / "run")]) == 2
    assert "no labelled hearts" in capsys.readouterr().err


def test_hearts_in_one_folder_and_of_any_name_can_be_learnt_from(hearts, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(hearts / "sunnybrook", own)
    (own / "SCD0000101.seq.nrrd").rename(own / "mine.seq.nrrd")
    labels = json.loads((own / "labels.json").read_text(encoding="utf-8"))
    (own / "labels.json").write_text(json.dumps({"mine": labels["SCD0000101"]}), encoding="utf-8")
    model = read_configuration(small_configuration(tmp_path, 2)).model
    (sequence,) = load_hearts(own, model.geometry, model.intensity)
    assert sequence.name == "mine"


def test_training_interrupted_and_resumed_is_training_in_one_go(hearts, tmp_path):
    def train(iterations, out, *options):
        configuration = small_configuration(tmp_path, iterations)
        arguments = ["train", str(configuration), "--data", str(hearts), "--out", str(out), "--device", "cpu"]
        return main([*arguments, *options])

    assert train(4, tmp_path / "whole") == 0
    assert train(4, tmp_path / "whole") == 2  # a second training must not overwrite the first
    # the schedule depends on the number of iterations: the interruption comes from outside
    interrupt_after(6, lambda: train(4, tmp_path / "parts"))
    assert train(4, tmp_path / "parts", "--resume") == 0
    whole, parts = (load_model(tmp_path / run / "cardiac-cine-lv").build_network() for run in ("whole", "parts"))
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[key], value, atol=1e-6, rtol=1e-5)
    model = load_model(tmp_path / "whole" / "cardiac-cine-lv")
    assert model.training["trained_on"] == ["SC-HF-I-01"]
    assert model.training["kept_for_test"] == ["B"]
    log = (tmp_path / "parts" / "log.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in log[1:]] == ["2", "4", "6", "8", "10", "12"]  # three stages
    # another training goes on from the end of the first stage, and comes to the same
    assert train(4, tmp_path / "branch", "--start", str(tmp_path / "whole" / "stage-1.pt")) == 0
    branch = load_model(tmp_path / "branch" / "cardiac-cine-lv").build_network()
    torch.testing.assert_close(
        branch.state_dict(), load_model(tmp_path / "whole" / "cardiac-cine-lv").build_network().state_dict()
    )
    assert train(4, tmp_path / "other", "--start", str(tmp_path / "no.pt")) == 2


def test_training_can_begin_with_what_a_narrower_model_learnt(hearts, bundle, tmp_path):
    wide = small_configuration(tmp_path, 4, width=4)
    arguments = ["train", str(wide), "--data", str(hearts), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*arguments, "--initial", str(bundle)]) == 2  # its convolutions have biases
    narrow = replace(MODEL, network={"in_channels": 1, "classes": 3, "width": 2, "lstm_layers": 1})
    narrow.network.update(last_stage="none", conv_bias=False)
    write_bundle(narrow, CLSTMUNet4D(**narrow.network).state_dict(), tmp_path / "narrow")
    assert main([*arguments, "--initial", str(tmp_path / "narrow")]) == 0
    assert load_model(tmp_path / "run" / "cardiac-cine-lv").training["began_with"] == "small, version 1"


def test_training_file_can_say_only_what_differs_from_another(tmp_path):
    (tmp_path / "whole.toml").write_text(CONFIGURATION.read_text(encoding="utf-8"), encoding="utf-8")
    text = 'like = "whole.toml"\n[data]\ntest = ["A"]\n[model.network]\nwidth = 4\n'
    (tmp_path / "part.toml").write_text(text, encoding="utf-8")
    whole, part = (read_configuration(tmp_path / name) for name in ("whole.toml", "part.toml"))
    assert part.test == ("A",)
    assert part.model.network == whole.model.network | {"width": 4}
    assert replace(part, test=whole.test, model=whole.model) == whole
    (tmp_path / "lost.toml").write_text('like = "nowhere.toml"', encoding="utf-8")
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read"):
        read_configuration(tmp_path / "lost.toml")


def test_every_training_file_can_be_read():
    files = sorted(CONFIGURATION.parent.glob("*.toml"))
    assert [read_configuration(file).model.name for file in files] == [file.stem for file in files]


def test_small_and_large_hearts_count_alike_in_a_batch():
    """A small heart that is missed costs as much beside a large one as alone."""
    allowed = torch.zeros(2, 8, 8, 8, dtype=torch.uint8) + 1
    allowed[0, 3:5, 3:5, 3:5] = 1 << 1
    allowed[1, 1:7, 1:7, 1:7] = 1 << 1
    right = functional.one_hot((allowed == 2).long(), 2).movedim(-1, 1) * 60.0
    missed = right.clone()
    missed[0] = torch.tensor([60.0, 0.0])[:, None, None, None]
    cross_entropy = 60.0 * 8 / allowed.numel()
    loss = marginal_loss(missed, allowed) - marginal_loss(right, allowed) - cross_entropy
    assert loss == pytest.approx(0.5 * (1 - 1 / 9), abs=1e-3)


def interrupt_after(iterations, run):
    """Run until the checkpoint of that iteration is written, then break off as a kill would."""
    from CLSTMSegmentLib.training import trainer as training

    class Killed(BaseException):
        pass

    original = training._log

    def log_then_die(path, iteration, *rest):
        original(path, iteration, *rest)
        if iteration == iterations:
            raise Killed

    training._log = log_then_die
    try:
        with pytest.raises(Killed):
            run()
    finally:
        training._log = original


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('test = ["SC-HF-I-04"', 'test = ["SC-HF-I-12"', "SC-HF-I-12 cannot be for validation and for test"),
        ("validate_every = ", "validate_evry = ", "not a complete training file"),
        ('phantom = "heart"', 'phantom = "hart"', "not a complete training file"),
        ("iterations = ", "itterations = ", "not a complete training file"),
        ("[training]", "[training", "not valid TOML"),
        ('activation = "softmax"', 'activation = "sigmoid"', "need a network of 2 classes"),
    ],
)
def test_training_file_that_cannot_be_used_is_refused_with_its_reason(tmp_path, old, new, message):
    text = CONFIGURATION.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "bad.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_configuration(tmp_path / "bad.toml")
