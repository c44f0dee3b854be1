"""Pictures look the same whatever style the user gave to matplotlib, and names are drawn in them as they are."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import InputError
from ..core.plain_text import plain_text

try:
    from matplotlib import rc_context, rcdefaults, rcParams, use
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except (OSError, ValueError) as error:
    raise InputError(
        f"no picture can be drawn, since matplotlib cannot read its settings ({error}): correct or remove the file "
        "matplotlibrc in the current folder or in the folder of matplotlib's settings, or the variable MPLBACKEND"
    ) from error

__all__ = ["Axes", "Figure", "drawn", "figure_style"]
"""All pictures take the classes of matplotlib from here, so that settings that it cannot read are told."""

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
