"""A trained network made ready to run: the same function in less time and memory, and no longer trainable.

The full-resolution stages are where time and memory go. They run in slabs, of which each holds up-sampled,
concatenated and convolved features of a few rows only, and only as far as later stages look: the published
last stage, for one, enlarges the middle half of what comes before it and sees nothing of the rest.
"""

from collections.abc import Callable, Iterator
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..core.boxes import Box, Shape, grown, index_of, size_of, whole
from .cells import State
from .unet import CLSTMUNet4D, DoubleConv, OutConv, Up
from .upsampling import Part, doublings, write_upsampled

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
        x = Part(memory, whole(_spatial(memory)), _spatial(memory))
        for n, ((up, skip), wanted) in enumerate(zip(stages, _looked_at(stages, x.size), strict=True), start=1):
            x = self._up_stage(up, x, skip, wanted, network.outc if n == len(stages) else None)
        return x.features, state

    def release_memory(self) -> None:
        """Give back what is kept from frame to frame, for tiles that will be smaller."""
        self._held = _Held()

    def remember(self, frame: Tensor, state: list[State] | None = None) -> list[State]:
        """The state that `step` would return, without computing its logits."""
        return self._encode(frame, state)[2]

    def _encode(self, frame: Tensor, state: list[State] | None) -> tuple[tuple[Tensor, ...], Tensor, list[State]]:
        network, size = self.network, _spatial(frame)

        def entering(box: Box, features: Tensor) -> None:
            features[...] = frame[index_of(box)]

        x1 = self._held.take("first stage", prod(size) * network.inc.double_conv[2].out_channels, frame)
        x1 = _as_features(x1, whole(size))
        self._by_slabs(network.inc, entering, whole(size), size, x1)
        x2 = network.down1(x1)
        x3 = network.down2(x2)
        memory, state = network.clstm.step(network.down3(x3), state)
        return (x1, x2, x3), memory, state

    def _up_stage(self, up: Up, x: Part, skip: Tensor, wanted: Box, then: OutConv | None) -> Part:
        """The wanted part of what an up-stage makes of its input, of which it looks at a part, and the skip."""
        size, skipped = _spatial(skip), skip.shape[1]
        axes = doublings(up, x.size, size)

        def entering(box: Box, features: Tensor) -> None:
            features[:, :skipped] = skip[index_of(box)]
            write_upsampled(axes, x, box, features[:, skipped:])

        channels = (up.conv.double_conv[2] if then is None else then.conv).out_channels
        result = _as_features(skip.new_empty(prod(size_of(wanted)) * channels), wanted)
        self._by_slabs(up.conv, entering, wanted, size, result, then)
        return Part(result, wanted, size)

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
            inner = grown(slab, 1, size)
            outer, around = grown(inner, 1, size), grown(inner, 1)
            room = self._held.take("slab", prod(size_of(around)) * conv1.in_channels, result)
            features = _as_features(room, around)
            if outer != around:
                features.zero_()
            entering(outer, features[index_of(outer, around)])
            x = conv1.padded(features, (0, 0, 0)).relu_()
            x = _convolved(conv2, x, inner, slab)
            result[index_of(slab, wanted)] = x if then is None else then(x)


def _looked_at(stages: list[tuple[Up, Tensor]], inner: Shape) -> list[Box]:
    """What of each stage's result the stage after it looks at, up to the last, all of which is wanted."""
    inputs = [inner, *(_spatial(skip) for _, skip in stages[:-1])]
    boxes = [whole(_spatial(stages[-1][1]))]
    for (up, skip), size in zip(stages[:0:-1], inputs[:0:-1], strict=True):
        entering = grown(boxes[0], 2, _spatial(skip))
        axes = doublings(up, size, _spatial(skip))
        boxes.insert(0, tuple(axis.seen(*edge) for axis, edge in zip(axes, entering, strict=True)))
    return boxes


def _as_features(memory: Tensor, box: Box) -> Tensor:
    """(1, C, d, h, w) of a box, channels last, in as much memory as that takes."""
    return memory.view(1, *size_of(box), -1).permute(0, 4, 1, 2, 3)


def _slabs(box: Box, channels: int, device: str) -> Iterator[Box]:
    """Slabs of even thickness across the longest edge of a box."""
    size = size_of(box)
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


def _spatial(x: Tensor) -> Shape:
    return tuple(x.shape[2:])
