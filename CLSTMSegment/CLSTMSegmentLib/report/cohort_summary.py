"""The results of a cohort: a table with a row for every sequence, and all volume curves in one picture."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.structure import Segment
from ..core.volume_curve import VolumeCurve, in_digits, with_unit
from .csv_table import write_table


@dataclass(frozen=True)
class CohortRow:
    """The result of one sequence of a cohort.

    Attributes:
        name: name of the sequence.
        input: the file or folder that was segmented.
        curve: its volumes and quality flags; None where it failed.
        seconds: how long the run took.
        error: why it failed; empty where it did not.
        warnings: texts for people about the input and the run.
    """

    name: str
    input: Path
    curve: VolumeCurve | None
    seconds: float = 0.0
    error: str = ""
    warnings: tuple[str, ...] = ()


def write_summary(path: Path, segments: Sequence[Segment], rows: Sequence[CohortRow]) -> None:
    """Write the table as CSV: volumes, ejection fraction of each ejecting chamber, flags, warnings, time, error.

    Args:
        path: CSV file.
        segments: segments of the model.
        rows: a row for every sequence.

    Raises:
        OSError: the file cannot be written.
    """
    chambers = [n for n, segment in enumerate(segments) if segment.ejecting_chamber]
    header = ["name", "input", "frames"]
    for segment in segments:
        header += [with_unit(f"{segment.name}, {extreme} volume", "ml") for extreme in ("greatest", "least")]
    header += [with_unit(f"{segments[n].name}, ejection fraction", "%") for n in chambers]
    header += ["flags", "warnings", "time [s]", "error"]
    table = [header]
    for row in rows:
        cells = [""] * (len(header) - 3) if row.curve is None else _cells(row, chambers)
        table.append([row.name, row.input, *cells, row.error])
    write_table(path, table)


def summarised_names(path: Path) -> set[str]:
    """Return the names of the sequences in a table that `write_summary` wrote, as they stand there."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row[0] for row in list(csv.reader(file))[1:] if row}


def _cells(row: CohortRow, chambers: Sequence[int]) -> list[str]:
    """Return the cells of a sequence that was segmented, from the number of frames to the time."""
    curve = row.curve
    cells = [str(len(curve.frames))]
    for n in range(len(curve.segments)):
        extremes = curve.extremes(n)
        cells += [in_digits(extremes.greatest), in_digits(extremes.least)]
    for n in chambers:
        fraction = curve.ejection_fraction(n)
        cells.append("" if fraction is None else f"{fraction:.1f}")
    return [*cells, "; ".join(map(str, curve.flags)), "; ".join(row.warnings), f"{row.seconds:.1f}"]


COLUMNS = 4
"""Number of curves beside each other in the picture."""


def write_overview(path: Path, title: str, segments: Sequence[Segment], rows: Sequence[CohortRow]) -> None:
    """Draw the volume curves of every sequence as PNG.

    Args:
        path: PNG file.
        title: title of the picture.
        segments: segments of the model.
        rows: a row for every sequence.

    Raises:
        OSError: the file cannot be written.
    """
    # takes a second to import, and no worker of a cohort needs it
    from .figure_text import figure_style

    with figure_style():
        _draw_overview(path, title, segments, rows)


def _draw_overview(path: Path, title: str, segments: Sequence[Segment], rows: Sequence[CohortRow]) -> None:
    from .figure_text import Figure, drawn

    lines = -(-len(rows) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 2.2 * lines + 0.6), layout="constrained")
    figure.suptitle(drawn(title))
    axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for ax in axes[len(rows) :]:
        ax.set_axis_off()
    for ax, row in zip(axes, rows, strict=False):
        ax.set_title(drawn(row.name), fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        if row.curve is None:
            ax.text(0.5, 0.5, "failed", ha="center", va="center", color="0.5", transform=ax.transAxes)
            continue
        for n, segment in enumerate(segments):
            ax.plot(row.curve.numbers, row.curve.volumes(n), color=segment.color, lw=2)
        ax.set_ylim(0, None)
    handles = [axes[0].plot([], [], color=s.color, lw=2, label=drawn(s.name))[0] for s in segments]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8)
    figure.savefig(path, format="png", dpi=110)
