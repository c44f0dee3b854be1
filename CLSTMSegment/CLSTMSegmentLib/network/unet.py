"""CLSTM-UNet4D: a 3D U-Net whose bottleneck is a convolutional LSTM over time."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .cells import CLSTM3D, State

LAST_STAGES = ("published", "none")


class DoubleConv(nn.Module):
    """Convolution 3x3x3, batch norm, ReLU, twice; (B, C, D, H, W) keeps its size."""

    def __init__(self, in_channels: int, out_channels: int, conv_bias: bool = True):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=conv_bias),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(out_channels, out_channels, 3, padding=1, bias=conv_bias),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    """2x max pooling, then `DoubleConv`."""

    def __init__(self, in_channels: int, out_channels: int, conv_bias: bool = True):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool3d(2), DoubleConv(in_channels, out_channels, conv_bias))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """2x trilinear up-sampling, padding to the skip's size, concatenation (skip first), `DoubleConv`."""

    def __init__(self, in_channels: int, out_channels: int, conv_bias: bool = True, align_corners: bool = True):
        super().__init__()
        self.align_corners = align_corners
        self.conv = DoubleConv(in_channels, out_channels, conv_bias)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=self.align_corners)
        pad = []
        for axis in (-1, -2, -3):  # functional.pad takes the last axis first
            missing = skip.shape[axis] - x.shape[axis]
            pad += [missing // 2, missing - missing // 2]
        if any(pad):
            x = functional.pad(x, pad)
        return self.conv(torch.cat([skip, x], dim=1))


class ZoomUp(Up):
    """The published network's last stage: twice up-sampled, then cropped centrally to the skip's size.

    Only the crop is interpolated; the eight-fold volume never exists.
    """

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        for axis in (2, 3, 4):
            x = _central_half_upsampled(x, axis)
        return self.conv(torch.cat([skip, x], dim=1))


def _central_half_upsampled(x: Tensor, axis: int) -> Tensor:
    """The central n of the 2n samples that align_corners up-sampling gives along an axis of n."""
    n = x.shape[axis]
    start = -(-n // 2)
    position = torch.arange(start, start + n, dtype=torch.float64) * ((n - 1) / (2 * n - 1))
    lower = position.floor().long().clamp(max=max(n - 2, 0))
    weight = (position - lower).to(dtype=x.dtype, device=x.device)
    weight = weight.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    upper = (lower + 1).clamp(max=n - 1)
    return torch.lerp(x.index_select(axis, lower.to(x.device)), x.index_select(axis, upper.to(x.device)), weight)


class OutConv(nn.Module):
    """1x1x1 convolution from features to class logits."""

    def __init__(self, in_channels: int, classes: int):
        super().__init__()
        self.conv = nn.Conv3d(in_channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class CLSTMUNet4D(nn.Module):
    """3D U-Net with a convolutional LSTM at its bottleneck.

    Args:
        in_channels: image channels.
        classes: output channels (logits).
        width: channels of the first stage, w; the stages below have 2w, 4w, 8w.
        lstm_layers: CLSTM cells at the bottleneck.
        last_stage: "published" for the layout of published checkpoints (works only at the patch
            size it was trained with), "none" for a translation-equivariant network.
        conv_bias: whether the convolutions before batch norms have a bias.
        align_corners: how the decoder up-samples. True, as published, stretches features from the
            middle of a tile towards its borders, by up to 2 voxels after the first stage: what is
            found then depends on where in the tile it lies, and on the tile's size. False does not.
    """

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 1,
        width: int = 64,
        lstm_layers: int = 1,
        last_stage: str = "published",
        lstm_kernel_size: int = 3,
        conv_bias: bool = True,
        align_corners: bool = True,
    ):
        super().__init__()
        if not isinstance(align_corners, bool):
            raise ValueError(f"align_corners must be true or false, not {align_corners!r}")
        if last_stage not in LAST_STAGES:
            raise ValueError(f"last_stage must be one of {LAST_STAGES}, not {last_stage!r}")
        w = width
        self.inc = DoubleConv(in_channels, w, conv_bias)
        self.down1 = Down(w, 2 * w, conv_bias)
        self.down2 = Down(2 * w, 4 * w, conv_bias)
        self.down3 = Down(4 * w, 8 * w, conv_bias)
        self.clstm = CLSTM3D(8 * w, 8 * w, lstm_layers, lstm_kernel_size)
        self.up1 = Up(12 * w, 4 * w, conv_bias, align_corners)
        self.up2 = Up(6 * w, 2 * w, conv_bias, align_corners)
        self.up3 = Up(3 * w, w, conv_bias, align_corners)
        self.up4 = ZoomUp(2 * w, w, conv_bias) if last_stage == "published" else None
        self.outc = OutConv(w, classes)

    def step(self, frame: Tensor, state: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Read one frame with the memory of the frames before it.

        Args:
            frame: (B, C, D, H, W), every spatial size at least 8.
            state: what the step before returned; None for an empty memory.

        Returns:
            Logits (B, classes, D, H, W), and the state: (h, c) a layer at 1/8 resolution.
        """
        (x1, x2, x3), memory, state = self._encode(frame, state)
        x = self.up1(memory, x3)
        x = self.up2(x, x2)
        x = self.up3(x, x1)
        if self.up4 is not None:
            x = self.up4(x, x1)
        return self.outc(x), state

    def remember(self, frame: Tensor, state: list[State] | None = None) -> list[State]:
        """The state that `step` would return, without computing its logits."""
        return self._encode(frame, state)[2]

    def _encode(self, frame: Tensor, state: list[State] | None) -> tuple[tuple[Tensor, ...], Tensor, list[State]]:
        x1 = self.inc(frame)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        # The memory stays in float32 whatever precision surrounds it: rounding would add up over
        # time. (oneDNN's bfloat16 weight gradients were also seen to be wrong at this small size.)
        with torch.autocast(frame.device.type, enabled=False):
            memory, state = self.clstm.step(self.down3(x3.float()), state)
        return (x1, x2, x3), memory, state

    def forward(self, stack: Tensor) -> Tensor:
        """Logits (B, T, classes, D, H, W) of a stack (B, T, C, D, H, W), from an empty memory."""
        state = None
        logits = []
        for frame in stack.unbind(1):
            frame_logits, state = self.step(frame, state)
            logits.append(frame_logits)
        return torch.stack(logits, dim=1)
