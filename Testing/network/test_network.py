"""The network, against a direct computation from its equations."""

import pytest
import torch
from CLSTMSegmentLib.model.published import network_options
from CLSTMSegmentLib.model.weights import load_weights
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from model.published_state_dict import published_logits, random_published_weights


def network_from(tensors):
    network = CLSTMUNet4D(network_options(tensors))
    load_weights(network, tensors, "test")
    return network.eval()


@pytest.mark.parametrize(
    ("width", "classes", "layers", "size"),
    [(8, 1, 1, (16, 24, 16)), (8, 3, 2, (17, 19, 22)), (64, 1, 1, (16, 16, 16)), (64, 3, 1, (8, 16, 9))],
)
@torch.inference_mode()
def test_published_weights_give_the_logits_of_the_equations_by_stack_and_by_step(width, classes, layers, size):
    torch.manual_seed(width + classes)
    tensors = random_published_weights(width, classes, layers)
    stack = torch.rand(1, 3, 1, *size)

    network, state, by_step = network_from(tensors), None, []
    for frame in stack.unbind(1):
        logits, state = network.step(frame, state)
        by_step.append(logits)

    expected = published_logits(tensors, stack)
    torch.testing.assert_close(network(stack), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.stack(by_step, 1), expected, atol=1e-5, rtol=1e-5)
    assert network.state_dict().keys() == tensors.keys()


@torch.inference_mode()
def test_network_without_the_last_stage_ends_after_up3():
    torch.manual_seed(5)
    tensors = {key: value for key, value in random_published_weights(4, 2).items() if not key.startswith("up4")}
    stack = torch.rand(1, 2, 1, 16, 24, 16)

    logits = network_from(tensors)(stack)

    torch.testing.assert_close(logits, published_logits(tensors, stack), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_state_is_updated_as_by_a_step():
    torch.manual_seed(6)
    network = CLSTMUNet4D(NetworkOptions(width=2, last_stage="none")).eval()
    first, second = torch.rand(2, 1, 1, 8, 16, 16)

    updated = network.update_state(second, network.update_state(first))

    _, state = network.step(first)
    _, state = network.step(second, state)
    torch.testing.assert_close(updated, state, atol=0, rtol=0)
