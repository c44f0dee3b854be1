"""Widening: a wider network begins with the function of a narrower one, and its channels then differ."""

import pytest
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.training.widening import widened
from torch.nn import functional

from training.small_training import small_network


@pytest.mark.parametrize("times", [1, 2, 3])
def test_wider_network_computes_what_the_narrower_one_did(times):
    narrow, wide = small_network(), small_network(width=2 * times)

    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))

    stack = torch.rand(1, 3, 1, 8, 16, 16)
    torch.testing.assert_close(wide(stack), narrow(stack), atol=1e-5, rtol=1e-5)


def test_copies_of_a_channel_get_different_gradients():
    wide = small_network(width=4)
    wide.load_state_dict(widened(small_network().state_dict(), wide.state_dict()))

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
        widened(small_network().state_dict(), small_network(**other).state_dict())
