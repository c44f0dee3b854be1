"""Random weights in the layout of the published checkpoints (eksubin/CLSTM-Unet4D), and the logits of that network.

The logits are computed directly from the equations, without the modules of the package.
"""

import torch
from torch.nn import functional


def random_published_weights(
    width: int, classes: int, layers: int = 1, bilinear: bool = True
) -> dict[str, torch.Tensor]:
    """Return a state dict of random weights in the published layout.

    Args:
        width: channels of the first stage.
        classes: number of output channels.
        layers: number of CLSTM cells.
        bilinear: False for the published variant with transposed convolutions, which cannot run.
    """
    tensors: dict[str, torch.Tensor] = {}

    def convolution(name: str, inputs: int, outputs: int, kernel: int = 3) -> None:
        scale = (2 / (inputs * kernel**3)) ** 0.5
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs, kernel, kernel, kernel) * scale
        tensors[f"{name}.bias"] = torch.randn(outputs) * 0.1

    def double(name: str, inputs: int, outputs: int) -> None:
        for place, channels in ((0, inputs), (3, outputs)):
            convolution(f"{name}.double_conv.{place}", channels, outputs)
            norm = f"{name}.double_conv.{place + 1}"
            tensors[f"{norm}.weight"] = torch.rand(outputs) + 0.5
            tensors[f"{norm}.bias"] = torch.randn(outputs) * 0.1
            tensors[f"{norm}.running_mean"] = torch.randn(outputs) * 0.1
            tensors[f"{norm}.running_var"] = torch.rand(outputs) + 0.5
            tensors[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    w = width
    double("inc", 1, w)
    for n in (1, 2, 3):
        double(f"down{n}.maxpool_conv.1", w * 2 ** (n - 1), w * 2**n)
    for k in range(layers):
        convolution(f"clstm.lstm_cells.{k}.conv", 16 * w, 32 * w)
    for n, (inputs, outputs) in enumerate(((12 * w, 4 * w), (6 * w, 2 * w), (3 * w, w), (2 * w, w)), start=1):
        double(f"up{n}.conv", inputs, outputs)
        if not bilinear:
            tensors[f"up{n}.up.weight"] = torch.randn(inputs, inputs // 2, 2, 2, 2)
            tensors[f"up{n}.up.bias"] = torch.randn(inputs // 2)
    convolution("outc.conv", w, classes, kernel=1)
    return tensors


def published_logits(tensors: dict[str, torch.Tensor], stack: torch.Tensor) -> torch.Tensor:
    """Return the logits (B, T, classes, D, H, W) of a stack (B, T, 1, D, H, W) in eval mode.

    The last stage is computed as published: the whole volume is up-sampled to twice its size, and then cropped.
    """

    def double(name: str, x: torch.Tensor) -> torch.Tensor:
        for place in (0, 3):
            conv, norm = f"{name}.double_conv.{place}", f"{name}.double_conv.{place + 1}"
            x = functional.conv3d(x, tensors[f"{conv}.weight"], tensors[f"{conv}.bias"], padding=1)
            mean, var = (tensors[f"{norm}.running_{s}"][:, None, None, None] for s in ("mean", "var"))
            x = (x - mean) / torch.sqrt(var + 1e-5)
            x = x * tensors[f"{norm}.weight"][:, None, None, None] + tensors[f"{norm}.bias"][:, None, None, None]
            x = x.clamp(min=0)
        return x

    def up(name: str, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=True)
        d, h, w = (s - n for s, n in zip(skip.shape[2:], x.shape[2:], strict=True))
        x = functional.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2, d // 2, d - d // 2))
        return double(f"{name}.conv", torch.cat([skip, x], 1))

    layers = len({key.split(".")[2] for key in tensors if key.startswith("clstm.")})
    states: list = [None] * layers
    outputs = []
    for frame in stack.unbind(1):
        x1 = double("inc", frame)
        x2 = double("down1.maxpool_conv.1", functional.max_pool3d(x1, 2))
        x3 = double("down2.maxpool_conv.1", functional.max_pool3d(x2, 2))
        x = double("down3.maxpool_conv.1", functional.max_pool3d(x3, 2))
        for k in range(layers):
            h, c = states[k] if states[k] else (torch.zeros_like(x), torch.zeros_like(x))
            weight, bias = tensors[f"clstm.lstm_cells.{k}.conv.weight"], tensors[f"clstm.lstm_cells.{k}.conv.bias"]
            i, f, o, g = functional.conv3d(torch.cat([x, h], 1), weight, bias, padding=1).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            x = o.sigmoid() * c.tanh()
            states[k] = (x, c)
        x = up("up3", up("up2", up("up1", x, x3), x2), x1)
        if "up4.conv.double_conv.0.weight" in tensors:
            x = up("up4", x, x1)
        outputs.append(functional.conv3d(x, tensors["outc.conv.weight"], tensors["outc.conv.bias"]))
    return torch.stack(outputs, 1)
