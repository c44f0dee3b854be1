"""Segment volumes over time as CSV."""

import csv
from pathlib import Path

from ..core.sequence import SequenceIndex
from ..core.volume_curve import with_unit
from ..model.description import Model


def write_volumes(path: Path, model: Model, index: SequenceIndex, volumes: list[tuple[int, str, list[float]]]) -> None:
    """A row a frame: its number, its index value verbatim, and the volume of each segment in ml.

    Args:
        volumes: (frame number, index value, ml of each segment of the model) a frame.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        segments = [with_unit(segment.name, "ml") for segment in model.segments]
        writer.writerow(["frame", with_unit(index.name, index.unit), *segments])
        for number, value, ml in volumes:
            writer.writerow([number, value, *(f"{v:.3f}" for v in ml)])
