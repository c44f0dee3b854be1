"""`clstm-segment segment`: a sequence file in, a label sequence, volumes, picture and report out."""

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from ..core.atomic_write import replacing
from ..core.boxes import Shape, read_shape
from ..core.errors import InputError
from ..core.memory import peak_memory
from ..core.sequence import SegmentedFrame
from ..engine.measuring import volumes_ml
from ..engine.quality import Flag, all_flags, frame_flags
from ..engine.region import Region
from ..engine.segmenter import Progress, Segmenter
from ..io.sequence_files import FileSequence, read_sequence
from ..model.bundle import load_model
from ..pipeline.writers import SUFFIXES, check_suffix, open_writer
from ..report.volumes_csv import write_volumes


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "input",
        type=Path,
        metavar="INPUT",
        help=".seq.nrrd, 4D .nii/.nii.gz/.mha/.nrrd, DICOM, or a folder of 3D files",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help=f"what to write, by suffix: {', '.join(SUFFIXES)}"
    )
    parser.add_argument("--model", default="cardiac-cine-lv", metavar="NAME|FOLDER|FILE.pth")
    parser.add_argument("--frames", metavar="0:20:2|0,5,7", help="frames to segment, from 0 (default: all)")
    parser.add_argument(
        "--roi", type=float, nargs=6, metavar=("R0", "R1", "A0", "A1", "S0", "S1"), help="segment inside, mm in RAS"
    )
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")
    parser.add_argument("--tile", type=_tile, default="auto", metavar="D,H,W|auto", help="voxels of the model's grid")
    parser.add_argument("--memory", type=float, metavar="GB", help="to stay within, by tiles small enough (CPU)")
    parser.add_argument("--overlap", type=float, default=0.25, help="of neighbouring tiles (default: 0.25)")
    parser.add_argument("--time", metavar="carry|window:N|reset", help="how long memory lasts (default: the model's)")
    parser.add_argument(
        "--prime", type=int, metavar="K", help="frames that warm an empty memory (default: the model's)"
    )
    parser.add_argument("--measurements", type=Path, metavar="CSV", help="write segment volumes over time")
    parser.add_argument(
        "--dicom-seg", type=Path, metavar="FOLDER", help="also write a DICOM SEG object a frame, of DICOM images"
    )
    parser.add_argument("--preview", type=Path, metavar="PNG", help="draw slices with outlines and volume curves")
    parser.add_argument("--report", type=Path, metavar="JSON", help="write what was done, how, and how long it took")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def options_for(source: Path, output: Path, **changes: object) -> Namespace:
    """The options of the command for an input and output, all others at their defaults but for `changes`."""
    parser = ArgumentParser()
    add_options(parser)
    options = parser.parse_args([str(source), "-o", str(output)])
    vars(options).update(changes)
    return options


def shape_option(text: str) -> Shape:
    """The type of an option D,H,W."""
    try:
        return read_shape(text)
    except InputError as error:
        raise ArgumentTypeError(str(error)) from error


def _tile(text: str) -> Shape | str:
    return text if text == "auto" else shape_option(text)


FLAGS_SHOWN = 5


def command(options: Namespace) -> None:
    """Run, and say what deserves a look."""
    report = run(options)
    for warning in report["warnings"]:
        print(f"clstm-segment: warning: {warning}", file=sys.stderr)
    flags = [str(Flag(**flag)) for flag in report["flags"]]
    if flags:
        more = f" ... and {len(flags) - FLAGS_SHOWN} more" if len(flags) > FLAGS_SHOWN else ""
        print(f"clstm-segment: to look at: {'; '.join(flags[:FLAGS_SHOWN])}{more}", file=sys.stderr)


