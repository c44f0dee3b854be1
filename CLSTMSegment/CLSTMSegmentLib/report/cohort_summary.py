"""A cohort at a glance: a table with a line a sequence, and all volume curves in one picture."""

import csv
import math
from pathlib import Path

from ..core.volume_curve import with_unit
from ..engine.quality import Flag
from ..model.description import Model

Row = tuple[str, str, dict]
"""Name, input, and the report of a run; or, instead of the report, {"error": why there is none}."""


def write_summary(path: Path, segments: list[str], rows: list[Row]) -> None:
    """Write a CSV: range of every segment's volume, ejection fraction of the first one, flags, time, error."""
    header = ["name", "input", "frames"]
    for name in segments:
        header += [with_unit(f"{name}, greatest volume", "ml"), with_unit(f"{name}, least volume", "ml")]
    header += [f"{segments[0]}, ejection fraction [%]", "flags", "time [s]", "error"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for name, source, report in rows:
            if "error" in report:
                writer.writerow([name, source, *[""] * (len(header) - 3), report["error"]])
                continue
            line: list[object] = [name, source, report["frames"]]
            for segment in segments:
                ml = volumes(report, segment)
                line += [f"{max(ml):.2f}", f"{min(ml):.2f}"]
            ml = volumes(report, segments[0])
            fraction = 100 * (max(ml) - min(ml)) / max(ml) if max(ml) > 0 else math.nan
            flags = "; ".join(str(Flag(**flag)) for flag in report["flags"])
            line += [f"{fraction:.1f}", flags, f"{sum(report['seconds'].values()):.1f}", ""]
            writer.writerow(line)


def volumes(report: dict, segment: str) -> list[float]:
    """Of a segment in every frame, ml."""
    return [frame[segment] for frame in report["volumes_ml"]]


COLUMNS = 4


def write_overview(path: Path, model: Model, rows: list[Row]) -> None:
    """Draw the volume curves of every sequence as PNG."""
    from matplotlib.figure import Figure

    lines = -(-len(rows) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 2.2 * lines + 0.6), layout="constrained")
    figure.suptitle(f"{model.title}: volumes [ml] by frame")
    axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for ax in axes[len(rows) :]:
        ax.set_axis_off()
    for ax, (name, _, report) in zip(axes, rows, strict=False):
        ax.set_title(name, fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        if "error" in report:
            ax.text(0.5, 0.5, "failed", ha="center", va="center", color="0.5", transform=ax.transAxes)
            continue
        for segment in model.segments:
            ax.plot(
                [f["frame"] for f in report["volumes_ml"]], volumes(report, segment.name), color=segment.color, lw=2
            )
        ax.set_ylim(0, None)
    handles = [figure.axes[0].plot([], [], color=s.color, lw=2, label=s.name)[0] for s in model.segments]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
