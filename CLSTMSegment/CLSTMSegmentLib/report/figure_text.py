"""Pictures look the same whatever style the user gave to matplotlib, and names are drawn in them as they are."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.plain_text import plain_text
from .matplotlib_import import import_matplotlib

import_matplotlib()

from matplotlib import rc_context, rcdefaults, rcParams, use  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

__all__ = ["Axes", "Figure", "drawn", "figure_style"]
"""All pictures take the classes of matplotlib from here, so that it is imported in one way."""

use("Agg")


@contextmanager
def figure_style() -> Iterator[None]:
    """Make and save the figures in the block in the style of matplotlib, not in one that a `matplotlibrc` gives.

    A style of the user may turn pictures upside down, or need LaTeX. No text between two dollar signs is taken for a
    formula. Characters that the font does not have are drawn as boxes, without a warning.
    """
    with rc_context(), warnings.catch_warnings():
        rcdefaults()
        rcParams["text.parse_math"] = False
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def drawn(text: str) -> str:
    """Return a name as a text of a figure: see `plain_text`. A legend leaves out names that begin with "_"."""
    plain = plain_text(text)
    return f" {plain}" if plain.startswith("_") else plain
