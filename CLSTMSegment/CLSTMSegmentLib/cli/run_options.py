"""The options of a run, which several commands share."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from ..core.errors import InputError
from ..engine.settings import DEFAULT_MODEL, PRECISIONS, RunSettings


def path_in(text: str) -> Path:
    """Return the path that an option gives; an empty text would be the current folder.

    Raises:
        ArgumentTypeError: the text is empty.
    """
    if not text.strip():
        raise ArgumentTypeError("the path is empty: give the name of a file or folder (. for the current folder)")
    return Path(text)


def names_in(text: str) -> list[str]:
    """Return the names in a text that separates them by commas; none in an empty text."""
    return [name.strip() for name in text.split(",")] if text else []


def add_segments_option(parser: ArgumentParser) -> None:
    """Define the option for the names of annotated labels."""
    parser.add_argument(
        "--segments",
        metavar="NAME,NAME",
        help="names of the labels 1, 2, ... (default: those in the headers of all label files, or Segment 1, ...)",
    )


def add_run_options(parser: ArgumentParser) -> None:
    """Define an option for every field of `RunSettings` except `series`; `read_run_options` checks their values."""
    parser.add_argument("--model", metavar="NAME|FOLDER|FILE.pth", help=f"model (default: {DEFAULT_MODEL})")
    parser.add_argument(
        "--frames", metavar="0:20:2|0,5,7", help="numbers of the frames to segment, counted from 0 (default: all)"
    )
    parser.add_argument(
        "--roi",
        dest="region",
        nargs=6,
        metavar=("R0", "R1", "A0", "A1", "S0", "S1"),
        help="segment only inside this box, in mm, in RAS coordinates",
    )
    parser.add_argument("--device", metavar="auto|cpu|cuda|cuda:1|mps", help="where the network runs (default: auto)")
    parser.add_argument(
        "--precision",
        metavar="|".join(PRECISIONS),
        help="precision in which the network computes (default: auto, which is the fastest on this device)",
    )
    parser.add_argument(
        "--tile",
        metavar="D,H,W|auto",
        help="size of a tile in voxels of the model's grid (default: as large as fits)",
    )
    parser.add_argument(
        "--overlap",
        metavar="FRACTION",
        help="smallest fraction of its size that a tile shares with its neighbour (default: 0.25)",
    )
    parser.add_argument(
        "--ram",
        dest="ram_gb",
        metavar="GB",
        help="RAM that a run on the CPU may use; a lower limit makes the tiles smaller",
    )
    parser.add_argument(
        "--state",
        dest="state_rule",
        metavar="carry|window:N|reset",
        help="how long the recurrent state lasts (default: the model's own rule)",
    )
    parser.add_argument(
        "--warm-up",
        dest="warm_up_frames",
        metavar="K",
        help="number of frames that fill an empty recurrent state (default: the model's own number)",
    )
    for former_name, field in (("--memory", "ram_gb"), ("--time", "state_rule"), ("--prime", "warm_up_frames")):
        parser.add_argument(former_name, dest=field, help=SUPPRESS)


def read_run_options(options: Namespace) -> RunSettings:
    """Return the settings that the options of `add_run_options` give.

    Raises:
        InputError: a value that is not understood or makes no sense.
    """
    region = None if options.region is None else " ".join(options.region)
    names = ("model", "frames", "device", "precision", "tile", "overlap", "ram_gb", "state_rule", "warm_up_frames")
    texts = {name: getattr(options, name) for name in names}
    texts |= {"region": region, "series": getattr(options, "series", None)}
    for name, text in texts.items():
        if text is not None and not text.strip():
            raise InputError(f"{name.replace('_', ' ')}: the option is empty: give a value, or leave the option out")
    return RunSettings.from_texts(texts)
