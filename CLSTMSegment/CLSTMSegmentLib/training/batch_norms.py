"""Batch norms during training: statistics that are measured once and then kept."""

import torch

from ..network.unet import CLSTMUNet4D
from .stacks import TrainingStacks


def batch_norms(network: CLSTMUNet4D) -> list[torch.nn.BatchNorm3d]:
    """Return all batch norms of a network."""
    return [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm3d)]


def freeze_batch_norms(network: CLSTMUNet4D) -> None:
    """Put the network into train mode, but its batch norms into eval mode."""
    network.train()
    for norm in batch_norms(network):
        norm.eval()


@torch.no_grad()
def measure_batch_norms(network: CLSTMUNet4D, stacks: TrainingStacks, device: torch.device, batches: int) -> None:
    """Replace the running statistics by those of some batches with the current weights, and freeze them.

    Running statistics lag behind weights that still change fast (Wu and Johnson 2021, "Rethinking 'Batch' in
    BatchNorm", precise statistics).

    Args:
        batches: number of batches; the first ones of the stacks.
    """
    network.train()
    for norm in batch_norms(network):
        norm.reset_running_stats()
        norm.momentum = None  # so that the statistics are the plain mean over the batches
    for n in range(batches):
        network(stacks[n][0][:, :, None].to(device))
    freeze_batch_norms(network)
