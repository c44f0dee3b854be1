"""Fast inference: a trained network computes the same function in less time and memory, but can no longer be trained.

Most time and memory is spent in the stages at full resolution. These stages are computed in slabs: only a few rows of
up-sampled, concatenated and convolved features exist at the same time. Each stage computes only the voxels that later
stages read. The last stage of the published network, for example, enlarges the central half of its input and ignores
the rest.
"""

from collections.abc import Callable, Iterator
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..core.boxes import Box, Shape, full_box, index_of, size_of, with_margin
from .cells import State
from .options import NetworkOptions
from .unet import CLSTMUNet4D, DoubleConv, OutConv, Up
from .upsampling import Part, axis_upsamplings, write_upsampled

SLAB_BYTES = {"cpu": 12 * 2**20, "cuda": 2**28, "mps": 2**27}
"""Bytes of input features of a slab, by type of device. On a CPU the features should fit into its cache."""

WEIGHTS_PER_CHUNK = 2**24
"""Largest number of weights of a convolution that oneDNN gets at once: it copies them into an order of its own."""


class OneDNNConv3d(nn.Conv3d):
    """A convolution that always uses oneDNN on a CPU.

    PyTorch itself uses oneDNN only for batches and for large images. Streaming needs one frame at 1/2 to 1/8 of its
    resolution, for which PyTorch chooses an algorithm that is several times slower.
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.padded(x, self.padding)

    def padded(self, x: Tensor, padding: tuple[int, int, int]) -> Tensor:
        """Return the convolution of x (B, C, D, H, W) with another zero padding than usual, along D, H and W."""
        if not x.is_cpu or not torch.backends.mkldnn.is_available():
            return functional.conv3d(x, self.weight, self.bias, self.stride, padding)
        outputs = [
            torch.mkldnn_convolution(x, weight, bias, padding, self.stride, self.dilation, self.groups)
            for weight, bias in zip(*self._chunks(), strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def _chunks(self) -> tuple[list[Tensor], list[Tensor | None]]:
        """Return the weights and biases in chunks along the output channels."""
        count = ceil(self.weight.numel() / WEIGHTS_PER_CHUNK)
        biases = [None] * count if self.bias is None else self.bias.chunk(count)
        return self.weight.chunk(count), biases


def inference_network(
    network: CLSTMUNet4D, device: torch.device, dtype: torch.dtype = torch.float32
) -> "InferenceNetwork":
    """Move a network to a device for inference, with its batch norms folded into the convolutions before them.

    Args:
        network: in eval mode. Its modules are changed and become part of the result: do not use it afterwards.
        device: where to compute.
        dtype: of weights and features. The first convolution, whose rounding to bfloat16 changed the labels more than
            all other convolutions together, the cell state c and the logits are always float32.
    """
    for module in list(network.modules()):
        if isinstance(module, DoubleConv):
            conv1, norm1, relu1, conv2, norm2, relu2 = module.double_conv
            module.double_conv = nn.Sequential(
                fuse_conv_bn_eval(conv1, norm1), relu1, fuse_conv_bn_eval(conv2, norm2), relu2
            )
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv3d):
                setattr(module, name, _with_onednn(child))
    # all features after the first convolution are stored with the channels last, too
    network.inc.to(memory_format=torch.channels_last_3d)
    if device.type == "cuda":  # cuDNN would copy other weights into this order in every step
        network.to(memory_format=torch.channels_last_3d)
    exact = (network.inc.double_conv[0], network.outc.conv)
    for module in network.modules():
        if isinstance(module, OneDNNConv3d) and module not in exact:
            module.to(dtype)
    return InferenceNetwork(network).to(device)


def _with_onednn(conv: nn.Conv3d) -> OneDNNConv3d:
    with torch.device("meta"):
        fast = OneDNNConv3d(
            conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding, bias=conv.bias is not None
        )
    fast.load_state_dict(conv.state_dict(), assign=True)
    return fast.eval()


def step_bytes(tile: Shape, options: NetworkOptions, device: str, dtype: torch.dtype) -> float:
    """Return the peak memory in bytes of `InferenceNetwork.step` for one tile, in addition to the weights.

    It holds the features of the encoder, the logits, and the features of one slab.

    Args:
        tile: size (D, H, W) of the tile.
        options: options of the network.
        device: "cpu", "cuda" or "mps".
        dtype: of weights and features.
    """
    voxels, width, classes, size = prod(tile), options.width, options.classes, dtype.itemsize
    slab = min(SLAB_BYTES[device], voxels * 3 * width * size)
    # the number of voxels of each stage, in voxels of the frame
    _, second, third, bottleneck = (1 / prod(map(prod, options.poolings[:stage])) for stage in range(4))
    # While the last stage is computed, there are the features of the encoder (w, 2w and 4w channels), those of the
    # decoder's second stage (2w), and the state (twice 8w). An allocator adds about a tenth.
    features = 1.1 * size * width * (1 + (2 + 2) * second + 4 * third + 2 * 8 * bottleneck)
    return voxels * (features + 4 * classes) + 3 * slab


class _ReusedBuffers:
    """Buffers for features, reused for every frame: allocating them for each frame would fragment the memory."""

    def __init__(self):
        self._buffers: dict[tuple, Tensor] = {}

    def get(self, name: str, count: int, like: Tensor) -> Tensor:
        """Return `count` uninitialised numbers of the named buffer, with the type and device of another tensor.

        The buffer grows when it is too small. Whoever asks for the same name again gets the same memory.
        """
        key = name, like.dtype, like.device
        buffer = self._buffers.get(key)
        if buffer is None or buffer.numel() < count:
            self._buffers.pop(key, None)  # frees the old buffer before the new one is allocated
            buffer = self._buffers[key] = like.new_empty(count)
        return buffer[:count]


class InferenceNetwork(nn.Module):
    """The functions `step` and `update_state` of a `CLSTMUNet4D`, computed from its folded convolutions.

    Args:
        network: with folded convolutions, see `inference_network`.
    """

    def __init__(self, network: CLSTMUNet4D):
        super().__init__()
        self.network = network
        self._reused = _ReusedBuffers()

    def step(self, frame: Tensor, state: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Segment one frame, given the recurrent state after the previous frame.

        Args:
            frame: (B, C, D, H, W); D, H and W are at least the strides of the network's options.
            state: the state that the previous step returned; None for an empty state.

        Returns:
            Logits (B, classes, D, H, W) in float32, and the new state: (h, c) of each CLSTM layer, smaller by the
            strides.
        """
        network = self.network
        (x1, x2, x3), hidden, state = self._encode(frame, state)
        stages = [(network.up1, x3), (network.up2, x2), (network.up3, x1)]
        if network.up4 is not None:
            stages.append((network.up4, x1))
        x = Part(hidden, full_box(_spatial(hidden)), _spatial(hidden))
        boxes = _output_boxes(stages, x.size)
        for (up, skip), box in zip(stages[:-1], boxes[:-1], strict=True):
            x = self._decode(up, x, skip, box)
        up, skip = stages[-1]
        return self._decode(up, x, skip, boxes[-1], network.outc).features, state

    def update_state(self, frame: Tensor, state: list[State] | None = None) -> list[State]:
        """Return the state that `step` returns, without computing logits."""
        return self._encode(frame, state)[2]

    def release_buffers(self) -> None:
        """Free the buffers that are kept from frame to frame, before smaller tiles are used."""
        self._reused = _ReusedBuffers()

    def _encode(self, frame: Tensor, state: list[State] | None) -> tuple[tuple[Tensor, ...], Tensor, list[State]]:
        """Return the features for the skip connections, the hidden state of the top CLSTM layer, and the new state."""
        network, size = self.network, _spatial(frame)

        def write_input(box: Box, features: Tensor) -> None:
            features[...] = frame[index_of(box)]

        weight = network.inc.double_conv[2].weight
        x1 = self._reused.get("first stage", len(frame) * prod(size) * len(weight), weight)
        x1 = _as_features(x1, len(frame), full_box(size))
        self._convolve_in_slabs(network.inc, write_input, Part(x1, full_box(size), size))
        x2 = network.down1(x1)
        x3 = network.down2(x2)
        hidden, state = network.clstm.step(network.down3(x3), state)
        return (x1, x2, x3), hidden, state

    def _decode(self, up: Up, x: Part, skip: Tensor, box: Box, out_conv: OutConv | None = None) -> Part:
        """Compute a box of the output of a decoder stage.

        Args:
            up: the stage.
            x: its input, at least the part that the box depends on.
            skip: the features of its skip connection, (B, C, D, H, W).
            box: index ranges in its output.
            out_conv: applied to the output of the last stage.
        """
        size, skip_channels = _spatial(skip), skip.shape[1]
        axes = axis_upsamplings(up, x.size, size)

        def write_input(box: Box, features: Tensor) -> None:
            features[:, :skip_channels] = skip[index_of(box)]
            write_upsampled(axes, x, box, features[:, skip_channels:])

        channels = (up.conv.double_conv[2] if out_conv is None else out_conv.conv).out_channels
        dtype = skip.dtype if out_conv is None else torch.float32
        buffer = skip.new_empty(len(skip) * prod(size_of(box)) * channels, dtype=dtype)
        features = _as_features(buffer, len(skip), box)
        output = Part(features, box, size)
        self._convolve_in_slabs(up.conv, write_input, output, out_conv)
        return output

    def _convolve_in_slabs(
        self,
        double: DoubleConv,
        write_input: Callable[[Box, Tensor], None],
        output: Part,
        out_conv: OutConv | None = None,
    ) -> None:
        """Compute a double convolution slab by slab.

        Args:
            double: the convolutions.
            write_input: called as `write_input(box, features)`; writes the input of a box into (B, C, d, h, w).
            output: the part of the stage to compute; its features are overwritten. Outside the stage, the input is 0.
            out_conv: applied to each slab at its end.
        """
        conv1, _, conv2, _ = double.double_conv
        margins, like, batch = conv1.padding, conv1.weight, len(output.features)
        voxel_bytes = batch * max(conv1.in_channels, conv1.out_channels) * like.itemsize
        for slab in _slabs(output.box, voxel_bytes, like.device.type):
            between = with_margin(slab, margins, output.size)
            inside, padded = with_margin(between, margins, output.size), with_margin(between, margins)
            buffer = self._reused.get("slab", batch * prod(size_of(padded)) * conv1.in_channels, like)
            features = _as_features(buffer, batch, padded)
            if inside != padded:
                features.zero_()
            write_input(inside, features[index_of(inside, padded)])
            x = conv1.padded(features, (0, 0, 0)).relu_().to(conv2.weight.dtype)
            x = _convolved(conv2, x, between, slab)
            output.features[index_of(slab, output.box)] = x if out_conv is None else out_conv(x.float())


