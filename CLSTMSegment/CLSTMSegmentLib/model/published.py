"""Published checkpoints of eksubin/CLSTM-Unet4D: a `.pth` file with a state dict, imported as a model."""

import re
from pathlib import Path

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.plain_files import file_name
from ..core.structure import named_segments, numbered_names
from ..network.options import NetworkOptions
from .description import Model
from .rules import GeometryRule, IntensityRule, StateRule
from .torch_files import read_torch_file

PUBLISHED_PATCH = (64, 64, 64)
"""Size (D, H, W) of the tiles that the published networks were trained with."""


def published_model(path: Path) -> Model:
    """Return a published checkpoint as a model that prepares images as the published training did.

    The recurrent state is emptied every 5 frames. The axes and the spacing are those of the image. The intensities of
    5 frames together are scaled to [0, 1], and values below 0.08 become 0. Frames are cropped to the voxels above 0,
    and segmented in patches of 64 x 64 x 64 voxels.

    Raises:
        InputError: the file is missing, damaged, or not a checkpoint of this network.
    """
    state_dict = read_published(path)
    try:
        options = network_options(state_dict)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    model = Model(
        name=file_name(path.stem[:100], "model"),
        title=path.stem,
        description="Imported from a published checkpoint.",
        segments=named_segments(numbered_names(options.classes)),
        network=options,
        activation="sigmoid",
        geometry=GeometryRule(patch=PUBLISHED_PATCH, crop="foreground"),
        intensity=IntensityRule(scale="min-max", over="stack", zero_below=0.08),
        state=StateRule("window", 5),
        weights=state_dict,
    )
    model.build_network()
    return model


def read_published(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a published checkpoint. No code in the file is executed.

    Raises:
        InputError: the file does not exist, is not a PyTorch file, holds more than named tensors, or its tensors would
            need more memory than the file has bytes.
    """
    content = read_torch_file(path, "save the network's state_dict() with torch.save")
    named = isinstance(content, dict) and all(isinstance(key, str) for key in content)
    if not named or not all(isinstance(value, Tensor) and _is_plain(value) for value in content.values()):
        raise InputError(f"{path}: not a state dict of plain tensors: save the network's state_dict() with torch.save")
    if sum(value.numel() * value.element_size() for value in content.values()) > path.stat().st_size:
        raise InputError(f"{path}: its tensors are larger than the file: save contiguous tensors with torch.save")
    return content


def _is_plain(value: Tensor) -> bool:
    """Return whether a tensor is stored number by number: not sparse, nested, quantised, complex or without data."""
    strided = value.layout is torch.strided and not value.is_nested and not value.is_quantized
    return strided and value.device.type == "cpu" and not value.is_complex()


def network_options(state_dict: dict[str, Tensor]) -> NetworkOptions:
    """Return the options of the network that a state dict belongs to, from its keys and the shapes of its tensors.

    Raises:
        InputError: the state dict belongs to another network.
    """
    if any(re.match(r"up\d\.up\.", key) for key in state_dict):
        raise InputError(
            "this checkpoint is of the variant bilinear=False (it has the transposed convolutions up1.up.*), which "
            "cannot run as published, since its numbers of channels do not fit together: use a bilinear checkpoint"
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
