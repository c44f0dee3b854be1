"""Tables as CSV that spreadsheet programs show as they are."""

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core.plain_text import plain_text


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV.

    A text that a spreadsheet program would take for a formula, such as a name that begins with "=", begins with an
    apostrophe in the file. Codes for a terminal are written as `plain_text` does. Numbers stay as they are.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([cell(value) for value in row] for row in rows)


def cell(value: object) -> str:
    """Return the text that stands for a value in a table that `write_table` writes."""
    text = plain_text(str(value), keep="\t")
    # in normal form, because Chinese and Japanese programs take wide signs for the narrow ones
    begin = unicodedata.normalize("NFKC", text.lstrip()[:1])
    return f"'{text}" if begin in ("=", "+", "-", "@") and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
