"""The header of a MetaImage file (.mha, .mhd), of which SimpleITK does not tell that voxels are missing."""

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from .detached_voxels import LARGEST_HEADER, voxel_files
from .lengths import check_unit_of_length, without_size
from .voxel_reader import VoxelLayout

SUFFIXES = (".mha", ".mhd")

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
"""NumPy's name of a type of voxels, by its name in the header."""


BYTE_ORDERS = ("ElementByteOrderMSB", "BinaryDataByteOrderMSB")
"""The fields that give the byte order of voxels."""


@dataclass(frozen=True)
class MetaImageHeader:
    """What a MetaImage header says.

    Attributes:
        path: the file.
        fields: the fields by their names in lower case.
        start: the byte after the header.
    """

    path: Path
    fields: dict[str, str]
    start: int

    def layout(self) -> VoxelLayout | None:
        """Return how the frames follow each other; None where they lie in several files or are text.

        Raises:
            InputError: the header gives no voxels of numbers, or axes that are not those of a sequence of 3D images.
        """
        path, fields, start = self.path, self.fields, self.start
        try:
            size = [int(n) for n in fields["dimsize"].split()]
            axes = int(fields["ndims"])
            channels = int(fields.get("elementnumberofchannels", 1))
            skipped = int(fields.get("headersize", 0))
        except (KeyError, ValueError):
            return None  # SimpleITK says what is wrong
        kind = TYPES.get(fields.get("elementtype", ""))
        if kind is None or min([*size, channels], default=0) < 1:
            raise InputError(
                f"{path}: its header gives no voxels of numbers ({size} of {fields.get('elementtype', '')}): correct it"
            )
        _check_kinds(path, fields.get("kinds", "").lower().split(), axes)
        others = voxel_files(path)
        if len(size) != axes:
            raise InputError(f"{path}: its header gives it {axes} axes and {len(size)} numbers of voxels: correct it")
        if not _is_true(fields.get("binarydata", "True")) or len(others) > 1:
            return None
        file, start = (others[0], 0) if others else (path, start)
        is_packed = _is_true(fields.get("compresseddata", ""))
        big = _is_big_endian(path, fields)
        shape = [*size[:3], 1][2::-1]
        layout = VoxelLayout(
            file,
            0 if is_packed else start,
            start if is_packed else None,
            prod(size[3:]),
            (*shape, channels) if channels > 1 else tuple(shape),
            np.dtype(kind).newbyteorder(">" if big else "<"),
        )
        if skipped and others and not is_packed:  # -1: the voxels are the end of the file
            held = file.stat().st_size - layout.count * layout.frame_bytes
            layout = replace(layout, start=held if skipped < 0 else skipped)
        return layout

    def packed_parts(self) -> list[tuple[Path, int]]:
        """Return each file with compressed voxels, and the byte at which they begin; none for others."""
        if not _is_true(self.fields.get("compresseddata", "")):
            return []
        return [(file, 0) for file in voxel_files(self.path)] or [(self.path, self.start)]

    def times(self, count: int) -> SequenceIndex | None:
        """Return the times of the frames, as recorders of tracked images write them; None unless every frame has one.

        Args:
            count: number of the frames.
        """
        values = [self.fields.get(f"seq_frame{number:04d}_timestamp", "") for number in range(count)]
        index = SequenceIndex(values, "time", "s")
        return index if index.is_numeric else None

    def check_lengths(self) -> list[str]:
        """Check that the lengths are in mm, and return warnings.

        Raises:
            InputError: they are in another unit.
        """
        check_unit_of_length(self.path, self.fields.get("distanceunits", ""))
        return [] if {"elementspacing", "elementsize"} & self.fields.keys() else [without_size(self.path)]


def read_metaimage_header(path: Path) -> MetaImageHeader:
    """Return the header of a MetaImage file."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "elementdatafile" not in fields and file.tell() < LARGEST_HEADER:
            line = file.readline(LARGEST_HEADER)
            if not line:
                break
            name, _, value = line.decode("latin-1").partition("=")
            fields[name.strip().lower()] = value.strip()
        return MetaImageHeader(path, fields, file.tell())


def _check_kinds(path: Path, kinds: list[str], axes: int) -> None:
    """Raise an InputError if an axis is not one of space, and not the fourth one, along which frames follow."""
    others = [axis for axis, kind in enumerate(kinds) if kind not in ("domain", "space")]
    if others and (axes != 4 or others != [3]):
        raise InputError(
            f"{path}: its axis {others[0]} of 0 to {axes - 1} is a {kinds[others[0]]} by its header, and no axis of "
            "space: save it as 3D images that follow each other along a fourth axis"
        )


def _is_big_endian(path: Path, fields: dict[str, str]) -> bool:
    """Return whether the first byte of a voxel is its highest one.

    Raises:
        InputError: the two fields that may say so contradict each other.
    """
    found = {_is_true(fields[name.lower()]) for name in BYTE_ORDERS if fields.get(name.lower())}
    if len(found) > 1:
        raise InputError(
            f"{path}: its header gives both byte orders: keep the right one of {' and '.join(BYTE_ORDERS)}"
        )
    return True in found


def _is_true(value: str) -> bool:
    """Return whether the value of a field means true; as in MetaIO, only its first character counts."""
    return value[:1] in ("T", "t", "1")
