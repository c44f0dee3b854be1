"""Loading weights into a network, and checking them."""

import torch
from torch import Tensor

from ..core.errors import InputError
from ..network.unet import CLSTMUNet4D


def load_weights(network: CLSTMUNet4D, state_dict: dict[str, Tensor], source: str) -> None:
    """Give a network its weights, without copying them, and check that they fit and are finite.

    Args:
        network: changed in place.
        state_dict: the weights.
        source: the origin of the weights, for messages.

    Raises:
        InputError: weights are missing, unexpected or of the wrong shape, or have complex or infinite values.
    """
    try:
        network.load_state_dict(state_dict, assign=True)
    except RuntimeError as error:
        raise InputError(f"{source}: the weights do not fit the network ({_mismatches(error)})") from error
    for key, value in state_dict.items():
        if value.is_complex():
            raise InputError(f"{source}: the weights are damaged: {key} holds complex numbers")
        # least and greatest value show it, without a mask as large as the weights
        if value.is_floating_point() and not all(torch.isfinite(extreme) for extreme in value.aminmax()):
            raise InputError(f"{source}: the weights are damaged: {key} holds values that are not finite")


def _mismatches(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines()[1:] if line.strip()]
    return "; ".join(lines[:3]) + ("; ..." if len(lines) > 3 else "")
