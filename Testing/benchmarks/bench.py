"""Speed and memory of whole processes that segment with the same weights, frames and machine.

python -m benchmarks.bench --kind bundle --width 16 --frames 5 20 80    (in the folder Testing)
python -m benchmarks.bench --model cardiac-cine-lv --input CINE.seq.nrrd --contenders ours network window
"""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.boxes import Shape, read_shape
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import PALETTE, Segment
from CLSTMSegmentLib.engine.frame_grid import FrameGrid
from CLSTMSegmentLib.engine.intensity_window import find_intensity_window
from CLSTMSegmentLib.engine.preparation import prepare
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import load_model, write_bundle
from CLSTMSegmentLib.model.description import LOCATOR_PREFIX, Model
from CLSTMSegmentLib.model.published import PUBLISHED_PATCH
from CLSTMSegmentLib.model.rules import GeometryRule, IntensityRule, StateRule
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D

CONTENDERS = Path(__file__).resolve().with_name("contenders.py")
BARE_NETWORK = CONTENDERS.with_name("bare_network.py")


def parser() -> ArgumentParser:
    parser = ArgumentParser("bench", description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=["bundle", "published"], default="bundle", help="last stage of the network")
    parser.add_argument("--model", metavar="NAME|FOLDER", help="a model, instead of one with random weights")
    parser.add_argument("--input", type=Path, metavar="FILE", help="the sequence for --model, instead of noise")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda|cuda:1|mps")
    parser.add_argument("--width", type=int, default=16, help="width of the network (default: 16)")
    parser.add_argument("--frames", type=int, nargs="+", default=[20], help="numbers of frames (default: 20)")
    parser.add_argument("--size", type=read_shape, default=(24, 176, 176), metavar="D,H,W", help="size of a frame")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default: 3)")
    parser.add_argument(
        "--contenders", nargs="+", default=["ours", "ours-windows", "window"], metavar="NAME",
        help="ours, ours-windows (with the tiles of the sliding window), ours-bfloat16 (or another precision), "
        "network (the steps of our network and nothing else), window (MONAI's sliding window, time folded into "
        "channels), window-per-frame (a process for each frame), forward (the whole stack at once)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="JSON", help="write all figures")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw time and memory against the frames")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the labels of each contender")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run the contenders in turns, and print the figures of each beside ours."""
    top = parser()
    options = top.parse_args(arguments)
    if (options.model is None) != (options.input is None):
        top.error("give --model and --input together")
    if options.model is not None:
        options.frames = [len(read_sequence(options.input))]
    results = []
    for count in options.frames:
        with tempfile.TemporaryDirectory() as folder:
            results.append(compare(options, count, Path(folder)))
        print(table(results[-1]))
    if options.picture is not None:
        from benchmarks.speed_picture import draw_speeds  # needs matplotlib

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
    """Return seconds and peak memory of each contender: all figures, medians, and ratios to ours of the same round."""
    if options.model is None:
        model = random_model(options.kind, options.width)
        write_bundle(model, model.weights, folder / "model")
        write_noise(folder / "input.seq.nrrd", count, options.size)
        work = Work(folder, str(folder / "model"), folder / "input.seq.nrrd", folder / "input.seq.nrrd")
    else:
        work, model, options.size = real_work(options.model, options.input, folder)
    tile = model.geometry.patch or (options.size[0], 64, 64)
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(options.rounds):
        # the order changes, so that no contender is always the first or the last
        names = options.contenders[number % 2 :] + options.contenders[: number % 2]
        rounds.append({name: one_run(name, work, tile, options.device) for name in names})
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
        "kind": options.model or options.kind,
        "device": options.device,
        "width": model.network.width,
        "frames": count,
        "size": options.size,
        "window": tile,
        "rounds": rounds,
        "contenders": contenders,
    }


@dataclass(frozen=True)
class Work:
    """What the contenders segment.

    Attributes:
        folder: for their results; its folder `model` is the network that the other contenders use.
        model: the model that ours uses.
        input: the sequence that ours reads.
        on_grid: the sequence on the model's own grid, which the other contenders read.
    """

    folder: Path
    model: str
    input: Path
    on_grid: Path


