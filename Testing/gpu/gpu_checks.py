"""The checks of `make gpu-check`. Each takes a device, so that the tests run them on the CPU, too, at small sizes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from unittest.mock import patch

import numpy as np
import SimpleITK as sitk
import torch
from benchmarks.bench import random_model
from benchmarks.contenders import PublishedNetwork, logits_of
from CLSTMSegmentLib.core.boxes import Shape
from CLSTMSegmentLib.core.errors import is_out_of_memory
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine import tiles
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.model.description import Model
from CLSTMSegmentLib.network.inference import InferenceNetwork, step_bytes
from CLSTMSegmentLib.phantoms.heart import heart_sequence

MOST_DIFFERING = 1e-3
"""Largest fraction of the voxels whose labels may differ from those of the CPU in float32."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        check: what was checked.
        found: what was found.
        good: whether it is as it should be; None for a figure that nothing is demanded of.
    """

    check: str
    found: str
    good: bool | None = None


@dataclass(frozen=True)
class Run:
    """What a run took: seconds, the most MiB of GPU memory (0 on a CPU), and its labels (T, D, H, W) by frame."""

    seconds: float
    mib: float
    labels: np.ndarray
    segmenter: Segmenter


def segmented(model: Model, frames: list[Frame], device: str, **settings: object) -> Run:
    """Segment frames on a device, after one frame that is not measured."""
    segmenter = Segmenter(model, RunSettings(device=device, **settings))
    list(segmenter.segment(frames[:1]))
    with measured(device) as figures:
        labels = np.stack([sitk.GetArrayFromImage(frame.labels) for frame in segmenter.segment(frames)])
    return Run(*figures, labels, segmenter)


@contextmanager
def measured(device: str) -> Iterator[list[float]]:
    """Give a list that gets the seconds of the block, and the most MiB of GPU memory in it."""
    figures: list[float] = []
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    yield figures
    if on_gpu:
        torch.cuda.synchronize(device)
    figures.append(time.perf_counter() - began)
    figures.append(torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else 0.0)


def noise_frames(count: int, size: Shape) -> list[Frame]:
    """Return frames of smooth noise that moves, whose index axes i, j, k are D, H, W."""
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=size[::-1]).astype(np.float32))
    voxels = sitk.GetArrayFromImage(sitk.RescaleIntensity(sitk.SmoothingRecursiveGaussian(noise, 2.0), 0, 255))
    return [Frame(sitk.GetImageFromArray(np.roll(voxels, n, 1)), str(n)) for n in range(count)]


def equality(device: str, frames: int = 5) -> Iterator[Row]:
    """Compare the labels of the heart model with those of the CPU in float32."""
    model = load_model("cardiac-cine-lv")
    phantom = heart_sequence(3, frames=frames, shape=(8, 96, 96), spacing=(8.0, 2.0, 2.0))[0]
    expected = segmented(model, phantom, "cpu", precision="float32").labels
    for precision in ("float32", "auto"):
        run = segmented(model, phantom, device, precision=precision)
        differing = float((run.labels != expected).mean())
        found = f"{run.segmenter.report.precision}: {100 * differing:.4f} % of the voxels differ"
        yield Row(f"labels as on the CPU, {precision}", found, differing < MOST_DIFFERING and bool(expected.any()))


def batching(device: str, width: int = 64, size: Shape = (64, 112, 112)) -> Iterator[Row]:
    """Compare tiles that are read at once with tiles that are read one by one."""
    model, frames = random_model("published", width), noise_frames(2, size)
    with patch.dict(tiles.AT_ONCE, {torch.device(device).type: 1}):
        single = segmented(model, frames, device)
    with patch.dict(tiles.AT_ONCE, {torch.device(device).type: 8}):
        batched = segmented(model, frames, device)
    differing = float((single.labels != batched.labels).mean())
    found = f"{100 * differing:.4f} % of the voxels differ, {single.seconds / batched.seconds:.2f} times as fast"
    yield Row(f"tiles read at once, {width=}", found, differing < MOST_DIFFERING)


def out_of_memory(device: str, size: Shape = (64, 192, 192), tile: Shape = (64, 96, 96)) -> Iterator[Row]:
    """Force a run out of memory, with hardly enough for a tile: it must go on with smaller ones, or on the CPU."""
    model = random_model("bundle", 16)
    limit = step_bytes(tile, model.network, torch.device(device).type, torch.float32)
    with short_of_memory(device, limit, tile):
        run = segmented(model, noise_frames(2, size), device, precision="float32")
    said = [text for text in run.segmenter.report.warnings if text.startswith("out of memory")]
    yield Row("out of memory", said[-1] if said else "no warning", bool(said) and len(run.labels) == 2)


@contextmanager
def short_of_memory(device: str, limit: float, tile: Shape) -> Iterator[None]:
    """Let a GPU have no more than a limit in bytes; on a CPU, let steps over more voxels than a tile has fail."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(device) + limit) / total, device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    step = InferenceNetwork.step

    def short(network: InferenceNetwork, x: torch.Tensor, state: list | None) -> tuple:
        if x.numel() > np.prod(tile):
            raise torch.OutOfMemoryError("out of memory")
        return step(network, x, state)

    with patch.object(InferenceNetwork, "step", short):
        yield


def planning(device: str, width: int, size: Shape, most_mib: float) -> Iterator[Row]:
    """Compare the planned memory of a frame in one tile with what it takes, and with what there may be."""
    model = random_model("bundle", width)
    run = segmented(model, noise_frames(1, size), device)
    report = run.segmenter.report
    dtype = getattr(torch, report.precision)
    planned = step_bytes(report.tile, model.network, torch.device(device).type, dtype) / 2**20
    found = f"{report.precision}, {report.tiles_per_frame} tile: {planned:.0f} MiB planned, {run.mib:.0f} MiB taken, "
    found += f"{run.seconds:.2f} s a frame"
    yield Row(f"whole frame of {size}, {width=}", found, report.tiles_per_frame == 1 and run.mib < most_mib)


def speed(device: str, kind: str, width: int, counts: list[int], size: Shape) -> Iterator[Row]:
    """Measure runs beside MONAI's sliding window and the whole stack at once, with the same weights and frames."""
    model = random_model(kind, width)
    window = list(model.geometry.patch or (size[0], 64, 64))
    plain = PublishedNetwork(asdict(model.network))
    plain.load_state_dict(model.weights)
    plain.eval().to(device)
    for count in counts:
        frames = noise_frames(count, size)
        what = f"{kind}, {width=}, {count} frames of {size}"
        ours = segmented(model, frames, device)
        network = ours.segmenter.report.seconds["network"]
        yield Row(
            what, f"ours, {ours.segmenter.report.precision}: {ours.seconds:.2f} s ({network:.2f} s), {ours.mib:.0f} MiB"
        )
        stack = torch.from_numpy(np.stack([sitk.GetArrayViewFromImage(frame.image).T / 255 for frame in frames]))
        for contender in ("window", "forward"):
            try:
                with measured(device) as figures:
                    logits_of(contender, plain, stack[None, :, None], window, device)
                found = (
                    f"{figures[0]:.2f} s, {figures[0] / network:.1f} times ours in the network, {figures[1]:.0f} MiB"
                )
            except ImportError as error:
                found = str(error)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                found = "out of memory"
            yield Row(what, f"{'MONAI window' if contender == 'window' else 'the whole stack'}: {found}")
