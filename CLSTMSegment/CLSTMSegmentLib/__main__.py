"""The command line `clstm-segment`."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from . import __version__
from .cli import batch, demo, evaluate, model, propagate, segment, teach, train, watch
from .cli.terminal import any_terminal, show
from .core.errors import Cancelled, CohortIncomplete, InputError, RunFailed
from .core.plain_text import plain_text
from .core.stop_signals import stopped_by_signals


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words of the command line; None for those of the process.

    Returns:
        0; 2 for bad input or usage; 1 for a run that failed or was stopped.
    """
    with any_terminal():
        return _run(arguments)


def _run(arguments: list[str] | None) -> int:
    options = parser().parse_args(arguments)
    try:
        with stopped_by_signals():
            options.command(options)
            sys.stdout.flush()  # what cannot be written is an error of the command
    except InputError as error:
        return _print_error(str(error), 2)
    except CohortIncomplete as error:
        return _print_error(str(error), 1)
    except (RunFailed, MemoryError, OSError) as error:
        return _print_error(f"the run failed: {error}", 1)
    except (KeyboardInterrupt, Cancelled) as error:
        return _print_error(str(error) or "stopped; no unfinished result was written", 1)
    return 0


def _print_error(message: str, status: int) -> int:
    """Print an error as one line, and return the exit status."""
    show(f"clstm-segment: error: {' '.join(message.split())}", sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """A parser whose errors can name any file."""

    def error(self, message: str) -> NoReturn:
        super().error(plain_text(message))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and their options."""
    top = _Parser(
        "clstm-segment",
        description="Segments 4D medical images with a recurrent U-Net. Not for clinical decisions.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        text: str,
        add_options: Callable[[argparse.ArgumentParser], None],
        run: Callable[[argparse.Namespace], object],
    ) -> None:
        added = commands.add_parser(name, help=text)
        add_options(added)
        added.set_defaults(command=run)

    add("segment", "segment a sequence", segment.add_options, segment.run)
    model.add_commands(commands.add_parser("model", help="list, describe or import models"))
    add("train", "train a model on labelled sequences", train.add_options, train.run)
    add("teach", "make a model of your own structure from a few annotated frames", teach.add_options, teach.run)
    add("batch", "segment many sequences, on this computer or on a Dask cluster", batch.add_options, batch.run)
    add("propagate", "label all frames from a few annotated ones", propagate.add_options, propagate.run)
    add("watch", "segment volume files while another program writes them", watch.add_options, watch.run)
    add("evaluate", "score a model on labelled hearts", evaluate.add_options, evaluate.run)
    add("demo", "segment a moving phantom heart, or a file, and show the result", demo.add_options, demo.run)
    return top


if __name__ == "__main__":
    sys.exit(main())
