"""Widening: weights of a narrower network for a wider one that computes the same."""

import torch
from torch import Tensor

from ..core.errors import InputError


def widened(weights: dict[str, Tensor], like: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Return weights of a narrower network for a wider one that computes the same (Chen et al. 2016, "Net2Net").

    Each channel becomes several equal ones side by side, so that their order survives concatenations and the gates of
    a CLSTM cell. The weight of a channel in the next layer is divided among its copies at random: with equal shares
    the copies would get equal gradients and would never differ.

    Args:
        weights: state dict of the narrower network.
        like: state dict of the wider network, for its names and shapes; it may be of equal width.
        seed: seed of the random shares.

    Raises:
        InputError: the architectures differ, or the wider width is no multiple of the narrower one.
    """
    if weights.keys() != like.keys():
        raise InputError("the weights to begin with are of another architecture")
    random = torch.Generator().manual_seed(seed)
    wider = {}
    for name, old in weights.items():
        shape = like[name].shape
        if not _fits(name, old.shape, shape):
            raise InputError(
                f"the weights to begin with do not fit: {name} is {tuple(old.shape)} there and {tuple(shape)} here, "
                "but only the width may differ, by a whole factor"
            )
        new = old.float() if old.is_floating_point() else old
        if old.ndim:
            new = new.repeat_interleave(shape[0] // old.shape[0], 0)
        if old.ndim > 1:
            copies = shape[1] // old.shape[1]
            noise = torch.randn(shape[0], old.shape[1], copies, generator=random)
            shares = 1 / copies + 0.5 * (noise - noise.mean(-1, keepdim=True))
            new = new.repeat_interleave(copies, 1) * shares.reshape(*shape[:2], *[1] * (old.ndim - 2))
        wider[name] = new
    return wider


def _fits(name: str, old: torch.Size, new: torch.Size) -> bool:
    """Return whether only channels differ, by a whole factor; image channels and classes must be equal."""
    if len(old) != len(new) or old[2:] != new[2:]:
        return False
    if (name.startswith("outc.") and old[0] != new[0]) or (name == "inc.double_conv.0.weight" and old[1] != new[1]):
        return False
    return all(n % o == 0 for n, o in zip(new[:2], old[:2], strict=True))
