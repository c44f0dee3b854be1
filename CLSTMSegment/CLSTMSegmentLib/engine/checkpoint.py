"""Published checkpoints: a plain `.pth` of a state dict, its network read off the shapes."""

import pickle
import re
import struct
from pathlib import Path

import torch
from torch import Tensor

from .errors import InputError
from .network import CLSTMUNet4D

DAMAGED = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
"""What PyTorch's restricted unpickler raises over random bytes, found by trying."""


def read_published(path: Path) -> dict[str, Tensor]:
    """The state dict in a published checkpoint; nothing in the file is ever executed.

    Raises:
        InputError: no file, not a PyTorch file, or more in it than tensors by name.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: not loaded, since it holds more than tensors (loading it could run code), or is damaged: "
            "save the network's state_dict() with torch.save"
        ) from error
    except DAMAGED as error:
        raise InputError(f"{path}: not a readable PyTorch checkpoint ({_first_line(error)})") from error
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(f"{path}: not a state dict: save the network's state_dict() with torch.save")
    return content


def network_options(state_dict: dict[str, Tensor]) -> dict[str, object]:
    """What `CLSTMUNet4D` must be built with to load a state dict.

    Raises:
        InputError: the keys or shapes are not of this network.
    """
    if any(re.match(r"up\d\.up\.", key) for key in state_dict):
        raise InputError(
            "this checkpoint is the bilinear=False variant (up1.up.* transposed convolutions), whose channel "
            "counts do not fit together as published: only the bilinear network can run"
        )
    try:
        first = state_dict["inc.double_conv.0.weight"]
        last = state_dict["outc.conv.weight"]
        gates = state_dict["clstm.lstm_cells.0.conv.weight"]
    except KeyError as error:
        raise InputError(f"this checkpoint is not a CLSTM-UNet4D: it has no {error.args[0]}") from error
    cells = {m.group(1) for key in state_dict if (m := re.match(r"clstm\.lstm_cells\.(\d+)\.", key))}
    if first.ndim != 5 or last.ndim != 5 or gates.ndim != 5:
        raise InputError("this checkpoint is not a CLSTM-UNet4D: its convolutions are not 3D")
    return {
        "in_channels": first.shape[1],
        "classes": last.shape[0],
        "width": first.shape[0],
        "lstm_layers": len(cells),
        "last_stage": "published" if any(key.startswith("up4.") for key in state_dict) else "none",
        "lstm_kernel_size": gates.shape[2],
        "conv_bias": "inc.double_conv.0.bias" in state_dict,
    }


def load_weights(network: CLSTMUNet4D, state_dict: dict[str, Tensor], source: str) -> None:
    """Make weights those of a network, without copying them, and check that they fit and are finite.

    Raises:
        InputError: missing, unexpected or misshapen weights, or values that are not finite.
    """
    try:
        network.load_state_dict(state_dict, assign=True)
    except RuntimeError as error:
        raise InputError(f"{source}: the weights do not fit the network ({_mismatches(error)})") from error
    for key, value in state_dict.items():
        # the extremes say it without a mask as large as the weights
        if value.is_floating_point() and not all(torch.isfinite(extreme) for extreme in value.aminmax()):
            raise InputError(f"{source}: the weights are damaged: {key} holds values that are not finite")


def _mismatches(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines()[1:] if line.strip()]
    return "; ".join(lines[:3]) + ("; ..." if len(lines) > 3 else "")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
