"""Published checkpoints (eksubin/CLSTM-Unet4D): a plain `.pth` of a state dict, read as a model."""

import pickle
import re
import struct
from pathlib import Path

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.segment import PALETTE, Segment
from ..network.options import NetworkOptions
from .description import Model
from .rules import GeometryRule, IntensityRule, StateRule

PUBLISHED_PATCH = (64, 64, 64)
"""Size (D, H, W) of the tiles that the published networks were trained with."""


def published_model(path: Path) -> Model:
    """Return a published checkpoint as a model that handles images exactly as the published training did.

    That is: stacks of 5 frames with an empty recurrent state each, the image's own index axes and
    spacing, min-max over the stack to [0, 1], below 0.08 set to 0, cropped to what is above 0,
    patches of 64 x 64 x 64.
    """
    state_dict = read_published(path)
    options = network_options(state_dict)
    model = Model(
        name=re.sub(r"[^\w. -]", "-", path.stem[:100]).lstrip(". -") or "model",
        title=path.stem,
        description="Imported from a published checkpoint.",
        segments=tuple(
            Segment(f"segment-{n + 1}", f"Segment {n + 1}", PALETTE[n % len(PALETTE)]) for n in range(options.classes)
        ),
        network=options,
        activation="sigmoid",
        geometry=GeometryRule(patch=PUBLISHED_PATCH, crop="foreground"),
        intensity=IntensityRule(scale="min-max", over="stack", zero_below=0.08),
        state=StateRule("window", 5),
        weights=state_dict,
    )
    model.build_network()
    return model


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
    """Return the state dict in a published checkpoint; nothing in the file is ever executed.

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


def network_options(state_dict: dict[str, Tensor]) -> NetworkOptions:
    """Return the shape of the network that a state dict belongs to, read off its keys and shapes.

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
    return NetworkOptions(
        in_channels=first.shape[1],
        classes=last.shape[0],
        width=first.shape[0],
        lstm_layers=len(cells),
        last_stage="published" if any(key.startswith("up4.") for key in state_dict) else "none",
        lstm_kernel_size=gates.shape[2],
        conv_bias="inc.double_conv.0.bias" in state_dict,
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