def run(options: Namespace, on_result: Callable[[SegmentedFrame], None] | None = None) -> dict:
    """Segment `options.input` and write what the options name.

    Args:
        on_result: called with every finished frame.

    Returns:
        The report, as written by --report.

    Raises:
        InputError: bad input or options; nothing is written then.
    """
    check_suffix(options.output)
    model = load_model(options.model)
    segmenter = Segmenter(
        model,
        options.device,
        options.tile,
        options.overlap,
        model.time.with_options(options.time, options.prime),
        None if options.memory is None else int(options.memory * 1e9),
    )
    region = Region.from_ras_bounds(options.roi) if options.roi else None
    with ExitStack() as files:
        paths = {  # put in place last to first: where there is a report, the rest is there too
            key: files.enter_context(replacing(path))
            for key in ("report", "preview", "measurements", "dicom_seg", "output")
            if (path := getattr(options, key)) is not None
        }
        with segmenter.report.timed("read"):
            sequence = read_sequence(options.input)
        report = segment_sequence(segmenter, sequence, region, options, paths, on_result)
        if "report" in paths:
            paths["report"].write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def segment_sequence(
    segmenter: Segmenter,
    sequence: FileSequence,
    region: Region | None,
    options: Namespace,
    paths: dict[str, Path],
    on_result: Callable[[SegmentedFrame], None] | None = None,
) -> dict:
    """Run over the wanted frames, writing each as it comes; returns the report."""
    model, seconds = segmenter.model, segmenter.report.seconds | {"write": 0.0}
    wanted = chosen_frames(options.frames, len(sequence))
    index = replace(sequence.index, values=[sequence.index.values[t] for t in wanted])
    writers = [open_writer(paths["output"], model, index)]
    if "dicom_seg" in paths:
        try:
            from ..pipeline.dicom_seg import DicomSegWriter
        except ImportError as error:
            raise InputError("--dicom-seg needs highdicom: pip install highdicom") from error
        writers.append(DicomSegWriter(paths["dicom_seg"], model, sequence.dicom))
    segments = [segment.name for segment in model.segments]
    volumes, examples, flags = [], [], []
    shown: list[int] = []
    if "preview" in paths:
        from ..report.preview import example_frames, write_preview

        shown = example_frames(wanted)
    try:
        with tqdm(total=len(wanted), disable=options.quiet or None, bar_format="{desc}|{bar}| {n}/{total}") as bar:
            for result in segmenter.segment(sequence, wanted, region, lambda p: bar.set_description_str(describe(p))):
                began = time.perf_counter()
                for writer in writers:
                    writer.add(result)
                volumes.append((result.number, result.index_value, volumes_ml(result.labels, len(segments))))
                flags += frame_flags(result, segments)
                if result.number in shown:
                    examples.append((sequence[result.number].image, result))
                if on_result is not None:
                    on_result(result)
                bar.update()
                seconds["write"] += time.perf_counter() - began
        began = time.perf_counter()
        for writer in writers:
            writer.finish()
    finally:
        for writer in writers:
            writer.release()
    if "measurements" in paths:
        write_volumes(paths["measurements"], model, index, volumes)
    if "preview" in paths:
        title = f"{options.input.name}: {model.title}"
        write_preview(paths["preview"], model, index, volumes, examples, title)
    seconds["write"] += time.perf_counter() - began
    run_report = segmenter.report
    flags = all_flags(flags, [number for number, _, _ in volumes], [ml for _, _, ml in volumes], segments)
    return {
        "model": {"name": model.name, "version": model.version},
        "device": run_report.device,
        "precision": run_report.precision,
        "tile": run_report.tile,
        "tiles_per_frame": run_report.tiles_per_frame,
        "time_rule": {"rule": str(segmenter.time_rule), "prime": segmenter.time_rule.prime},
        "frames": len(wanted),
        "seconds": {stage: round(s, 3) for stage, s in (seconds | run_report.seconds).items()},
        "peak_memory_mib": round(peak_memory() / 2**20),
        "volumes_ml": [
            {"frame": number, "index_value": value}
            | {s.name: round(v, 3) for s, v in zip(model.segments, ml, strict=True)}
            for number, value, ml in volumes
        ],
        "warnings": run_report.warnings,
        "flags": [asdict(flag) for flag in flags],
    }


def chosen_frames(text: str | None, count: int) -> list[int]:
    """Frame numbers of a Python slice ("0:20:2") or a list ("0,5,7"); all for None.

    Raises:
        InputError: neither, or frames that the sequence does not have.
    """
    if text is None:
        return list(range(count))
    try:
        if ":" in text:
            parts = [int(part) if part.strip() else None for part in text.split(":")]
            chosen = sorted(range(count)[slice(*parts)])
        else:
            chosen = sorted({int(part) for part in text.split(",")})
    except (ValueError, TypeError) as error:
        raise InputError(f"--frames {text}: give a slice such as 0:20:2 or a list such as 0,5,7") from error
    if not chosen or chosen[0] < 0 or chosen[-1] >= count:
        raise InputError(f"--frames {text}: the sequence has frames 0 to {count - 1}")
    return chosen


def describe(progress: Progress) -> str:
    """The progress in words: "frame 7 of 20, tile 3 of 8, 40 s left"."""
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    return f"frame {progress.frame} of {progress.frames}, tile {progress.tile} of {progress.tiles}{left}"
