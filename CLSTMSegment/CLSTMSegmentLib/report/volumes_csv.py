"""Segment volumes over time as CSV."""

import csv
from pathlib import Path

from ..core.volume_curve import VolumeCurve


def write_volumes(path: Path, curve: VolumeCurve) -> None:
    """Write a row for every frame: its number, its index value verbatim, and the volume of each segment in ml.

    Args:
        path: CSV file.
        curve: the volumes.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", curve.index_title, *curve.volume_titles])
        for frame in curve.frames:
            writer.writerow([frame.number, frame.index_value, *(f"{ml:.3f}" for ml in frame.ml)])
