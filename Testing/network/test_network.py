"""The network and published checkpoints, against a plain computation from the equations."""

import pytest
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.model.bundle import load_model, write_bundle
from CLSTMSegmentLib.model.published import network_options
from CLSTMSegmentLib.model.weights import load_weights
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from model import published_state_dict as published


def network_from(tensors):
    network = CLSTMUNet4D(**network_options(tensors))
    load_weights(network, tensors, "test")
    return network.eval()


@pytest.mark.parametrize(
    ("width", "classes", "layers", "size"),
    [(8, 1, 1, (16, 24, 16)), (8, 3, 2, (17, 19, 22)), (64, 1, 1, (16, 16, 16)), (64, 3, 1, (8, 16, 9))],
)
@torch.inference_mode()
def test_published_state_dict_gives_what_its_equations_say_by_stack_and_by_step(width, classes, layers, size):
    torch.manual_seed(width + classes)
    tensors = published.state_dict(width, classes, layers)
    network = network_from(tensors)
    stack = torch.rand(1, 3, 1, *size)
    expected = published.forward(tensors, stack)
    torch.testing.assert_close(network(stack), expected, atol=1e-5, rtol=1e-5)
    state = None
    for t in range(3):
        logits, state = network.step(stack[:, t], state)
        torch.testing.assert_close(logits, expected[:, t], atol=1e-5, rtol=1e-5)
    assert network.state_dict().keys() == tensors.keys()


@torch.inference_mode()
def test_network_without_the_last_stage_ends_after_up3():
    torch.manual_seed(5)
    tensors = {k: v for k, v in published.state_dict(4, 2).items() if not k.startswith("up4")}
    stack = torch.rand(1, 2, 1, 16, 24, 16)
    torch.testing.assert_close(network_from(tensors)(stack), published.forward(tensors, stack), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_remembering_a_frame_leaves_the_state_that_a_step_leaves():
    torch.manual_seed(6)
    network = CLSTMUNet4D(width=2, last_stage="none").eval()
    first, second = torch.rand(2, 1, 1, 8, 16, 16)
    _, state = network.step(first)
    _, stepped = network.step(second, state)
    torch.testing.assert_close(network.update_state(second, network.update_state(first)), stepped, atol=0, rtol=0)


def test_published_file_becomes_a_model_with_its_training_handling(tmp_path):
    torch.manual_seed(7)
    torch.save(published.state_dict(2, 3), tmp_path / "trained.pth")
    model = load_model(tmp_path / "trained.pth")
    assert model.geometry.patch == (64, 64, 64)
    assert (model.geometry.axes, model.geometry.spacing, model.geometry.crop) == (None, None, "foreground")
    assert (model.intensity.scale, model.intensity.over, model.intensity.zero_below) == ("min-max", "stack", 0.08)
    assert (model.time.rule, model.time.window, model.time.prime) == ("window", 5, 0)
    assert [s.id for s in model.segments] == ["segment-1", "segment-2", "segment-3"]
    again = write_bundle(model, model.weights, tmp_path / "bundle")
    assert again == load_model(tmp_path / "bundle")
    for key, value in again.build_network().state_dict().items():
        torch.testing.assert_close(value, model.weights[key], atol=0, rtol=0)


class Malicious:
    def __reduce__(self):
        import os

        return (os.mkdir, ("executed",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (published.state_dict(2, 1, bilinear=False), "bilinear=False"),
        ({"a": torch.zeros(1)}, "has no inc.double_conv.0.weight"),
        ({"a": Malicious()}, "could run code"),
        ([torch.zeros(1)], "not a state dict"),
        (published.state_dict(2, 1) | {"up1.conv.double_conv.0.weight": torch.zeros(9, 9, 3, 3, 3)}, "do not fit"),
        (published.state_dict(2, 1) | {"outc.conv.bias": torch.tensor([float("nan")])}, "not finite"),
    ],
)
def test_checkpoint_that_cannot_be_used_is_refused_with_its_reason(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "bad.pth")
    with pytest.raises(InputError, match=message):
        load_model("bad.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"PK\x03\x04 broken archive"])
def test_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.pth"):
        load_model(tmp_path / "bad.pth")
    with pytest.raises(InputError, match="no such file"):
        load_model(tmp_path / "missing.pth")
