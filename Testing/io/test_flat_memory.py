"""The RAM of a run does not grow with the number of frames, in any format that is read and written frame by frame."""

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.model.rules import GeometryRule
from conftest import REPOSITORY, smallModel

pytestmark = pytest.mark.slow

VOXELS = np.random.default_rng(2).integers(0, 500, (16, 128, 256)).astype(np.int16)


def cine(path, count):
    """Write a sequence of frames of 1 MiB each."""
    frames = [sitk.GetImageFromArray(np.roll(VOXELS, t, axis=2)) for t in range(count)]
    if path.name.endswith(".seq.nrrd"):
        write_sequence(path, SequenceIndex([str(t) for t in range(count)]), frames)
    else:
        sitk.WriteImage(sitk.JoinSeries(frames), str(path), useCompression=path.suffix == ".gz")
    return path


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (".nii", ".nii.gz"),
        (".nii.gz", ".seq.nrrd"),
        (".mha", ".nii.gz"),
        (".nrrd", ".seq.nrrd"),
        (".seq.nrrd", ".nii.gz"),
    ],
)
def test_peak_memory_of_120_frames_is_that_of_30(source, target, tmp_path):
    model = smallModel(geometry=GeometryRule())
    write_bundle(model, model.weights, tmp_path / "model")
    peaks = {}

    for count in (30, 120):  # a process takes a little more RAM during its first frames
        path, report = cine(tmp_path / f"{count}{source}", count), tmp_path / f"{count}.json"
        command = [sys.executable, "-m", "CLSTMSegmentLib", "segment", path, "-o", tmp_path / f"out{count}{target}"]
        command += ["--model", tmp_path / "model", "--device", "cpu", "--report", report]
        subprocess.run(command, cwd=REPOSITORY / "CLSTMSegment", capture_output=True, check=True)
        peaks[count] = json.loads(report.read_text(encoding="utf-8"))["peak_memory_mib"]

    print(f"{source} to {target}: peak memory {peaks} MiB by frames")
    assert peaks[120] <= 1.05 * peaks[30]
