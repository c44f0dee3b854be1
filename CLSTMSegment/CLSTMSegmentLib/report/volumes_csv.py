"""Segment volumes over time as CSV."""

from pathlib import Path

from ..core.volume_curve import VolumeCurve, in_digits
from .csv_table import write_table


def write_volumes(path: Path, curve: VolumeCurve) -> None:
    """Write a row for every frame: its number, its index value verbatim, and the volume of each segment in ml.

    Args:
        path: CSV file.
        curve: the volumes.

    Raises:
        OSError: the file cannot be written.
    """
    rows = ([frame.number, frame.index_value, *map(in_digits, frame.ml)] for frame in curve.frames)
    write_table(path, [[*curve.frame_titles, *curve.volume_titles], *rows])
