"""A trained network made ready to run: the same function in less time and memory, and no longer trainable.

The full-resolution stages are where time and memory go. They run in slabs, of which each holds up-sampled,
concatenated and convolved features of a few rows only, and only as far as later stages look: the published
last stage, for one, enlarges the middle half of what comes before it and sees nothing of the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .boxes import Box, Shape
from .cells import State
from .network import CLSTMUNet4D, DoubleConv, OutConv, Up, ZoomUp

SLAB_BYTES = {"cpu": 12 * 2**20, "cuda": 2**28, "mps": 2**27}
"""Features that a slab may have at the entry of its stage; on a CPU they should stay in its cache."""

WEIGHTS_AT_ONCE = 2**24
"""Weights of a convolution that oneDNN may bring into its own order at the same time: it copies them."""


class OneDNNConv3d(nn.Conv3d):
    """A convolution that on a CPU goes to oneDNN whatever the size of its input.

    PyTorch itself does so only for more than one image at a time or for large ones, and takes a
    several times slower way for what streaming needs: one frame, at 1/2 to 1/8 of its resolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.padded(x, self.padding)

    def padded(self, x: Tensor, padding: tuple[int, int, int]) -> Tensor:
        """The convolution with other zeros around than usual."""
        if not x.is_cpu or x.dtype != torch.float32:
            return functional.conv3d(x, self.weight, self.bias, self.stride, padding)
        pieces = [
            torch.mkldnn_convolution(x, weight, bias, padding, self.stride, self.dilation, self.groups)
            for weight, bias in zip(*self._pieces(), strict=True)
        ]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)

    def _pieces(self) -> tuple[list[Tensor], list[Tensor | None]]:
        count = ceil(self.weight.numel() / WEIGHTS_AT_ONCE)
        biases = [None] * count if self.bias is None else self.bias.chunk(count)
        return self.weight.chunk(count), biases


def ready_to_run(network: CLSTMUNet4D, device: torch.device) -> "ReadyNetwork":
    """The network on its device, batch norms folded into the convolutions before them; what was given is used up."""
    for module in list(network.modules()):
        if isinstance(module, DoubleConv):
            conv1, norm1, relu1, conv2, norm2, relu2 = module.double_conv
            module.double_conv = nn.Sequential(
                fuse_conv_bn_eval(conv1, norm1), relu1, fuse_conv_bn_eval(conv2, norm2), relu2
            )
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv3d):
                setattr(module, name, _by_one_dnn(child))
    # from the first convolution on, features lie in memory channels last
    network.inc.to(memory_format=torch.channels_last_3d)
    return ReadyNetwork(network).to(device)


def _by_one_dnn(conv: nn.Conv3d) -> OneDNNConv3d:
    with torch.device("meta"):
        fast = OneDNNConv3d(
            conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding, bias=conv.bias is not None
        )
    fast.load_state_dict(conv.state_dict(), assign=True)
    return fast.eval()


def step_bytes(shape: Shape, width: int, classes: int, device: str) -> float:
    """Most memory that a step over a tile needs at the same time, beside the weights.

    The features of the first stage and of those below it, the logits, and what the slab at work holds.
    """
    voxels = prod(shape)
    slab = min(SLAB_BYTES[device], voxels * 3 * width * 4)
    return voxels * (7 * width + 4 * classes) + 3 * slab


@dataclass(frozen=True)
class _Part:
    """Features (1, C, d, h, w) of the part of a stage, itself of a size, that lies in a box of its indices."""

    features: Tensor
    box: Box
    size: Shape


@dataclass(frozen=True)
class _Doubling:
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


