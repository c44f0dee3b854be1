"""`clstm-segment demo`: segment a moving phantom heart, or a file of the user, and show the result."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.sequence import SegmentedFrame, SequenceIndex
from ..engine.settings import RunSettings
from ..evaluation.metrics import dice
from ..io.input_files import file_stem
from ..io.sequence_nrrd import write_sequence
from ..phantoms.heart import heart_sequence
from ..pipeline.output_paths import check_outputs, check_written_before, record_written, replacing_own
from ..pipeline.result_files import Outputs
from ..pipeline.segment_to_files import segment_to_files
from .progress_bar import progress_bar
from .run_options import path_in
from .terminal import show, show_flags, show_warnings

SEED = 4
"""Which random heart the phantom is."""


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "--out", type=path_in, default=Path("demo"), metavar="FOLDER", help="folder of the results (default: demo)"
    )
    parser.add_argument("--input", type=path_in, metavar="INPUT", help="a sequence to segment instead of the phantom")
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Segment with the default model on the CPU, write the results into a folder, and print a summary."""
    out: Path = options.out
    source = options.input or out / "phantom.seq.nrrd"
    name = file_stem(source)
    outputs = Outputs(
        labels=out / f"{name}-segmentation.seq.mrb",
        volumes=out / f"{name}-volumes.csv",
        preview=out / f"{name}.png",
        report=out / f"{name}-report.json",
    )
    written = outputs.paths() if options.input else [source, *outputs.paths()]
    check_outputs(written, inputs=[], own_folder=out)
    check_written_before(out, written, "demo")
    out.mkdir(parents=True, exist_ok=True)
    truth = [] if options.input else write_phantom(source)
    labels: list[SegmentedFrame] = []
    began = time.perf_counter()
    with progress_bar() as progress:
        result = segment_to_files(
            RunSettings(device="cpu"), source, outputs, progress, on_frame=labels.append if truth else None
        )
    seconds = time.perf_counter() - began
    record_written(out, outputs.paths())
    frames = len(result.curve.frames)
    show_warnings(result.report.warnings)
    show_flags(result.curve)
    show(f"{source}: {frames} frames in {seconds:.1f} s, peak memory {result.peak_memory_mib} MiB")
    for n, segment in enumerate(result.curve.segments if truth else (), start=1):
        values = np.array([dice(frame.labels, truth[frame.number], n) for frame in labels])
        show(f"{segment.name}: Dice {values.mean():.3f} (least {values.min():.3f}) against the truth")
    for path in (outputs.labels, outputs.volumes, outputs.preview, outputs.report):
        show(path)


def write_phantom(path: Path) -> list[sitk.Image]:
    """Write the phantom, 20 oblique frames, as .seq.nrrd, and return its true labels."""
    cine, truth = heart_sequence(SEED)
    index = SequenceIndex([frame.index_value for frame in cine], "time", "ms")
    with replacing_own(path, "demo") as partial:
        write_sequence(partial, index, [frame.image for frame in cine])
    return truth
