"""`clstm-segment segment`: segment a sequence file, and write labels, volumes, a picture and a report."""

from argparse import ArgumentParser, Namespace

from ..pipeline.result_files import Outputs
from ..pipeline.run_result import RunResult
from ..pipeline.segment_to_files import segment_to_files
from ..pipeline.writers import SUFFIXES
from .progress_bar import progress_bar
from .run_options import add_run_options, path_in, read_run_options
from .terminal import show_flags, show_warnings


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "input",
        type=path_in,
        metavar="INPUT",
        help=".seq.nrrd, 4D .nii/.nii.gz/.mha/.nrrd, DICOM, or a folder of 3D files",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_in,
        required=True,
        help=f"file for the labels; its suffix names the format: {', '.join(SUFFIXES)}",
    )
    parser.add_argument(
        "--series", metavar="N", help="which series of a DICOM folder to segment; without it, several are listed"
    )
    add_run_options(parser)
    parser.add_argument("--measurements", type=path_in, metavar="CSV", help="write segment volumes over time")
    parser.add_argument(
        "--dicom-seg",
        type=path_in,
        metavar="FOLDER",
        help="also write a DICOM SEG object for every frame of DICOM images",
    )
    parser.add_argument("--preview", type=path_in, metavar="PNG", help="draw slices with outlines, and volume curves")
    parser.add_argument(
        "--report",
        type=path_in,
        metavar="JSON",
        help="write volumes, quality flags, settings, and how long each stage took",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Segment the input, and print warnings and quality flags.

    Raises:
        InputError: bad input or options; nothing is written then.
    """
    settings = read_run_options(options)
    outputs = Outputs(options.output, options.dicom_seg, options.measurements, options.preview, options.report)
    with progress_bar(options.quiet) as progress:
        result = segment_to_files(settings, options.input, outputs, progress)
    print_warnings(result)


def print_warnings(result: RunResult) -> None:
    """Print the warnings of a run, and its first quality flags, on standard error."""
    show_warnings(result.report.warnings)
    show_flags(result.curve)
