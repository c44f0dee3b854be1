"""The header of a MetaImage file (.mha, .mhd), of which SimpleITK does not tell that voxels are missing."""

from math import prod
from pathlib import Path

from ..core.errors import InputError
from .detached_voxels import LARGEST_HEADER, voxel_files
from .packed_voxels import unpacked_bytes

SUFFIXES = (".mha", ".mhd")

BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_LONG", "MET_ULONG", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}
"""Size of a voxel by its type."""


def check_metaimage_is_whole(path: Path) -> None:
    """Raise an InputError if a MetaImage file is truncated or damaged: SimpleITK would give any voxels.

    Files that hold numbers as text are not checked.
    """
    if not path.name.lower().endswith(SUFFIXES):
        return
    fields, start = _header(path)
    try:
        size = [int(n) for n in fields["dimsize"].split()]
        channels = int(fields.get("elementnumberofchannels", 1))
    except (KeyError, ValueError):
        return  # SimpleITK says what is wrong
    kind = fields.get("elementtype", "")
    if kind not in BYTES or min([*size, channels], default=0) < 1:
        raise InputError(f"{path}: its header gives no voxels of numbers ({size} of {kind}): correct it")
    if fields.get("binarydata", "true").lower() == "false":
        return
    needed = prod(size) * channels * BYTES[kind]
    files, others = [(path, start)], voxel_files(path)
    if others:
        files = [(file, 0) for file in others]
    packed = fields.get("compresseddata", "").lower() == "true"
    held = sum(unpacked_bytes(*file, needed) if packed else file[0].stat().st_size - file[1] for file in files)
    if held < needed:
        raise InputError(
            f"{path} is truncated or damaged: by its header it has {needed} bytes of voxels, but it holds {held}"
        )


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of a header by their names in lower case, and the byte after it."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "elementdatafile" not in fields and file.tell() < LARGEST_HEADER:
            line = file.readline(LARGEST_HEADER)
            if not line:
                break
            name, _, value = line.decode("latin-1").partition("=")
            fields[name.strip().lower()] = value.strip()
        return fields, file.tell()
