"""Text in pictures: matplotlib draws names as they are, and takes none of them for a formula."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import rc_context

from ..core.plain_text import plain_text


@contextmanager
def names_as_they_are() -> Iterator[None]:
    """While a figure is made and saved in the block, take no text between two dollar signs for a formula.

    Characters that the font does not have are drawn as boxes, without a warning.
    """
    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def drawn(text: str) -> str:
    """Return a name as a text of a figure: see `plain_text`. A legend leaves out names that begin with "_"."""
    plain = plain_text(text)
    return f" {plain}" if plain.startswith("_") else plain
