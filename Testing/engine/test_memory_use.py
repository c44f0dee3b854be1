"""The memory that a run takes: as planned, and within the RAM limit."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.devices import has_bfloat16, precision_name
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.network.inference import step_bytes
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from conftest import REPOSITORY, smallModel

TOLERANCE = 0.15
SLICES_APART = {"kernels": ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)), "poolings": ((1, 2, 2),) * 3}
TILES = [
    (8, (48, 176, 176), {}),
    (16, (24, 176, 176), {}),
    (32, (48, 64, 64), {}),
    (8, (24, 176, 176), SLICES_APART),
    (16, (12, 176, 176), SLICES_APART),
]
LARGE_TILES = [
    (8, (64, 160, 160), {}),
    (8, (64, 192, 192), {}),
    (16, (48, 176, 176), {}),
    (16, (64, 96, 96), {}),
    (16, (96, 128, 128), {}),
    (16, (16, 256, 256), {}),
    (32, (48, 96, 96), {}),
    (32, (64, 64, 64), {}),
    (8, (48, 176, 176), SLICES_APART),
    (16, (24, 176, 176), SLICES_APART),
    (16, (16, 256, 256), SLICES_APART),
    (32, (12, 256, 256), SLICES_APART),
]
"""Width, tile, and kernels and poolings of each trial."""

PEAKS_OF_STEPS = """
import json, sys
from pathlib import Path
import torch
from CLSTMSegmentLib.core.memory import peak_memory
from CLSTMSegmentLib.network.inference import inference_network
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D

peaks = []
with torch.inference_mode():
    dtype = getattr(torch, sys.argv[2])
    for width, tile, shapes in json.loads(sys.argv[1]):
        shapes = {key: tuple(map(tuple, value)) for key, value in shapes.items()}
        options = NetworkOptions(classes=3, width=width, last_stage="none", align_corners=False, **shapes)
        network = inference_network(CLSTMUNet4D(options).eval(), torch.device("cpu"), dtype)
        _, state = network.step(torch.rand(1, 1, 16, 16, 16))
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak to the memory that is held now
        before = peak_memory()
        logits, _ = network.step(torch.rand(1, 1, *tile))
        peaks.append(peak_memory() - before)
        del network, state, logits
print(json.dumps(peaks))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux gives the peak of a single step")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.slow
@pytest.mark.parametrize("trials", [TILES, LARGE_TILES], ids=["small", "large"])
def test_step_takes_the_memory_for_which_tiles_are_planned(trials, dtype):
    if dtype == torch.bfloat16 and not has_bfloat16(torch.device("cpu")):
        pytest.skip("this CPU does not compute in bfloat16")
    # freed memory goes back to the system at once, so that the peak is the memory that is needed at the same time
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}

    done = subprocess.run(
        [sys.executable, "-c", PEAKS_OF_STEPS, json.dumps(trials), precision_name(dtype)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY / "CLSTMSegment",
        env=environment,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for (width, tile, shapes), peak in zip(trials, json.loads(done.stdout), strict=True):
        options = NetworkOptions(classes=3, width=width, last_stage="none", align_corners=False, **shapes)
        planned = step_bytes(tile, options, "cpu", dtype)
        assert planned == pytest.approx(peak, rel=TOLERANCE), f"w = {width}, {tile}, {shapes}"


def peak_of_a_run(folder, ram_gb):
    """Return the most bytes of RAM that a run with a RAM limit has held."""
    report = folder / f"{ram_gb}.json"
    arguments = ["segment", "in.seq.nrrd", "-o", "out.seq.nrrd", "--model", "model", "--device", "cpu", "--quiet"]
    arguments += ["--state", "reset", "--warm-up", "0", "--ram", ram_gb, "--report", report]
    done = subprocess.run(
        [sys.executable, "-m", "CLSTMSegmentLib", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "CLSTMSegment")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(report.read_text(encoding="utf-8"))["peak_memory_mib"] * 2**20


def test_run_stays_within_its_ram_limit(tmp_path):
    network = NetworkOptions(classes=3, width=16, last_stage="none", align_corners=False)
    write_bundle(replace(smallModel(), network=network), CLSTMUNet4D(network).state_dict(), tmp_path / "model")
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 200, (32, 160, 160), np.uint8))
    image.SetSpacing((4.0, 4.0, 8.0))
    write_sequence(tmp_path / "in.seq.nrrd", SequenceIndex(["0"], "time", "ms"), [image])

    limited, unlimited = peak_of_a_run(tmp_path, 0.5), peak_of_a_run(tmp_path, 8)

    assert limited <= 0.5e9 < unlimited