def _output_boxes(stages: list[tuple[Up, Tensor]], input_size: Shape) -> list[Box]:
    """Return the box of each decoder stage's output that must be computed: all of the last, of others what is read.

    Args:
        stages: the stages in their order, each with the features of its skip connection.
        input_size: size (D, H, W) of the input of the first stage.
    """
    input_sizes = [input_size, *(_spatial(skip) for _, skip in stages[:-1])]
    boxes = [full_box(_spatial(stages[-1][1]))]
    for (up, skip), size in zip(stages[:0:-1], input_sizes[:0:-1], strict=True):
        margins = tuple(2 * n for n in up.conv.double_conv[0].padding)  # of both convolutions
        convolved = with_margin(boxes[0], margins, _spatial(skip))
        axes = axis_upsamplings(up, size, _spatial(skip))
        boxes.insert(0, tuple(axis.source_range(*edge) for axis, edge in zip(axes, convolved, strict=True)))
    return boxes


def _as_features(buffer: Tensor, batch: int, box: Box) -> Tensor:
    """Return a view of a buffer as features (B, C, d, h, w) of a box, stored with the channels last."""
    return buffer.view(batch, *size_of(box), -1).permute(0, 4, 1, 2, 3)


def _slabs(box: Box, voxel_bytes: int, device: str) -> Iterator[Box]:
    """Yield slabs of even thickness that divide a box across its longest edge."""
    size = size_of(box)
    axis = max(range(3), key=lambda a: size[a])
    # neighbouring slabs compute the rows at their border twice, which costs too much in slabs of fewer than 8 rows
    count = max(min(round(prod(size) * voxel_bytes / SLAB_BYTES[device]), size[axis] // 8), 1)
    for n in range(count):
        start, stop = (box[axis][0] + k * size[axis] // count for k in (n, n + 1))
        yield (*box[:axis], (start, stop), *box[axis + 1 :])


def _convolved(conv: OneDNNConv3d, x: Tensor, input_box: Box, output_box: Box) -> Tensor:
    """Return convolution and ReLU of the features of one box for another; zeros are added at the stage's end."""
    padding, one_sided = [], []
    for (start, stop), (first, last), margin in zip(input_box, output_box, conv.padding, strict=True):
        before, after = start - first + margin, last + margin - stop
        padding.append(before if before == after else 0)
        # functional.pad takes the last axis first
        one_sided = [*((0, 0) if before == after else (before, after)), *one_sided]
    if any(one_sided):
        x = functional.pad(x, one_sided)
    return conv.padded(x, tuple(padding)).relu_()


def _spatial(x: Tensor) -> Shape:
    return tuple(x.shape[2:])
