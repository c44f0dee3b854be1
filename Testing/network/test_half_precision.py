"""Half precision gives nearly the same probabilities as float32, and a batch gives what its tiles give."""

import pytest
import torch
from CLSTMSegmentLib.core.devices import has_bfloat16
from CLSTMSegmentLib.network.inference import inference_network
from CLSTMSegmentLib.network.options import NetworkOptions

from network.test_inference import network_with_batch_statistics

CPU = torch.device("cpu")
OPTIONS = [
    NetworkOptions(width=4, classes=3, last_stage="none", align_corners=False),
    NetworkOptions(width=8, classes=1),
]


@pytest.mark.skipif(not has_bfloat16(CPU), reason="this CPU does not compute in bfloat16")
@pytest.mark.parametrize("options", OPTIONS)
@torch.inference_mode()
def test_bfloat16_changes_probabilities_little_and_no_more_with_time(options):
    frames, found = torch.rand(12, 1, 1, 16, 32, 32, generator=torch.Generator().manual_seed(2)), {}
    for dtype in (torch.float32, torch.bfloat16):
        network, state, found[dtype] = inference_network(network_with_batch_statistics(options), CPU, dtype), None, []
        for frame in frames:
            logits, state = network.step(frame, state)
            found[dtype].append(logits.sigmoid())

    (h, c), *_ = state
    assert (logits.dtype, h.dtype, c.dtype) == (torch.float32, torch.bfloat16, torch.float32)
    errors = [(a - b).abs().max().item() for a, b in zip(*found.values(), strict=True)]
    assert 0 < max(errors) < 0.02
    assert max(errors[6:]) < 2 * max(errors[:6])


@pytest.mark.skipif(not has_bfloat16(CPU), reason="this CPU does not compute in bfloat16")
def test_weights_take_half_the_memory_in_half_precision():
    network = inference_network(network_with_batch_statistics(OPTIONS[1]), CPU, torch.bfloat16)

    sizes = {name: weight.itemsize for name, weight in network.named_parameters()}

    assert {name.split("network.")[1] for name, size in sizes.items() if size == 4} == {
        "inc.double_conv.0.weight",
        "inc.double_conv.0.bias",
        "outc.conv.weight",
        "outc.conv.bias",
    }


@pytest.mark.parametrize("options", OPTIONS)
@torch.inference_mode()
def test_batch_of_tiles_gives_what_each_of_them_gives(options):
    network = inference_network(network_with_batch_statistics(options), CPU)
    first, second = torch.rand(2, 3, 1, 16, 24, 33, generator=torch.Generator().manual_seed(2))

    logits, _ = network.step(second, network.update_state(first))

    for n in range(3):
        alone, _ = network.step(second[n : n + 1], network.update_state(first[n : n + 1]))
        torch.testing.assert_close(logits[n : n + 1], alone, atol=1e-5, rtol=1e-5)
