"""A wider network that computes what a narrower one did: what that one learnt is not learnt again."""

import torch
from torch import Tensor

from ..core.errors import InputError


def widened(weights: dict[str, Tensor], like: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Weights of a narrower network, for a wider one of the same function (Chen et al. 2016, "Net2Net").

    Every channel stands several times in the wider network, copies side by side, so that their order
    survives concatenations and the gates of a CLSTM cell. What reads a channel now reads its copies,
    by random shares that sum up to the old weight: equal ones would get equal gradients, and the
    copies would stay copies.

    Args:
        weights: state dict of the narrower network.
        like: state dict of the wider one, for its names and shapes; an equal width is copied.

    Raises:
        InputError: another architecture, or a width that is no multiple.
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
    """Whether a tensor can be widened: channels by a whole factor, all else, image channels and classes too, equal."""
    if len(old) != len(new) or old[2:] != new[2:]:
        return False
    if (name.startswith("outc.") and old[0] != new[0]) or (name == "inc.double_conv.0.weight" and old[1] != new[1]):
        return False
    return all(n % o == 0 for n, o in zip(new[:2], old[:2], strict=True))
