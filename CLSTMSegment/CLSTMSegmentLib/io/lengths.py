"""Units of length in image files: Slicer and SimpleITK take every length for mm."""

from pathlib import Path

from ..core.errors import InputError

MILLIMETRES = ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "", "???", "none")
"""How the unit mm, or no unit, is written in image files, in lower case."""


def check_unit_of_length(path: Path, unit: str) -> None:
    """Raise an InputError if a unit of length in the header of a file is not mm."""
    if unit.strip('" ').lower() not in MILLIMETRES:
        raise InputError(
            f"{path}: its header gives lengths in {unit}, and Slicer would take them for mm: save it with lengths in mm"
        )


def without_size(path: Path) -> str:
    """Return the warning that the header of a file gives voxels no size."""
    return f"{path.name}: its header gives voxels no size: 1 mm is assumed, and volumes may be wrong"
