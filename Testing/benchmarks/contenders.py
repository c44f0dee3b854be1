"""Other ways to segment, each in a process of its own: sequence file in, label file out.

    python contenders.py KIND MODEL_FOLDER INPUT.seq.nrrd OUTPUT.nrrd [--window D H W] [--frame N]

KIND is "forward" (the published network, eksubin/CLSTM-Unet4D, reads the whole stack at once), "window" (MONAI's
sliding window around it, time folded into channels) or "window-per-frame" (the same with a process for each frame and
no recurrent state). The last line that is printed is JSON: seconds in the network, and the peak of memory in bytes.
"""

import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.memory import peak_memory
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional


def double_conv(inputs: int, outputs: int, kernel: Sequence[int], bias: bool) -> nn.Sequential:
    layers = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv3d(channels, outputs, tuple(kernel), padding=tuple(n // 2 for n in kernel), bias=bias),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class Part(nn.Module):
    """Names as in the published state dict."""

    def __init__(self, **children: nn.Module):
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)


class PublishedNetwork(nn.Module):
    """The published network, written plainly; without the last stage where a bundle has none.

    Args:
        options: the table `network` of a model.json.
    """

    def __init__(self, options: dict):
        super().__init__()
        w, bias, self.align_corners = options["width"], options["conv_bias"], options["align_corners"]
        kernels, poolings = options["kernels"], [tuple(factors) for factors in options["poolings"]]
        self.inc = Part(double_conv=double_conv(1, w, kernels[0], bias))
        for n in (1, 2, 3):
            block = Part(double_conv=double_conv(w * 2 ** (n - 1), w * 2**n, kernels[n], bias))
            setattr(self, f"down{n}", Part(maxpool_conv=nn.Sequential(nn.MaxPool3d(poolings[n - 1]), block)))
        size = options["lstm_kernel_size"]
        size = (size,) * 3 if isinstance(size, int) else tuple(size)
        cell = nn.Conv3d(16 * w, 32 * w, size, padding=tuple(n // 2 for n in size))
        self.clstm = Part(lstm_cells=nn.ModuleList([Part(conv=cell)]))
        ups = [(12 * w, 4 * w, 2), (6 * w, 2 * w, 1), (3 * w, w, 0)]
        ups += [(2 * w, w, 0)] * (options["last_stage"] == "published")
        for n, (inputs, outputs, stage) in enumerate(ups, start=1):
            setattr(self, f"up{n}", Part(conv=Part(double_conv=double_conv(inputs, outputs, kernels[stage], bias))))
        self.outc = Part(conv=nn.Conv3d(w, options["classes"], 1))
        self.factors = [tuple(map(float, poolings[stage])) for _, _, stage in ups]

    def forward(self, stack: torch.Tensor) -> torch.Tensor:
        """Return logits (B, T, classes, D, H, W) of a stack (B, T, C, D, H, W)."""
        h = c = None
        outputs = []
        for t in range(stack.shape[1]):
            x1 = self.inc.double_conv(stack[:, t])
            x2 = self.down1.maxpool_conv[1].double_conv(self.down1.maxpool_conv[0](x1))
            x3 = self.down2.maxpool_conv[1].double_conv(self.down2.maxpool_conv[0](x2))
            x = self.down3.maxpool_conv[1].double_conv(self.down3.maxpool_conv[0](x3))
            if h is None:
                h = c = torch.zeros_like(x)
            i, f, o, g = self.clstm.lstm_cells[0].conv(torch.cat([x, h], 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            x = h = torch.sigmoid(o) * torch.tanh(c)
            for n, (factors, skip) in enumerate(zip(self.factors, (x3, x2, x1, x1), strict=False), start=1):
                x = functional.interpolate(x, scale_factor=factors, mode="trilinear", align_corners=self.align_corners)
                pad = []
                for axis in (-1, -2, -3):
                    missing = skip.shape[axis] - x.shape[axis]
                    pad += [missing // 2, missing - missing // 2]
                x = getattr(self, f"up{n}").conv.double_conv(torch.cat([skip, functional.pad(x, pad)], 1))
            outputs.append(self.outc.conv(x))
        return torch.stack(outputs, 1)


def load(folder: Path) -> tuple[PublishedNetwork, str]:
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    network = PublishedNetwork(description["network"])
    network.load_state_dict({k: v.float() for k, v in load_file(folder / "weights.safetensors").items()})
    return network.eval(), description["activation"]


@torch.no_grad()
def logits_of(kind: str, network: PublishedNetwork, stack: torch.Tensor, window: list[int], device: str):
    """Return logits (T, classes, D, H, W) of a stack (1, T, 1, D, H, W) on the CPU; `window` is the size of a tile."""
    if kind == "forward":
        return network(stack.to(device))[0].cpu()
    from monai.inferers import sliding_window_inference

    def folded(x: torch.Tensor) -> torch.Tensor:
        return network(x[:, :, None]).flatten(1, 2)

    folded_logits = sliding_window_inference(
        stack[:, :, 0].to(device), window, 1, folded, overlap=0.25, mode="gaussian"
    )
    return folded_logits.unflatten(1, (stack.shape[1], -1))[0].cpu()


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("kind", choices=["forward", "window", "window-per-frame"])
    parser.add_argument("model", type=Path)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--window", type=int, nargs=3)
    parser.add_argument("--frame", type=int)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(options.input))).transpose(3, 2, 1, 0).astype(np.float32)
    if options.kind == "window-per-frame" and options.frame is None:
        print(json.dumps(in_processes(len(voxels))))
        return
    voxels = (voxels - voxels.min()) / max(voxels.max() - voxels.min(), 1)
    if options.frame is not None:
        voxels = voxels[options.frame : options.frame + 1]
    network, activation = load(options.model)
    network.to(options.device)
    stack = torch.from_numpy(voxels)[None, :, None]
    began = time.perf_counter()
    logits = logits_of(options.kind, network, stack, options.window, options.device)
    seconds = time.perf_counter() - began
    labels = logits.argmax(1) if activation == "softmax" else logits[:, 0] > 0
    sitk.WriteImage(sitk.GetImageFromArray(labels.to(torch.uint8).numpy()), str(options.output), useCompression=True)
    print(json.dumps({"network_seconds": seconds, "peak_bytes": peak_memory()}))


def in_processes(count: int) -> dict:
    """Run a process for each frame; return the seconds of all of them, and the largest peak."""
    runs = []
    for number in range(count):
        command = [sys.executable, *sys.argv, "--frame", str(number)]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {
        "network_seconds": sum(one["network_seconds"] for one in runs),
        "peak_bytes": max(one["peak_bytes"] for one in runs),
    }


if __name__ == "__main__":
    main()
