"""`clstm-segment bench`: whole process against whole process, on the same weights, frames and machine."""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk
import torch

from ..core.boxes import Shape
from ..core.errors import InputError
from ..core.segment import PALETTE, Segment
from ..core.sequence import SequenceIndex
from ..io.sequence_nrrd import write_sequence
from ..model.bundle import write_bundle
from ..model.description import Model
from ..model.published import PUBLISHED_PATCH
from ..model.rules import GeometryRule, IntensityRule, TimeRule
from ..network.unet import CLSTMUNet4D
from .segment import shape_option

CONTENDERS = Path(__file__).resolve().parents[3] / "Testing" / "benchmarks" / "contenders.py"


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("--kind", choices=["bundle", "published"], default="bundle", help="with which last stage")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda|cuda:1|mps")
    parser.add_argument("--width", type=int, default=16, help="of the network (default: 16)")
    parser.add_argument("--frames", type=int, nargs="+", default=[20], help="of the sequence (default: 20)")
    parser.add_argument("--size", type=shape_option, default=(24, 176, 176), metavar="D,H,W", help="of a frame")
    parser.add_argument("--rounds", type=int, default=3, help="in which all take their turn (default: 3)")
    parser.add_argument(
        "--contenders", nargs="+", default=["ours", "ours-windows", "window"], metavar="NAME",
        help="ours, ours-windows (with the window's tiles), window (MONAI's sliding window, time in channels), "
        "window-per-frame (a process each), forward (the whole stack at once)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="JSON", help="write all figures")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw time and memory against the frames")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what each contender found")


def run(options: Namespace) -> None:
    """Let the contenders run in turns, then print what each took beside ours.

    Raises:
        InputError: not in a clone of the repository, where the other contenders are.
    """
    if not CONTENDERS.is_file():
        raise InputError(f"bench needs {CONTENDERS}: run it in a clone of the repository")
    results = []
    for count in options.frames:
        with tempfile.TemporaryDirectory() as folder:
            results.append(compare(options, count, Path(folder)))
        print(table(results[-1]))
    if options.picture is not None:
        from ..report.speed_picture import draw_speeds

        draw_speeds(results, options.picture)
    if options.out is not None:
        machine = {
            "machine": f"{platform.system()}, {platform.machine()}, {torch.get_num_threads()} threads",
            "python": platform.python_version(),
            "torch": torch.__version__,
        }
        content = {"machine": machine, "results": results}
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def compare(options: Namespace, count: int, folder: Path) -> dict:
    """Seconds and peak memory of each contender: all figures, medians, and ratios to ours of the same round."""
    model = random_model(options.kind, options.width)
    write_bundle(model, model.weights, folder / "model")
    write_noise(folder / "input.seq.nrrd", count, options.size)
    window = PUBLISHED_PATCH if options.kind == "published" else (options.size[0], 64, 64)
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(options.rounds):
        # in another order each time: neither first nor last is always the same
        names = options.contenders[number % 2 :] + options.contenders[: number % 2]
        rounds.append({name: one_run(name, folder, window, options.device) for name in names})
    if options.keep is not None:
        for path in folder.glob("*.seq.nrrd"):
            shutil.copy(path, options.keep)
    contenders = {}
    for name in options.contenders:
        runs = [one[name] for one in rounds]
        contenders[name] = {key: median(run[key] for run in runs) for key in runs[0]} | {
            f"{key}_to_ours": median(one[name][key] / one["ours"][key] for one in rounds) for key in ("seconds", "peak")
        }
    return {
        "kind": options.kind,
        "device": options.device,
        "width": options.width,
        "frames": count,
        "size": options.size,
        "window": window,
        "rounds": rounds,
        "contenders": contenders,
    }


def one_run(name: str, folder: Path, window: Shape, device: str) -> dict[str, float]:
    """One contender in a process of its own: seconds of it all and in the network, and peak memory in MiB."""
    source, target = folder / "input.seq.nrrd", folder / f"{name}.seq.nrrd"
    report = folder / "report.json"
    if name.startswith("ours"):
        command = [sys.executable, "-m", "CLSTMSegmentLib", "segment", source, "-o", target]
        command += ["--model", folder / "model", "--device", device, "--report", report, "--quiet"]
        if name == "ours-windows":
            command += ["--tile", ",".join(map(str, window))]
    else:
        command = [sys.executable, CONTENDERS, name, folder / "model", source, target, "--device", device]
        command += ["--window", *map(str, window)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own programs
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    if name.startswith("ours"):
        said = json.loads(report.read_text(encoding="utf-8"))
        return {"seconds": seconds, "network": said["seconds"]["network"], "peak": said["peak_memory_mib"]}
    said = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": seconds, "network": said["network_seconds"], "peak": said["peak_bytes"] / 2**20}


def random_model(kind: str, width: int) -> Model:
    """A model of random weights on the frame's own grid, whose batch norms have seen noise."""
    torch.manual_seed(0)
    published = kind == "published"
    options = {
        "in_channels": 1,
        "classes": 1 if published else 3,
        "width": width,
        "last_stage": "published" if published else "none",
        "conv_bias": True,
        "align_corners": published,
    }
    network = CLSTMUNet4D(**options)
    with torch.no_grad():
        network(torch.rand(1, 3, 1, 16, 32, 32))
        network.eval().outc.conv.bias.zero_().sub_(network(torch.rand(1, 1, 1, 16, 32, 32)).mean((0, 1, 3, 4, 5)))
    return Model(
        name="bench",
        title="Random weights",
        segments=tuple(Segment(f"s{n}", f"s{n}", PALETTE[n]) for n in range(1 if published else 2)),
        network=options,
        activation="sigmoid" if published else "softmax",
        geometry=GeometryRule(patch=PUBLISHED_PATCH if published else None),
        intensity=IntensityRule(scale="min-max"),
        time=TimeRule("carry"),
        weights=network.state_dict(),
    )


def write_noise(path: Path, count: int, size: Shape) -> None:
    """Smooth noise that moves, as a .seq.nrrd whose index axes i, j, k are D, H, W."""
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=size[::-1]).astype(np.float32))
    frame = sitk.Cast(sitk.RescaleIntensity(sitk.SmoothingRecursiveGaussian(noise, 2.0), 0, 255), sitk.sitkUInt8)
    voxels = sitk.GetArrayViewFromImage(frame)
    moved = [sitk.GetImageFromArray(np.roll(voxels, n, 1)) for n in range(count)]
    write_sequence(path, SequenceIndex([str(n) for n in range(count)]), moved)


def table(result: dict) -> str:
    """The figures of a comparison, a line a contender."""
    size = " x ".join(map(str, result["size"]))
    lines = [f"{result['kind']}, w = {result['width']}, {result['frames']} frames of {size}, {result['device']}"]
    for name, figures in result["contenders"].items():
        lines.append(
            f"  {name:18} {figures['seconds']:8.1f} s ({figures['seconds_to_ours']:5.2f} x ours), in the network "
            f"{figures['network']:8.1f} s, peak {figures['peak']:7.0f} MiB ({figures['peak_to_ours']:5.2f} x ours)"
        )
    return "\n".join(lines)
