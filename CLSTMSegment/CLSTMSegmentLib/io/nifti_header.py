"""The header of a NIfTI file, of which SimpleITK does not tell what is missing or damaged."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from .packed_voxels import unpacked_bytes

SUFFIXES = (".nii", ".nii.gz")

FIELDS = {348: (40, "8h", 72, "h", 76, "8f", 108, "f"), 540: (16, "8q", 12, "h", 104, "8d", 168, "q")}
"""NIfTI-1 and NIfTI-2 by the size of the header: place and type of `dim`, `bitpix`, `pixdim` and `vox_offset`."""


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI header says.

    Attributes:
        size: number of voxels along each axis.
        steps: the step along each axis, as it stands there: voxel edges in mm, then the time between frames.
        end: number of bytes up to the end of the last voxel.
        is_gzip: whether the file is compressed.
    """

    size: tuple[int, ...]
    steps: tuple[float, ...]
    end: float
    is_gzip: bool

    @property
    def time_step(self) -> float | None:
        """Return the time between frames, in the unit of the file; None where it gives none."""
        return self.steps[3] if len(self.steps) > 3 and 0 < self.steps[3] < math.inf else None


def read_nifti_header(path: Path) -> NiftiHeader | None:
    """Return the header of a NIfTI file; None for another file, or a damaged one."""
    if not path.name.lower().endswith(SUFFIXES):
        return None
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            content = file.read(max(FIELDS))
    except (OSError, EOFError, zlib.error):
        return None
    for order in "<>":
        length = struct.unpack(f"{order}i", content[:4])[0] if len(content) >= 4 else 0
        if length in FIELDS and len(content) >= length:
            places = iter(FIELDS[length])
            dim, (bits,), pixdim, (start,) = (
                struct.unpack_from(order + kind, content, place) for place, kind in zip(places, places, strict=True)
            )
            axes = min(max(dim[0], 0), 7)
            end = start + math.prod(dim[1 : axes + 1]) * bits / 8
            return NiftiHeader(dim[1 : axes + 1], pixdim[1 : axes + 1], end, is_gzip)
    return None


def check_voxel_size(path: Path) -> None:
    """Raise an InputError if a NIfTI file gives a voxel no size: SimpleITK would take it for 1 mm."""
    header = read_nifti_header(path)
    if header is not None and not all(0 < abs(edge) < math.inf for edge in header.steps[:3]):
        size = " x ".join(f"{edge:g}" for edge in header.steps[:3])
        raise InputError(f"{path}: its header gives voxels of {size} mm: correct its pixdim")


def check_nifti_is_whole(path: Path) -> None:
    """Raise an InputError if a NIfTI file is truncated or damaged: SimpleITK would give any voxels."""
    header = read_nifti_header(path)
    if header is None:
        return
    held = unpacked_bytes(path, 0, header.end) if header.is_gzip else path.stat().st_size
    if not held >= header.end:
        raise InputError(
            f"{path} is truncated or damaged: by its header it has {header.end:.0f} bytes, but it holds {held}"
        )