def real_work(name: str, source: Path, folder: Path) -> tuple[Work, Model, Shape]:
    """Prepare a model and a sequence for the contenders; return the work, the model and the size of a frame.

    The others have no locator, and read whole frames on the model's grid, scaled: none of this counts as their time.
    """
    model, frames = load_model(name), read_sequence(source)
    if model.locator is not None:
        weights = {key: w for key, w in model.stored_weights().items() if not key.startswith(LOCATOR_PREFIX)}
        write_bundle(replace(model, locator=None, weights=weights), weights, folder / "model")
    else:
        write_bundle(model, model.stored_weights(), folder / "model")
    window = find_intensity_window(model.intensity, (sitk.GetArrayFromImage(frame.image) for frame in frames))
    volumes = [prepare(frame.image, FrameGrid(frame.image, model.geometry), window).volume for frame in frames]
    images = [sitk.GetImageFromArray(volume.transpose(2, 1, 0)) for volume in volumes]  # i, j, k are D, H, W
    write_sequence(folder / "on-grid.seq.nrrd", SequenceIndex([str(n) for n in range(len(images))]), images)
    return Work(folder, name, source, folder / "on-grid.seq.nrrd"), model, volumes[0].shape


def one_run(name: str, work: Work, tile: Shape, device: str) -> dict[str, float]:
    """Run a contender in a process of its own; return its seconds, those in the network, and peak memory in MiB.

    The seconds of `network` are only those in the network.
    """
    target, report = work.folder / f"{name}.seq.nrrd", work.folder / "report.json"
    if name.startswith("ours"):
        command = [sys.executable, "-m", "CLSTMSegmentLib", "segment", work.input, "-o", target]
        command += ["--model", work.model, "--device", device, "--report", report, "--quiet"]
        if name == "ours-windows":
            command += ["--tile", ",".join(map(str, tile))]
        elif name != "ours":
            command += ["--precision", name.removeprefix("ours-")]
    elif name == "network":
        command = [sys.executable, BARE_NETWORK, work.model, work.input, "--device", device]
    else:
        command = [sys.executable, CONTENDERS, name, work.folder / "model", work.on_grid, target, "--device", device]
        command += ["--window", *map(str, tile)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    if name.startswith("ours"):
        figures = json.loads(report.read_text(encoding="utf-8"))
        return {"seconds": seconds, "network": figures["seconds"]["network"], "peak": figures["peak_memory_mib"]}
    figures = json.loads(done.stdout.splitlines()[-1])
    network = figures["network_seconds"]
    return {
        "seconds": network if name == "network" else seconds,
        "network": network,
        "peak": figures["peak_bytes"] / 2**20,
    }


def random_model(kind: str, width: int) -> Model:
    """Return a model of random weights on the frame's own grid, whose batch norms have seen noise."""
    torch.manual_seed(0)
    published = kind == "published"
    options = NetworkOptions(
        classes=1 if published else 3,
        width=width,
        last_stage="published" if published else "none",
        align_corners=published,
    )
    network = CLSTMUNet4D(options)
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
        state=StateRule("carry"),
        weights=network.state_dict(),
    )


def write_noise(path: Path, count: int, size: Shape) -> None:
    """Write smooth noise that moves, as a .seq.nrrd whose index axes i, j, k are D, H, W."""
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=size[::-1]).astype(np.float32))
    frame = sitk.Cast(sitk.RescaleIntensity(sitk.SmoothingRecursiveGaussian(noise, 2.0), 0, 255), sitk.sitkUInt8)
    voxels = sitk.GetArrayViewFromImage(frame)
    moved = [sitk.GetImageFromArray(np.roll(voxels, n, 1)) for n in range(count)]
    write_sequence(path, SequenceIndex([str(n) for n in range(count)]), moved)


def table(result: dict) -> str:
    """Return the figures of a comparison, a line for each contender."""
    size = " x ".join(map(str, result["size"]))
    lines = [f"{result['kind']}, w = {result['width']}, {result['frames']} frames of {size}, {result['device']}"]
    for name, figures in result["contenders"].items():
        lines.append(
            f"  {name:18} {figures['seconds']:8.1f} s ({figures['seconds_to_ours']:5.2f} x ours), in the network "
            f"{figures['network']:8.1f} s, peak {figures['peak']:7.0f} MiB ({figures['peak_to_ours']:5.2f} x ours)"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
