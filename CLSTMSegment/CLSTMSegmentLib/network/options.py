"""The options of a CLSTM-UNet4D, as the table `network` of a model.json gives them.

This file does not import torch, which takes seconds, so that a description can be read without it.
"""

from dataclasses import dataclass
from math import prod

from ..core.boxes import Shape
from ..core.checks import are_numbers, is_number
from ..core.errors import InputError

LAST_STAGES = ("published", "none")

LIMITS = {"in_channels": 64, "classes": 255, "width": 1024, "lstm_layers": 16}
"""Largest values that are accepted: no description can make the program allocate all memory of the computer."""

PUBLISHED_KERNELS = ((3, 3, 3),) * 4
PUBLISHED_POOLINGS = ((2, 2, 2),) * 3


@dataclass(frozen=True)
class NetworkOptions:
    """The options of a CLSTM-UNet4D.

    Attributes:
        in_channels: number of image channels.
        classes: number of output channels (logits).
        width: channels of the first stage, w; the stages below have 2w, 4w and 8w.
        lstm_layers: number of CLSTM cells at the bottleneck.
        last_stage: "published" for the last stage of the published checkpoints (eksubin/CLSTM-Unet4D), which works
            only at the patch size that it was trained with; "none" for a translation-equivariant network.
        lstm_kernel_size: kernel (D, H, W) of a CLSTM cell, odd numbers; one number for a cubic kernel.
        kernels: kernel (D, H, W) of the convolutions of each of the four stages, from the first to the bottleneck's;
            the encoder and the decoder have the same. Odd numbers; (1, 3, 3) keeps the slices of a stack apart.
        poolings: factors (D, H, W), 1 or 2, by which the size is divided from each stage to the next.
        conv_bias: whether the convolutions before batch norms have a bias.
        align_corners: how the decoder up-samples. True, as in the published checkpoints, stretches the features from
            the middle of a tile towards its borders, by up to 2 voxels at the first stage. The labels of a structure
            then depend on its position in the tile and on the size of the tile. False avoids this.

    Raises:
        InputError: a value is outside its range or of the wrong type.
    """

    in_channels: int = 1
    classes: int = 1
    width: int = 64
    lstm_layers: int = 1
    last_stage: str = "published"
    lstm_kernel_size: int | Shape = 3
    kernels: tuple[Shape, ...] = PUBLISHED_KERNELS
    poolings: tuple[Shape, ...] = PUBLISHED_POOLINGS
    conv_bias: bool = True
    align_corners: bool = True

    def __post_init__(self):
        for option, most in LIMITS.items():
            value = getattr(self, option)
            if not is_number(value, whole=True) or not 1 <= value <= most:
                raise InputError(f"network: {option} must be a whole number from 1 to {most}, not {value!r}")
        if not _are_shapes((self.lstm_kernel,), 1, set(range(1, 16, 2))):
            raise InputError(
                f"network: lstm_kernel_size must be an odd number up to 15, or three, not {self.lstm_kernel_size!r}"
            )
        if self.last_stage not in LAST_STAGES:
            raise InputError(f"network: last_stage must be one of {', '.join(LAST_STAGES)}, not {self.last_stage!r}")
        if not _are_shapes(self.kernels, 4, {1, 3, 5, 7}):
            raise InputError(f"network: kernels must be four times three of 1, 3, 5 and 7, not {self.kernels!r}")
        if not _are_shapes(self.poolings, 3, {1, 2}):
            raise InputError(f"network: poolings must be three times three of 1 and 2, not {self.poolings!r}")
        if self.last_stage == "published" and (self.kernels, self.poolings) != (PUBLISHED_KERNELS, PUBLISHED_POOLINGS):
            raise InputError("network: the published last stage needs kernels of 3 x 3 x 3 and poolings of 2 x 2 x 2")
        for option in ("conv_bias", "align_corners"):
            if not isinstance(getattr(self, option), bool):
                raise InputError(f"network: {option} must be true or false, not {getattr(self, option)!r}")

    @property
    def lstm_kernel(self) -> Shape:
        """Return the kernel (D, H, W) of a CLSTM cell."""
        size = self.lstm_kernel_size
        return size if isinstance(size, tuple) else (size, size, size)

    @property
    def strides(self) -> Shape:
        """Return by how much smaller the bottleneck is than a frame, along D, H and W."""
        return tuple(prod(factors) for factors in zip(*self.poolings, strict=True))


def _are_shapes(value: object, count: int, allowed: set[int]) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == count
        and all(are_numbers(shape, 3, whole=True) and allowed.issuperset(shape) for shape in value)
    )
