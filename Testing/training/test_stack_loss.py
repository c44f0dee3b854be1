"""The loss of a stack: gradients flow through its last frames only; mixed precision is tried before it is used."""

from pathlib import Path

import pytest
import torch
from CLSTMSegmentLib.core.devices import has_bfloat16
from CLSTMSegmentLib.training import stack_loss as stack_loss_module
from CLSTMSegmentLib.training.deep_supervision import SupervisionHeads
from CLSTMSegmentLib.training.stack_loss import bfloat16_learns, stack_loss
from conftest import smallModel

from training.small_training import CPU, RULE, small_network, stacks

CPU_INFO = Path("/proc/cpuinfo")


def test_frames_before_the_last_ones_change_the_loss_but_get_no_gradient():
    network = smallModel().build_network()
    images, allowed = next(item for item in map(stacks().__getitem__, range(20)) if item[0].shape[1] > RULE.frames)
    images.requires_grad_()
    lead = images.shape[1] - RULE.frames

    loss = stack_loss(network, images, allowed, RULE.frames)
    loss.backward()
    other = images.detach().clone()
    other[:, :lead] = 1 - other[:, :lead]

    assert images.grad[:, :lead].abs().sum() == 0
    assert images.grad[:, lead:].abs().sum() > 0
    assert stack_loss(network, other, allowed, RULE.frames).item() != pytest.approx(loss.item(), abs=1e-7)


@pytest.mark.skipif(not CPU_INFO.exists(), reason="Linux alone lists what a processor can do in a file")
def test_mixed_precision_is_for_processors_that_have_it():
    flags = CPU_INFO.read_text(encoding="utf-8").split()

    assert has_bfloat16(CPU) == ("avx512_bf16" in flags or "amx_bf16" in flags)


@pytest.mark.parametrize("error", [0.0, 1e3, float("nan")])
def test_mixed_precision_that_loses_a_gradient_is_found_out(error, monkeypatch):
    network = small_network(width=4).train()

    def loss(network, images, allowed, frames, bfloat16):
        exact = stack_loss(network, images, allowed, frames)
        lost = network.down2.maxpool_conv[1].double_conv[0].weight if bfloat16 else torch.zeros(1)
        return exact - (exact.detach() * error * lost).sum()

    monkeypatch.setattr(stack_loss_module, "stack_loss", loss)

    assert bfloat16_learns(network, ((8, 24, 24), (8, 32, 32)), CPU) is (error == 0)
    assert all(weight.grad is None for weight in network.parameters())


def test_coarse_stages_of_the_decoder_are_trained_too_where_there_are_heads():
    network, heads = small_network(), SupervisionHeads(small_network().options)
    images, allowed = stacks(lead=0, frames=1)[0]

    plain = stack_loss(network, images, allowed, 1)
    supervised = stack_loss(network, images, allowed, 1, heads=heads)
    supervised.backward()

    assert supervised > plain
    assert all(weight.grad.abs().sum() > 0 for weight in heads.parameters())
