"""Doubling the resolution of a part of a stage: only what a later stage looks at is computed."""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from ..core.boxes import Box, Shape, index_of
from .unet import Up, ZoomUp


@dataclass(frozen=True)
class Part:
    """Features (1, C, d, h, w) of the part of a stage, itself of a size, that lies in a box of its indices."""

    features: Tensor
    box: Box
    size: Shape


@dataclass(frozen=True)
class Doubling:
    """How an up-stage samples its input along an axis.

    Attributes:
        inner: how many samples there are; twice as many come of them.
        shift: which of those is the first of the stage; negative where zeros come before them.
        align_corners: whether the first and the last of both coincide, or the borders of the voxels.
    """

    inner: int
    shift: int
    align_corners: bool

    def there(self, start: int, stop: int) -> tuple[int, int]:
        """The part of a range of the stage's indices that is not beyond the samples."""
        return max(start, -self.shift), min(stop, 2 * self.inner - self.shift)

    def seen(self, start: int, stop: int) -> tuple[int, int]:
        """The samples that a range of the stage's indices is computed from."""
        first, last = self.there(start, stop)
        return max(self._before(first), 0), min(self._before(last - 1) + 2, self.inner)

    def _before(self, index: int) -> int:
        """The sample before an index of the stage; that one and the next are mixed there."""
        return (index + self.shift + 1) // 2 - 1

    def double(self, x: Tensor, axis: int, start: int, stop: int, out: Tensor) -> None:
        """Up-sample x, the samples that a range of the stage's indices sees, along an axis; the range is there."""
        first, last = self._before(start), self._before(stop - 1) + 2
        # beyond the first and the last sample they repeat
        repeated = [x.narrow(axis, 0, 1)] * (first < 0) + [x] + [x.narrow(axis, -1, 1)] * (last > self.inner)
        x = torch.cat(repeated, axis) if len(repeated) > 1 else x
        position = torch.arange(start + self.shift, stop + self.shift, dtype=torch.float64)
        position = position * (self.inner - 1) / (2 * self.inner - 1) if self.align_corners else position / 2 - 0.25
        for parity in (0, 1):
            indices = range(start + parity, stop, 2)
            if not indices:
                continue
            before = self._before(indices[0])
            weight = position[parity::2] - torch.arange(before, before + len(indices))
            weight = weight.to(x).reshape([-1 if n == axis else 1 for n in range(x.ndim)])
            lower, upper = (x.narrow(axis, before - first + n, len(indices)) for n in (0, 1))
            torch.lerp(lower, upper, weight, out=out[(*[slice(None)] * axis, slice(parity, None, 2))])


def doublings(up: Up, inner: Shape, outer: Shape) -> list[Doubling]:
    """Along each axis, of a stage whose input and skip have these sizes."""
    if isinstance(up, ZoomUp):
        return [Doubling(n, ceil(n / 2), True) for n in inner]
    return [Doubling(n, -((m - 2 * n) // 2), up.align_corners) for n, m in zip(inner, outer, strict=True)]


def write_upsampled(axes: list[Doubling], x: Part, box: Box, target: Tensor) -> None:
    """Up-sample to a box of the stage's indices, into (1, C, d, h, w); zeros where there is nothing."""
    ranges = [axis.there(*edge) for axis, edge in zip(axes, box, strict=True)]
    if tuple(ranges) != box:
        target.zero_()
        target = target[index_of(ranges, box)]
    seen = tuple(axis.seen(*edge) for axis, edge in zip(axes, box, strict=True))
    values = x.features[index_of(seen, x.box)][0].permute(1, 2, 3, 0)  # as it lies in memory
    for n, (axis, (start, stop)) in enumerate(zip(axes, ranges, strict=True)):
        if n == 2:
            doubled = target[0].permute(1, 2, 3, 0)
        else:
            doubled = values.new_empty((*values.shape[:n], stop - start, *values.shape[n + 1 :]))
        axis.double(values, n, start, stop, doubled)
        values = doubled
