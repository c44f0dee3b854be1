"""Published checkpoints (eksubin/CLSTM-Unet4D): imported as models, or refused with a reason."""

import os
import zipfile

import pytest
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.model.bundle import load_model, write_bundle

from model.published_state_dict import random_published_weights


@pytest.fixture
def checkpoint(tmp_path):
    """The file of a published checkpoint of width 2 with 3 classes."""
    torch.manual_seed(7)
    torch.save(random_published_weights(2, 3), tmp_path / "trained.pth")
    return tmp_path / "trained.pth"


def test_published_checkpoint_becomes_a_model_with_the_rules_of_its_training(checkpoint):
    model = load_model(checkpoint)

    assert model.geometry.patch == (64, 64, 64)
    assert (model.geometry.axes, model.geometry.spacing, model.geometry.crop) == (None, None, "foreground")
    assert (model.intensity.scale, model.intensity.over, model.intensity.zero_below) == ("min-max", "stack", 0.08)
    assert (model.state.rule, model.state.window, model.state.warm_up_frames) == ("window", 5, 0)
    assert [segment.id for segment in model.segments] == ["segment-1", "segment-2", "segment-3"]


def test_bundle_of_a_published_checkpoint_is_the_same_model(checkpoint, tmp_path):
    model = load_model(checkpoint)

    bundled = write_bundle(model, model.weights, tmp_path / "bundle")

    assert bundled == load_model(tmp_path / "bundle")
    for key, value in bundled.build_network().state_dict().items():
        torch.testing.assert_close(value, model.weights[key], atol=0, rtol=0)


class Malicious:
    """An object that makes a folder when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("executed",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (random_published_weights(2, 1, bilinear=False), "bilinear=False"),
        ({"a": torch.zeros(1)}, "has no inc.double_conv.0.weight"),
        ({"a": Malicious()}, "could run code"),
        ([torch.zeros(1)], "not a state dict"),
        (random_published_weights(2, 1) | {"up1.conv.double_conv.0.weight": torch.zeros(9, 9, 3, 3, 3)}, "do not fit"),
        (random_published_weights(2, 1) | {"outc.conv.bias": torch.tensor([float("nan")])}, "not finite"),
        (random_published_weights(2, 1) | {"a": torch.zeros(2, dtype=torch.complex64)}, "plain tensors"),
        (random_published_weights(2, 1) | {"a": torch.eye(2).to_sparse()}, "plain tensors"),
        (random_published_weights(2, 1) | {"a": torch.zeros(2, device="meta")}, "plain tensors"),
        (random_published_weights(2, 1) | {5: torch.zeros(2)}, "plain tensors"),
        ({"inc.double_conv.0.weight": torch.zeros(1).expand(512, 512, 3, 3, 3)}, "larger than the file"),
    ],
)
def test_checkpoint_that_cannot_be_used_is_refused_with_its_reason(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "bad.pth")

    with pytest.raises(InputError, match=message):
        load_model("bad.pth")

    assert not (tmp_path / "executed").exists()


def test_checkpoint_that_unpacks_to_more_than_its_size_is_refused_unread(tmp_path):
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "flat.pth")
    with zipfile.ZipFile(tmp_path / "flat.pth") as flat, zipfile.ZipFile(tmp_path / "bad.pth", "w", 8) as packed:
        for member in flat.namelist():
            packed.writestr(member, flat.read(member))

    with pytest.raises(InputError, match=r"bad\.pth: not loaded, since it unpacks to more than its size"):
        load_model(tmp_path / "bad.pth")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"PK\x03\x04 broken archive"])
def test_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "bad.pth").write_bytes(content)

    with pytest.raises(InputError, match=r"bad\.pth"):
        load_model(tmp_path / "bad.pth")


def test_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_model(tmp_path / "missing.pth")
