"""`clstm-segment propagate`: labels of all frames of a sequence from one or a few annotated frames."""

from argparse import ArgumentParser, Namespace

from ..pipeline.propagate_to_files import PropagationSettings, propagate_to_files
from ..pipeline.writers import SUFFIXES
from .progress_bar import progress_bar
from .run_options import add_segments_option, names_in, path_in
from .terminal import show_flags, show_warnings


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("images", type=path_in, metavar="SEQUENCE", help="the sequence, as for `segment`")
    parser.add_argument(
        "labels",
        type=path_in,
        metavar="LABELS",
        help="the annotated frames: a folder of label images named by frame number (0.nrrd, 12.nii.gz), a label "
        "sequence in which frames of zeros are not annotated, or with --frame the label image of one frame",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_in,
        required=True,
        help=f"file for the labels of all frames; its suffix names the format: {', '.join(SUFFIXES)}",
    )
    parser.add_argument("--frame", type=int, metavar="N", help="number of the frame that LABELS annotates, from 0")
    parser.add_argument("--cyclic", action="store_true", help="the first frame follows the last one, as in a heartbeat")
    add_segments_option(parser)
    parser.add_argument("--measurements", type=path_in, metavar="CSV", help="write segment volumes over time")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Propagate, and print the quality flags.

    Raises:
        InputError: bad input or options; nothing is written then.
    """
    names = None if options.segments is None else tuple(names_in(options.segments))
    settings = PropagationSettings(options.images, options.labels, options.frame, options.cyclic, names)
    warnings: list[str] = []
    with progress_bar(options.quiet) as progress:
        curve = propagate_to_files(settings, options.output, options.measurements, warnings.append, progress)
    show_warnings(warnings)
    show_flags(curve)
