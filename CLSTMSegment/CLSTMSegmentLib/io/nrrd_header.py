"""The header of a compressed NRRD file, of which SimpleITK does not tell that voxels are damaged."""

from math import prod
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .detached_voxels import LARGEST_HEADER, voxel_files
from .packed_voxels import unpacked_bytes

SUFFIXES = (".nrrd", ".nhdr")

READ_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), np.int8),
    **dict.fromkeys(("unsigned char", "uchar", "uint8", "uint8_t"), np.uint8),
    **dict.fromkeys(("short", "signed short", "short int", "int16", "int16_t"), np.int16),
    **dict.fromkeys(("unsigned short", "ushort", "unsigned short int", "uint16", "uint16_t"), np.uint16),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), np.int32),
    **dict.fromkeys(("unsigned int", "uint", "uint32", "uint32_t"), np.uint32),
    "float": np.float32,
    "double": np.float64,
}
"""Names of voxel types in a NRRD header."""


def read_nrrd_header(path: Path) -> tuple[dict[str, str], int] | None:
    """Return the fields of a NRRD header by their names in lower case, and the byte after it; None for another file."""
    lines, line, fields = [], b"", {}
    with path.open("rb") as file:
        while file.tell() < LARGEST_HEADER and (line := file.readline(LARGEST_HEADER)) not in (b"\n", b""):
            lines.append(line)
        start = file.tell()
    if not lines or not lines[0].startswith(b"NRRD") or any(b"\r" in line for line in lines):
        return None
    for text in lines:
        name, colon, value = text.decode("latin-1").partition(": ")
        if colon:
            fields[name.lower()] = value.strip()
    return fields, start


def check_nrrd_is_whole(path: Path) -> None:
    """Raise an InputError if a compressed NRRD file is damaged: SimpleITK would give any voxels.

    SimpleITK itself refuses other NRRD files that are not whole.
    """
    header = read_nrrd_header(path) if path.name.lower().endswith(SUFFIXES) else None
    if header is None:
        return
    fields, start = header
    sizes, voxel = fields.get("sizes", "").split(), READ_TYPES.get(fields.get("type"))
    skips = {"line skip", "lineskip", "byte skip", "byteskip"} & fields.keys()
    if fields.get("encoding") not in ("gzip", "gz") or skips or voxel is None or not all(n.isdecimal() for n in sizes):
        return
    needed = prod(map(int, sizes)) * np.dtype(voxel).itemsize
    files = [(file, 0) for file in voxel_files(path)] or [(path, start)]
    held = sum(unpacked_bytes(*file, needed / len(files)) for file in files)
    if held < needed:
        raise InputError(
            f"{path} is truncated or damaged: by its header it has {needed} bytes of voxels, but it holds {held}"
        )
