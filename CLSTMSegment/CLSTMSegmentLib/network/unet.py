"""CLSTM-UNet4D: a 3D U-Net whose bottleneck is a convolutional LSTM over time."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.boxes import Shape
from .cells import CLSTM3D, State
from .options import NetworkOptions


class DoubleConv(nn.Module):
    """Convolution, batch norm and ReLU, twice; the size (D, H, W) stays the same.

    Args:
        in_channels, out_channels: numbers of channels.
        kernel: size (D, H, W) of the convolutions, odd.
        conv_bias: whether the convolutions have a bias.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: Shape, conv_bias: bool):
        super().__init__()
        padding = tuple(n // 2 for n in kernel)
        self.double_conv = nn.Sequential(
            nn.Conv3d(in_channels, out_channels, kernel, padding=padding, bias=conv_bias),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(out_channels, out_channels, kernel, padding=padding, bias=conv_bias),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    """Max pooling, then `double`."""

    def __init__(self, pooling: Shape, double: DoubleConv):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool3d(pooling), double)

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Trilinear up-sampling, padding to the size of the skip, concatenation (skip first), then `double`.

    Args:
        factors: by which the size (D, H, W) is multiplied, 1 or 2.
        double: the convolutions.
        align_corners: see `NetworkOptions`.
    """

    def __init__(self, factors: Shape, double: DoubleConv, align_corners: bool):
        super().__init__()
        self.factors = factors
        self.align_corners = align_corners
        self.conv = double

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        factors = tuple(map(float, self.factors))
        x = functional.interpolate(x, scale_factor=factors, mode="trilinear", align_corners=self.align_corners)
        pad = []
        for axis in (-1, -2, -3):  # functional.pad takes the last axis first
            missing = skip.shape[axis] - x.shape[axis]
            pad += [missing // 2, missing - missing // 2]
        if any(pad):
            x = functional.pad(x, pad)
        return self.conv(torch.cat([skip, x], dim=1))


class ZoomUp(Up):
    """The last stage of the published network: 2x up-sampling, then a central crop to the size of the skip connection.

    Only the voxels inside the crop are interpolated; the volume of eight times as many voxels is never allocated.
    """

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        for axis in (2, 3, 4):
            x = _central_half_upsampled(x, axis)
        return self.conv(torch.cat([skip, x], dim=1))


def _central_half_upsampled(x: Tensor, axis: int) -> Tensor:
    """Return the central n of the 2n samples to which up-sampling with align_corners doubles an axis of n samples."""
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
        options: the shape of the network.
    """

    def __init__(self, options: NetworkOptions):
        super().__init__()
        self.options = options
        w, corners = options.width, options.align_corners
        pool1, pool2, pool3 = options.poolings

        def double(stage: int, in_channels: int, out_channels: int) -> DoubleConv:
            return DoubleConv(in_channels, out_channels, options.kernels[stage - 1], options.conv_bias)

        self.inc = double(1, options.in_channels, w)
        self.down1 = Down(pool1, double(2, w, 2 * w))
        self.down2 = Down(pool2, double(3, 2 * w, 4 * w))
        self.down3 = Down(pool3, double(4, 4 * w, 8 * w))
        self.clstm = CLSTM3D(8 * w, 8 * w, options.lstm_layers, options.lstm_kernel)
        self.up1 = Up(pool3, double(3, 12 * w, 4 * w), corners)
        self.up2 = Up(pool2, double(2, 6 * w, 2 * w), corners)
        self.up3 = Up(pool1, double(1, 3 * w, w), corners)
        self.up4 = ZoomUp(pool1, double(1, 2 * w, w), corners) if options.last_stage == "published" else None
        self.outc = OutConv(w, options.classes)

    def step(self, frame: Tensor, state: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Segment one frame, given the recurrent state after the previous frame.

        Args:
            frame: (B, C, D, H, W); D, H and W are at least the strides of the options.
            state: the state that the previous step returned; None for an empty state.

        Returns:
            Logits (B, classes, D, H, W), and the new state: (h, c) of each CLSTM layer, smaller by the strides.
        """
        features, state = self.decoder_features(frame, state)
        return self.outc(features[-1]), state

    def decoder_features(self, frame: Tensor, state: list[State] | None = None) -> tuple[list[Tensor], list[State]]:
        """Return the features of every stage of the decoder, the coarsest first, and the new state.

        Args:
            frame, state: as in `step`.
        """
        (x1, x2, x3), hidden, state = self._encode(frame, state)
        features = [self.up1(hidden, x3)]
        features.append(self.up2(features[-1], x2))
        features.append(self.up3(features[-1], x1))
        if self.up4 is not None:
            features.append(self.up4(features[-1], x1))
        return features, state

    def update_state(self, frame: Tensor, state: list[State] | None = None) -> list[State]:
        """Return the state that `step` returns, without computing logits."""
        return self._encode(frame, state)[2]

    def _encode(self, frame: Tensor, state: list[State] | None) -> tuple[tuple[Tensor, ...], Tensor, list[State]]:
        """Return the features for the skip connections, the hidden state of the top CLSTM layer, and the new state."""
        x1 = self.inc(frame)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        # The recurrent state is always float32: in a lower precision, rounding errors would add up over time.
        # (At this small size, the weight gradients of oneDNN in bfloat16 were also found to be wrong.)
        with torch.autocast(frame.device.type, enabled=False):
            hidden, state = self.clstm.step(self.down3(x3.float()), state)
        return (x1, x2, x3), hidden, state

    def forward(self, stack: Tensor) -> Tensor:
        """Return the logits (B, T, classes, D, H, W) of a stack (B, T, C, D, H, W), starting with an empty state."""
        state = None
        logits = []
        for frame in stack.unbind(1):
            frame_logits, state = self.step(frame, state)
            logits.append(frame_logits)
        return torch.stack(logits, dim=1)
