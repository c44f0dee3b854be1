"""Text on a terminal: names from files are shown, never obeyed."""

import sys
from typing import TextIO


def show(text: object, file: TextIO | None = None, flush: bool = False) -> None:
    """Print a text, by default on standard output; see `printable`."""
    print(printable(str(text)), file=file or sys.stdout, flush=flush)


def printable(text: str) -> str:
    """Return a text in which signs that would control the terminal, except line breaks, are written as their codes.

    Names of files, sequences and segments can hold anything: codes that colour, erase or rename, signs that turn the
    direction of writing, and bytes that are no characters.
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
