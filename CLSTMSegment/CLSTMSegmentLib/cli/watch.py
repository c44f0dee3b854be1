"""`clstm-segment watch`: segment the volume files that another program writes into a folder, while it writes them."""

import sys
from argparse import ArgumentParser, Namespace

from ..core.latency import Latency
from ..core.volume_curve import FrameVolumes
from ..pipeline.watch_to_files import WatchSettings, watch_folder
from .run_options import add_run_options, path_in, read_run_options
from .terminal import show, show_flags


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("folder", type=path_in, metavar="FOLDER", help="folder into which 3D image files are written")
    parser.add_argument(
        "-o",
        "--output",
        type=path_in,
        required=True,
        metavar="FOLDER",
        help="new or empty folder for the labels of each file, and for volumes.csv at the end",
    )
    add_run_options(parser)
    parser.add_argument(
        "--order",
        default="name",
        metavar="name|time",
        help="order of files that are there at the same time (default: name, whose numbers count by their value)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long to wait for a file that cannot be read yet, after its last change (default: 10)",
    )
    parser.add_argument(
        "--stop-after",
        type=float,
        metavar="SECONDS",
        help="stop after this time without a new file (default: watch until Ctrl-C)",
    )
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Segment each file, and print its volumes.

    Raises:
        InputError: bad input or options.
        StorageError: a result cannot be stored.
    """
    watch = WatchSettings(options.folder, options.output, options.order, options.patience, options.stop_after)
    settings = read_run_options(options)

    def on_note(text: str) -> None:
        show(f"clstm-segment: {text}", file=sys.stderr, flush=True)

    def on_frame(volumes: FrameVolumes, latency: Latency) -> None:
        ml = ", ".join(f"{value:.1f} ml" for value in volumes.ml)
        show(f"{volumes.index_value}: {ml} ({latency.newest:.2f} s)", flush=True)

    curve = watch_folder(settings, watch, on_frame, on_note)
    show_flags(curve)
    show(f"{options.output}: labels of {len(curve.frames)} frames, and volumes.csv")