def _doublings(up: Up, inner: Shape, outer: Shape) -> list[_Doubling]:
    """Along each axis, of a stage whose input and skip have these sizes."""
    if isinstance(up, ZoomUp):
        return [_Doubling(n, ceil(n / 2), True) for n in inner]
    return [_Doubling(n, -((m - 2 * n) // 2), up.align_corners) for n, m in zip(inner, outer, strict=True)]


class _Held:
    """Memory for features that is kept from frame to frame: taken anew each time, it would fall to pieces."""

    def __init__(self):
        self._tensors: dict[str, Tensor] = {}

    def take(self, purpose: str, count: int, like: Tensor) -> Tensor:
        """So many numbers, of what the purpose has had before; they hold anything."""
        held = self._tensors.get(purpose)
        if held is None or held.numel() < count or held.device != like.device or held.dtype != like.dtype:
            self._tensors.pop(purpose, None)
            held = self._tensors[purpose] = like.new_empty(count)
        return held[:count]


class ReadyNetwork(nn.Module):
    """What `CLSTMUNet4D.step` and `remember` compute, from its folded convolutions."""

    def __init__(self, network: CLSTMUNet4D):
        super().__init__()
        self.network = network
        self._held = _Held()

    def step(self, frame: Tensor, state: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Read one frame with the memory of the frames before it.

        Args:
            frame: (1, C, D, H, W), every spatial size at least 8.
            state: what the step before returned; None for an empty memory.

        Returns:
            Logits (1, classes, D, H, W), and the state: (h, c) a layer at 1/8 resolution.
        """
        network = self.network
        (x1, x2, x3), memory, state = self._encode(frame, state)
        stages = [(network.up1, x3), (network.up2, x2), (network.up3, x1)]
        if network.up4 is not None:
            stages.append((network.up4, x1))
        x = _Part(memory, _whole(_size_of(memory)), _size_of(memory))
        for n, ((up, skip), wanted) in enumerate(zip(stages, _looked_at(stages, x.size), strict=True), start=1):
            x = self._up_stage(up, x, skip, wanted, network.outc if n == len(stages) else None)
        return x.features, state

    def remember(self, frame: Tensor, state: list[State] | None = None) -> list[State]:
        """The state that `step` would return, without computing its logits."""
        return self._encode(frame, state)[2]

    def _encode(self, frame: Tensor, state: list[State] | None) -> tuple[tuple[Tensor, ...], Tensor, list[State]]:
        network, size = self.network, _size_of(frame)

        def entering(box: Box, features: Tensor) -> None:
            features[...] = frame[_index(box)]

        x1 = self._held.take("first stage", prod(size) * network.inc.double_conv[2].out_channels, frame)
        x1 = _as_features(x1, _whole(size))
        self._by_slabs(network.inc, entering, _whole(size), size, x1)
        x2 = network.down1(x1)
        x3 = network.down2(x2)
        memory, state = network.clstm.step(network.down3(x3), state)
        return (x1, x2, x3), memory, state

    def _up_stage(self, up: Up, x: _Part, skip: Tensor, wanted: Box, then: OutConv | None) -> _Part:
        """The wanted part of what an up-stage makes of its input, of which it looks at a part, and the skip."""
        size, skipped = _size_of(skip), skip.shape[1]
        axes = _doublings(up, x.size, size)

        def entering(box: Box, features: Tensor) -> None:
            features[:, :skipped] = skip[_index(box)]
            _write_upsampled(axes, x, box, features[:, skipped:])

        channels = (up.conv.double_conv[2] if then is None else then.conv).out_channels
        result = _as_features(skip.new_empty(prod(_size(wanted)) * channels), wanted)
        self._by_slabs(up.conv, entering, wanted, size, result, then)
        return _Part(result, wanted, size)

    def _by_slabs(
        self,
        double: DoubleConv,
        entering: Callable[[Box, Tensor], None],
        wanted: Box,
        size: Shape,
        result: Tensor,
        then: OutConv | None = None,
    ) -> None:
        """Write the wanted part of a double convolution, slab by slab.

        Args:
            entering: writes the features of a box into (1, C, d, h, w).
            size: of the frame, around which there are zeros.
            result: (1, C, d, h, w) of the wanted part.
            then: what each slab goes through at its end.
        """
        conv1, _, conv2, _ = double.double_conv
        for slab in _slabs(wanted, max(conv1.in_channels, conv1.out_channels), result.device.type):
            inner = _grown(slab, 1, size)
            outer, around = _grown(inner, 1, size), _grown(inner, 1)
            room = self._held.take("slab", prod(_size(around)) * conv1.in_channels, result)
            features = _as_features(room, around)
            if outer != around:
                features.zero_()
            entering(outer, features[_index(outer, around)])
            x = conv1.padded(features, (0, 0, 0)).relu_()
            x = _convolved(conv2, x, inner, slab)
            result[_index(slab, wanted)] = x if then is None else then(x)


def _looked_at(stages: list[tuple[Up, Tensor]], inner: Shape) -> list[Box]:
    """What of each stage's result the stage after it looks at, up to the last, all of which is wanted."""
    inputs = [inner, *(_size_of(skip) for _, skip in stages[:-1])]
    boxes = [_whole(_size_of(stages[-1][1]))]
    for (up, skip), size in zip(stages[:0:-1], inputs[:0:-1], strict=True):
        entering = _grown(boxes[0], 2, _size_of(skip))
        axes = _doublings(up, size, _size_of(skip))
        boxes.insert(0, tuple(axis.seen(*edge) for axis, edge in zip(axes, entering, strict=True)))
    return boxes


def _write_upsampled(axes: list[_Doubling], x: _Part, box: Box, target: Tensor) -> None:
    """Up-sample to a box of the stage's indices, into (1, C, d, h, w); zeros where there is nothing."""
    ranges = [axis.there(*edge) for axis, edge in zip(axes, box, strict=True)]
    if tuple(ranges) != box:
        target.zero_()
        target = target[_index(ranges, box)]
    seen = tuple(axis.seen(*edge) for axis, edge in zip(axes, box, strict=True))
    values = x.features[_index(seen, x.box)][0].permute(1, 2, 3, 0)  # as it lies in memory
    for n, (axis, (start, stop)) in enumerate(zip(axes, ranges, strict=True)):
        if n == 2:
            doubled = target[0].permute(1, 2, 3, 0)
        else:
            doubled = values.new_empty((*values.shape[:n], stop - start, *values.shape[n + 1 :]))
        axis.double(values, n, start, stop, doubled)
        values = doubled


def _as_features(memory: Tensor, box: Box) -> Tensor:
    """(1, C, d, h, w) of a box, channels last, in as much memory as that takes."""
    return memory.view(1, *_size(box), -1).permute(0, 4, 1, 2, 3)


def _slabs(box: Box, channels: int, device: str) -> Iterator[Box]:
    """Slabs of even thickness across the longest edge of a box."""
    size = _size(box)
    axis = max(range(3), key=lambda a: size[a])
    # thinner than 8 rows, more would be computed twice than is won
    count = max(min(round(prod(size) * channels * 4 / SLAB_BYTES[device]), size[axis] // 8), 1)
    for n in range(count):
        start, stop = (box[axis][0] + k * size[axis] // count for k in (n, n + 1))
        yield (*box[:axis], (start, stop), *box[axis + 1 :])


def _convolved(conv: OneDNNConv3d, x: Tensor, given: Box, wanted: Box) -> Tensor:
    """Convolution 3x3x3 and ReLU from one box to another; zeros only where the frame ends."""
    padding, one_sided = [], []
    for (start, stop), (first, last) in zip(given, wanted, strict=True):
        before, after = start - first + 1, last + 1 - stop
        padding.append(before if before == after else 0)
        # functional.pad takes the last axis first
        one_sided = [*((0, 0) if before == after else (before, after)), *one_sided]
    if any(one_sided):
        x = functional.pad(x, one_sided)
    return conv.padded(x, tuple(padding)).relu_()


def _size_of(x: Tensor) -> Shape:
    return tuple(x.shape[2:])


def _whole(size: Shape) -> Box:
    return tuple((0, n) for n in size)


def _size(box: Box) -> Shape:
    return tuple(stop - start for start, stop in box)


def _grown(box: Box, rim: int, size: Shape | None = None) -> Box:
    """The box with a rim around; of a size given, no more than there is."""
    grown = tuple((start - rim, stop + rim) for start, stop in box)
    return grown if size is None else tuple((max(a, 0), min(b, n)) for (a, b), n in zip(grown, size, strict=True))


def _index(box: Box, within: Box = ((0, 0),) * 3) -> tuple[slice, ...]:
    """Of (B, C, D, H, W), what lies in a box; of features that begin where another box begins."""
    places = (slice(start - first, stop - first) for (start, stop), (first, _) in zip(box, within, strict=True))
    return (slice(None), slice(None), *places)
