"""The network made ready to run says what the plain one says."""

import pytest
import torch
from CLSTMSegmentLib.network import inference
from CLSTMSegmentLib.network.inference import inference_network
from CLSTMSegmentLib.network.unet import CLSTMUNet4D


def used(**options):
    """A network whose batch norms have seen something."""
    torch.manual_seed(1)
    network = CLSTMUNet4D(**options)
    for _ in range(3):
        network(torch.rand(1, 2, options.get("in_channels", 1), 16, 24, 24) ** 2)
    return network.eval()


@pytest.mark.parametrize(
    "options",
    [
        {"width": 4, "classes": 3, "last_stage": "none", "conv_bias": False},
        {"width": 8, "classes": 1, "last_stage": "published"},
        {"width": 2, "classes": 2, "last_stage": "none", "lstm_layers": 2},
    ],
)
@pytest.mark.parametrize("size", [(16, 32, 32), (9, 17, 42), (8, 8, 8), (40, 33, 32)])
@pytest.mark.parametrize("slab_bytes", [2**10, 2**30])
@torch.inference_mode()
def test_network_made_ready_gives_the_same_probabilities_and_memory(options, size, slab_bytes, monkeypatch):
    monkeypatch.setitem(inference.SLAB_BYTES, "cpu", slab_bytes)
    monkeypatch.setattr(inference, "WEIGHTS_PER_CHUNK", 5000)
    network = used(**options)
    plain, state = [], None
    for frame in torch.rand(3, 1, 1, *size, generator=torch.Generator().manual_seed(2)):
        logits, state = network.step(frame, state)
        plain.append((frame, logits.sigmoid(), state))
    ready, state = inference_network(network, torch.device("cpu")), None
    assert not any(isinstance(module, torch.nn.BatchNorm3d) for module in ready.modules())
    for frame, expected, memory in plain:
        logits, state = ready.step(frame, state)
        torch.testing.assert_close(logits.sigmoid(), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(state, memory, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_published_last_stage_costs_little_of_the_stages_whose_middle_it_enlarges():
    """Voxels that the stages before it convolve, of those that they have."""
    network, convolved = used(width=2, classes=1), {}
    ready = inference_network(network, torch.device("cpu"))
    for name in ("up1", "up2", "up3", "up4"):
        conv = getattr(network, name).conv.double_conv[2]
        padded = conv.padded

        def counted(x, padding, name=name, padded=padded):
            result = padded(x, padding)
            convolved[name] = convolved.get(name, 0) + result[0, 0].numel()
            return result

        conv.padded = counted
    ready.step(torch.rand(1, 1, 64, 64, 64))
    shares = {
        name: convolved[name] / n**3 for name, n in zip(("up1", "up2", "up3", "up4"), (16, 32, 64, 64), strict=True)
    }
    assert shares["up4"] == 1
    assert shares["up3"] < 0.2
    assert shares["up2"] < 0.4
