"""The command line `clstm-segment`."""

import argparse
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from . import __version__
from .cli.terminal import any_terminal, show
from .core.errors import Cancelled, CohortIncomplete, InputError, RunFailed
from .core.plain_text import plain_text
from .core.stop_signals import stopped_by_signals
from .core.waiting_threads import let_waiting_threads_sleep

COMMANDS = {
    "segment": "segment a sequence",
    "model": "list, describe or import models",
    "train": "train a model on labelled sequences",
    "teach": "make a model of your own structure from a few annotated frames",
    "batch": "segment many sequences, on this computer or on a Dask cluster",
    "propagate": "label all frames from a few annotated ones",
    "watch": "segment volume files while another program writes them",
    "evaluate": "score a model on labelled hearts",
    "demo": "segment a moving phantom heart, or a file, and show the result",
}
"""What each command does; the module of the same name in `cli` defines its options."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words of the command line; None for those of the process.

    Returns:
        0; 2 for bad input or usage; 1 for a run that failed or was stopped.
    """
    let_waiting_threads_sleep()
    with any_terminal():
        return _run(arguments)


def _run(arguments: list[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(words).parse_args(words)
    try:
        with stopped_by_signals():
            _check_current_folder()
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


def _check_current_folder() -> None:
    """Raise an InputError if the current folder was removed: libraries that look for it would end the process."""
    try:
        Path.cwd()
    except OSError as error:
        raise InputError("the current folder was removed: change to a folder that exists, and run again") from error


def _print_error(message: str, status: int) -> int:
    """Print an error as one line, and return the exit status."""
    show(f"clstm-segment: error: {' '.join(message.split())}", sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """A parser whose errors can name any file, and that takes -1e3 and -inf for numbers, not for options."""

    def __init__(self, *arguments: object, **options: object):
        super().__init__(*arguments, **options)
        self._negative_number_matcher = re.compile(r"-(\d|\.\d|inf|nan)")  # as it is from Python 3.14 on

    def error(self, message: str) -> NoReturn:
        super().error(plain_text(message))


def parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of all commands, with the options of the command that is given.

    Only the module of this command is imported, and it imports what it needs for its work when the work begins: help
    and errors of usage come at once.

    Args:
        words: the words of the command line.
    """
    top = _Parser(
        "clstm-segment",
        description="Segments 4D medical images with a recurrent U-Net. Not for clinical decisions.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    given = next((word for word in words if not word.startswith("-")), None)  # no option before it has a value
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name == given:
            import_module(f".cli.{name}", __package__).add_options(command)
    return top


if __name__ == "__main__":
    sys.exit(main())
