"""How much memory a run takes: as the plan says, and no more than it was told."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.network.inference import step_bytes
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from conftest import REPOSITORY, smallModel

TOLERANCE = 0.15
SHAPES = [
    (8, (48, 176, 176)),
    (8, (64, 160, 160)),
    (8, (64, 192, 192)),
    (16, (24, 176, 176)),
    (16, (48, 176, 176)),
    (16, (64, 96, 96)),
    (16, (96, 128, 128)),
    (16, (16, 256, 256)),
    (32, (48, 96, 96)),
    (32, (64, 64, 64)),
]
PEAKS = """
import json, sys
from pathlib import Path
import torch
from CLSTMSegmentLib.core.memory import peak_memory
from CLSTMSegmentLib.network.inference import inference_network
from CLSTMSegmentLib.network.unet import CLSTMUNet4D

peaks = []
with torch.inference_mode():
    for width, shape in json.loads(sys.argv[1]):
        network = CLSTMUNet4D(classes=3, width=width, last_stage="none", align_corners=False).eval()
        network = inference_network(network, torch.device("cpu"))
        _, state = network.step(torch.rand(1, 1, 16, 16, 16))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, at what is held now
        before = peak_memory()
        logits, _ = network.step(torch.rand(1, 1, *shape))
        peaks.append(peak_memory() - before)
        del network, state, logits
print(json.dumps(peaks))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a step alone")
def test_step_takes_the_memory_that_tiles_are_planned_with():
    arguments = [sys.executable, "-c", PEAKS, json.dumps(SHAPES)]
    # what is freed goes back to the system at once, so that the peak is what was needed at the same time
    told = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(
        arguments, capture_output=True, text=True, cwd=REPOSITORY / "CLSTMSegment", env=told, check=False
    )
    assert done.returncode == 0, done.stderr
    for (width, shape), peak in zip(SHAPES, json.loads(done.stdout), strict=True):
        planned = step_bytes(shape, width, 3, "cpu")
        assert planned == pytest.approx(peak, rel=TOLERANCE), f"w = {width}, {shape}"


def test_run_stays_within_the_memory_that_it_was_told(tmp_path):
    network = {"in_channels": 1, "classes": 3, "width": 16, "last_stage": "none", "align_corners": False}
    write_bundle(replace(smallModel(), network=network), CLSTMUNet4D(**network).state_dict(), tmp_path / "model")
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 200, (48, 160, 160), np.uint8))
    image.SetSpacing((4.0, 4.0, 8.0))
    write_sequence(tmp_path / "in.seq.nrrd", SequenceIndex(["0"], "time", "ms"), [image])
    peaks = {}
    for limit in (0.5, 8):
        report = tmp_path / f"{limit}.json"
        arguments = ["segment", "in.seq.nrrd", "-o", "out.seq.nrrd", "--model", "model", "--device", "cpu", "--quiet"]
        arguments += ["--time", "reset", "--prime", "0", "--memory", limit, "--report", report]
        command = [sys.executable, "-m", "CLSTMSegmentLib", *map(str, arguments)]
        path = {"PYTHONPATH": str(REPOSITORY / "CLSTMSegment")}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=path, check=False)
        assert done.returncode == 0, done.stderr
        peaks[limit] = json.loads(report.read_text(encoding="utf-8"))["peak_memory_mib"] * 2**20
    assert peaks[0.5] <= 0.5e9 < peaks[8]


def test_peak_memory_is_that_of_the_process_alone_however_large_the_one_that_started_it():
    held = np.ones(2**27)  # 1 GiB
    program = "from CLSTMSegmentLib.core.memory import peak_memory; print(peak_memory())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY / "CLSTMSegment", check=True
    )
    assert int(done.stdout) < held.nbytes
