"""The command line `clstm-segment`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from . import __version__
from .cli import batch, bench, demo, evaluate, segment, teach, train
from .cli import model as model_command
from .core.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 for bad input or usage; 1 for a run that failed.
    """
    options = parser().parse_args(arguments)
    try:
        options.command(options)
    except InputError as error:
        return _complain(str(error), 2)
    except (MemoryError, OSError) as error:
        return _complain(f"the run failed: {error}", 1)
    except KeyboardInterrupt:
        return _complain("stopped; nothing was written", 1)
    return 0


def _complain(message: str, status: int) -> int:
    print(f"clstm-segment: error: {' '.join(message.split())}", file=sys.stderr)
    return status


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        "clstm-segment", description="Segments 4D medical images with a recurrent U-Net. Not for clinical decisions."
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        text: str,
        add_options: Callable[[argparse.ArgumentParser], None],
        command: Callable[[argparse.Namespace], object],
    ) -> None:
        added = commands.add_parser(name, help=text)
        add_options(added)
        added.set_defaults(command=command)

    add("segment", "segment a sequence", segment.add_options, segment.command)

    model = commands.add_parser("model", help="list, describe or import models").add_subparsers(
        required=True, metavar="COMMAND"
    )
    model.add_parser("list", help="the bundled models").set_defaults(command=lambda _: model_command.list_models())
    info = model.add_parser("info", help="all there is to know about a model")
    info.add_argument("name", metavar="NAME|FOLDER|FILE.pth")
    info.set_defaults(command=model_command.tell)
    importing = model.add_parser("import", help="make a bundle of a published checkpoint")
    importing.add_argument("file", type=Path, metavar="FILE.pth")
    importing.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    importing.set_defaults(command=model_command.import_checkpoint)

    add("train", "train a model", train.add_options, train.run)
    add("teach", "a model of your own structure from a few annotated frames", teach.add_options, teach.run)
    add("batch", "segment many sequences, on this machine or a Dask cluster", batch.add_options, batch.run)
    add("evaluate", "score a model on labelled hearts", evaluate.add_options, evaluate.run)
    add("bench", "compare speed and memory with what else could be run", bench.add_options, bench.run)

    show = commands.add_parser("demo", help="segment a moving phantom heart, or a file, and show the result")
    show.add_argument("--out", type=Path, default=Path("demo"), metavar="FOLDER")
    show.add_argument("--input", type=Path, metavar="INPUT", help="a sequence instead of the phantom")
    show.set_defaults(command=demo.run)
    return top


if __name__ == "__main__":
    sys.exit(main())
