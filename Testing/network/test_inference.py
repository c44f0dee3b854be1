"""Fast inference gives what the plain network gives, and skips what nobody reads."""

import pytest
import torch
from CLSTMSegmentLib.network import inference
from CLSTMSegmentLib.network.inference import inference_network
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D

SLICES_APART = {"kernels": ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)), "poolings": ((1, 2, 2),) * 3}
MIXED = {
    "kernels": ((1, 1, 5), (3, 1, 3), (1, 3, 3), (3, 5, 1)),
    "poolings": ((1, 2, 2), (2, 1, 2), (2, 2, 1)),
}


def network_with_batch_statistics(options):
    """Return a network in eval mode with random weights, whose batch norms have seen some stacks."""
    torch.manual_seed(1)
    network = CLSTMUNet4D(options)
    for _ in range(3):
        network(torch.rand(1, 2, options.in_channels, 16, 24, 24) ** 2)
    return network.eval()


@pytest.mark.parametrize(
    "options",
    [
        NetworkOptions(width=4, classes=3, last_stage="none", conv_bias=False),
        NetworkOptions(width=8, classes=1, last_stage="published"),
        NetworkOptions(width=2, classes=2, last_stage="none", lstm_layers=2),
        NetworkOptions(width=4, classes=2, last_stage="none", align_corners=False),
        NetworkOptions(width=4, classes=2, last_stage="none", align_corners=False, **SLICES_APART),
        NetworkOptions(width=4, classes=2, last_stage="none", **MIXED),
    ],
)
@pytest.mark.parametrize("size", [(16, 32, 32), (9, 17, 42), (8, 8, 8), (40, 33, 32)])
@pytest.mark.parametrize("slab_bytes", [2**10, 2**30])
@torch.inference_mode()
def test_inference_network_gives_the_same_probabilities_and_states(options, size, slab_bytes, monkeypatch):
    monkeypatch.setitem(inference.SLAB_BYTES, "cpu", slab_bytes)
    monkeypatch.setattr(inference, "WEIGHTS_PER_CHUNK", 5000)
    network = network_with_batch_statistics(options)
    frames = torch.rand(3, 1, 1, *size, generator=torch.Generator().manual_seed(2))
    expected, state = [], None
    for frame in frames:
        logits, state = network.step(frame, state)
        expected.append((logits.sigmoid(), state))

    fast, state, found = inference_network(network, torch.device("cpu")), None, []
    for frame in frames:
        logits, state = fast.step(frame, state)
        found.append((logits.sigmoid(), state))

    assert not any(isinstance(module, torch.nn.BatchNorm3d) for module in fast.modules())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_state_is_updated_as_by_a_step():
    network = network_with_batch_statistics(NetworkOptions(width=2, last_stage="none"))
    fast = inference_network(network, torch.device("cpu"))
    first, second = torch.rand(2, 1, 1, 8, 16, 16)

    updated = fast.update_state(second, fast.update_state(first))

    _, state = fast.step(first)
    _, state = fast.step(second, state)
    torch.testing.assert_close(updated, state, atol=0, rtol=0)


@torch.inference_mode()
def test_stages_before_the_published_last_one_compute_only_the_central_part_that_it_enlarges(monkeypatch):
    network = network_with_batch_statistics(NetworkOptions(width=2))
    fast = inference_network(network, torch.device("cpu"))
    voxels = {}
    padded = inference.OneDNNConv3d.padded

    def counting(conv, x, padding):
        result = padded(conv, x, padding)
        voxels[conv] = voxels.get(conv, 0) + result[0, 0].numel()
        return result

    monkeypatch.setattr(inference.OneDNNConv3d, "padded", counting)

    fast.step(torch.rand(1, 1, 64, 64, 64))

    sizes = {"up2": 32, "up3": 64, "up4": 64}
    shares = {name: voxels[getattr(network, name).conv.double_conv[2]] / size**3 for name, size in sizes.items()}
    assert shares["up4"] == 1
    assert shares["up3"] < 0.2
    assert shares["up2"] < 0.4
