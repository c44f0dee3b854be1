"""Up-sampling of a part of a decoder stage: only the voxels that later stages read are computed."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import torch
from torch import Tensor

from ..core.boxes import Box, Shape, index_of
from .unet import Up, ZoomUp


@dataclass(frozen=True)
class Part:
    """The features of a stage inside a box.

    Attributes:
        features: (B, C, d, h, w), where d, h, w is the size of the box.
        box: index ranges in the whole stage.
        size: size (D, H, W) of the whole stage.
    """

    features: Tensor
    box: Box
    size: Shape


@dataclass(frozen=True)
class AxisUpsampling:
    """How a decoder stage up-samples its input along one axis.

    In the methods below, an index counts the voxels of the stage along this axis.

    Attributes:
        samples: number of input samples, which become `factor` times as many up-sampled samples.
        factor: 2, or 1 for an axis along which nothing changes.
        shift: number of the up-sampled sample at index 0 of the stage. It is negative where the stage begins with
            zero padding.
        align_corners: True where the first and the last sample coincide before and after up-sampling, False where the
            outer borders of the first and the last voxel do.
    """

    samples: int
    factor: int
    shift: int
    align_corners: bool

    def without_padding(self, start: int, stop: int) -> tuple[int, int]:
        """Return the part of an index range that holds up-sampled samples instead of zero padding."""
        return max(start, -self.shift), min(stop, self.factor * self.samples - self.shift)

    def source_range(self, start: int, stop: int) -> tuple[int, int]:
        """Return the range of the input samples from which an index range is interpolated."""
        first, last = self.without_padding(start, stop)
        if self.factor == 1:
            return first + self.shift, last + self.shift
        return max(self.lower_sample(first), 0), min(self.lower_sample(last - 1) + 2, self.samples)

    def lower_sample(self, index: int) -> int:
        """Return the number of the lower of the two neighbouring samples that are mixed at an index."""
        return (index + self.shift + 1) // 2 - 1

    def upsample(self, x: Tensor, axis: int, start: int, stop: int, out: Tensor) -> None:
        """Interpolate an index range that holds no zero padding.

        Args:
            x: the input samples of `source_range(start, stop)`.
            axis: the axis of `x` and `out` along which to interpolate.
            start, stop: the index range.
            out: the result is written into it; stop - start long along the axis.
        """
        if self.factor == 1:
            out.copy_(x)
            return
        first, last = self.lower_sample(start), self.lower_sample(stop - 1) + 2
        # before the first and after the last sample, that sample is repeated
        repeated = [x.narrow(axis, 0, 1)] * (first < 0) + [x] + [x.narrow(axis, -1, 1)] * (last > self.samples)
        x = torch.cat(repeated, axis) if len(repeated) > 1 else x
        for parity in (0, 1):
            indices = range(start + parity, stop, 2)
            if not indices:
                continue
            lowest = self.lower_sample(indices[0])
            weight = _upper_weights(self, indices, x.dtype, x.device)
            weight = weight.reshape([-1 if n == axis else 1 for n in range(x.ndim)])
            lower, upper = (x.narrow(axis, lowest - first + n, len(indices)) for n in (0, 1))
            torch.lerp(lower, upper, weight, out=out[(*[slice(None)] * axis, slice(parity, None, 2))])


@lru_cache(maxsize=2000)
def _upper_weights(axis: AxisUpsampling, indices: range, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the weights of the upper of the two neighbouring samples at every second index of an axis.

    They are kept for the next frames: a copy to a GPU would wait until the GPU has done all work so far.
    """
    position = torch.arange(indices.start, indices.stop, 2, dtype=torch.float64) + axis.shift
    position = position * (axis.samples - 1) / (2 * axis.samples - 1) if axis.align_corners else position / 2 - 0.25
    lowest = axis.lower_sample(indices[0])
    return (position - torch.arange(lowest, lowest + len(indices))).to(dtype).to(device)


def axis_upsamplings(up: Up, input_size: Shape, output_size: Shape) -> list[AxisUpsampling]:
    """Return how a decoder stage up-samples along D, H and W.

    Args:
        up: the stage.
        input_size: size (D, H, W) of its input.
        output_size: size (D, H, W) of its skip connection and its output.
    """
    if isinstance(up, ZoomUp):
        return [AxisUpsampling(n, 2, ceil(n / 2), True) for n in input_size]
    return [
        AxisUpsampling(n, factor, -((m - factor * n) // 2), up.align_corners)
        for n, factor, m in zip(input_size, up.factors, output_size, strict=True)
    ]


def write_upsampled(axes: list[AxisUpsampling], x: Part, box: Box, target: Tensor) -> None:
    """Write the up-sampled features of a box, and zeros where the stage is zero-padded.

    Args:
        axes: how the stage up-samples along D, H and W.
        x: the input of the stage, with at least the samples that the box is interpolated from.
        box: index ranges in the stage.
        target: (B, C, d, h, w) of the box's size, into which the result is written.
    """
    ranges = [axis.without_padding(*edge) for axis, edge in zip(axes, box, strict=True)]
    if tuple(ranges) != box:
        target.zero_()
        target = target[index_of(ranges, box)]
    source = tuple(axis.source_range(*edge) for axis, edge in zip(axes, box, strict=True))
    # channels last, which is the order of the features in memory
    values = x.features[index_of(source, x.box)].permute(0, 2, 3, 4, 1)
    for n, (axis, (start, stop)) in enumerate(zip(axes, ranges, strict=True), start=1):
        if n == 3:
            upsampled = target.permute(0, 2, 3, 4, 1)
        else:
            upsampled = values.new_empty((*values.shape[:n], stop - start, *values.shape[n + 1 :]))
        axis.upsample(values, n, start, stop, upsampled)
        values = upsampled
