"""`clstm-segment demo`: a moving phantom heart, or a file of the caller's, segmented and shown."""

import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..cli import segment
from ..core.sequence import SegmentedFrame, SequenceIndex
from ..evaluation.metrics import dice
from ..io.sequence_nrrd import write_sequence
from ..model.bundle import load_model
from ..phantoms.heart import heart_sequence

SEED = 4
MODEL = "cardiac-cine-lv"


def run(options: Namespace) -> None:
    """Segment with the bundled heart model on the CPU; write into `options.out` and say how it went."""
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    source, truth = options.input, []
    if source is None:
        source = out / "phantom.seq.nrrd"
        truth = write_phantom(source)
    name = source.name.split(".")[0]
    files = {
        "output": out / f"{name}-segmentation.seq.mrb",
        "measurements": out / f"{name}-volumes.csv",
        "preview": out / f"{name}.png",
        "report": out / f"{name}-report.json",
    }
    segments, overlaps = load_model(MODEL).segments, []

    def compare(result: SegmentedFrame) -> None:
        if truth:
            overlaps.append([dice(result.labels, truth[result.number], n) for n, _ in enumerate(segments, start=1)])

    began = time.perf_counter()
    report = segment.run(segment.options_for(source, model=MODEL, device="cpu", **files), compare)
    took = time.perf_counter() - began
    print(f"{source}: {report['frames']} frames in {took:.1f} s, peak memory {report['peak_memory_mib']} MiB")
    if overlaps:
        for found, values in zip(segments, np.transpose(overlaps), strict=True):
            print(f"{found.name}: Dice {values.mean():.3f} (least {values.min():.3f}) against the truth")
    for path in files.values():
        print(path)


def write_phantom(path: Path) -> list[sitk.Image]:
    """Write the demo's 20-frame oblique phantom as .seq.nrrd; returns its true labels."""
    cine, truth = heart_sequence(SEED)
    index = SequenceIndex([frame.index_value for frame in cine], "time", "ms")
    write_sequence(path, index, [frame.image for frame in cine])
    return truth
