"""The header of a NIfTI file: what SimpleITK does not tell of it, or tells wrong."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .file_sequence import frame_axis
from .voxel_reader import VoxelLayout

SUFFIXES = (".nii", ".nii.gz")

PLACES = {
    348: {
        "dim": "40:8h",
        "intent": "68:h",
        "datatype": "70:h",
        "pixdim": "76:8f",
        "vox_offset": "108:f",
        "scale": "112:2f",
        "units": "123:B",
        "toffset": "136:f",
        "qform_code": "252:h",
        "sform_code": "254:h",
        "qform": "256:6f",
        "sform": "280:12f",
        "magic": "344:4s",
    },
    540: {
        "magic": "4:4s",
        "datatype": "12:h",
        "dim": "16:8q",
        "pixdim": "104:8d",
        "vox_offset": "168:q",
        "scale": "176:2d",
        "toffset": "216:d",
        "qform_code": "344:i",
        "sform_code": "348:i",
        "qform": "352:6d",
        "sform": "400:12d",
        "units": "500:i",
        "intent": "504:i",
    },
}
"""The place and the type of each field, for NIfTI-1 and NIfTI-2, by the size of the header."""

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""NumPy's name of a type of scalar voxels, by its code."""

COLOURS, COMPLEX = (128, 2304), (32, 1792, 2048)
"""Codes of voxel types that are no scalars."""

TIME_UNITS = {8: "s", 16: "ms", 24: "us"}
"""Units of time by their code: bits 3 to 5 of the field of units."""

VECTOR_INTENTS = (1004, 1005, 1006, 1007, 1008, 1009, 2003, 2004)
"""Intents of images whose fifth axis holds the components of a matrix, a vector, a point or a colour."""


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI header says.

    Attributes:
        path: the file.
        is_gzip: whether the file is compressed.
        order: byte order, "<" or ">".
        length: size of the header in bytes, with the four bytes that follow it in a file with its own voxels.
        fields: the values by the names of `PLACES`; a tuple where a field has several.
    """

    path: Path
    is_gzip: bool
    order: str
    length: int
    fields: dict[str, object]

    @property
    def size(self) -> tuple[int, ...]:
        """Return the number of voxels along each axis."""
        axes = self.fields["dim"][0]
        return self.fields["dim"][1 : axes + 1]

    @property
    def edges(self) -> tuple[float, ...]:
        """Return the voxel edges that `pixdim` gives, in the unit of the file."""
        return self.fields["pixdim"][1:4]

    @property
    def sform(self) -> np.ndarray | None:
        """Return the 3 x 4 matrix from voxels to RAS in the unit of the file; None where the header gives none."""
        return np.reshape(self.fields["sform"], (3, 4)) if self.fields["sform_code"] > 0 else None

    @property
    def frame_axis(self) -> int | None:
        """Return the axis along which the frames follow each other, counted from 0; None for a single frame.

        Raises:
            InputError: the axes are not those of a sequence of scalar images.
        """
        size = self.size
        if len(size) > 4 and size[4] > 1 and self.fields["intent"] in VECTOR_INTENTS:
            raise InputError(f"{self.path} is a colour or vector image: only scalar images can be segmented")
        return frame_axis(self.path, size)

    @property
    def times(self) -> tuple[list[str], str] | None:
        """Return the times of the frames, as people write them, and their unit; None where the header gives none."""
        axis = self.frame_axis
        if axis is None:
            return None
        step, first = self.fields["pixdim"][axis + 1], self.fields["toffset"]
        if not 0 < step < math.inf:
            return None
        single = np.float32 if self.length < 540 else np.float64
        # the shortest text that is read as the same number: 0.05, not 0.05000000075
        step, first = (Decimal(str(single(v))) for v in (step, first if math.isfinite(first) else 0.0))
        values = [f"{(first + t * step).normalize():f}" for t in range(self.size[axis])]
        return values, TIME_UNITS.get(self.fields["units"] & 56, "")

    def geometry(self) -> bytes:
        """Return a NIfTI-1 file of 2 x 2 x 2 voxels that lie where those of this file do.

        SimpleITK reads from it what it would read from this file, and it reads no NIfTI-2.
        """
        content = bytearray(352 + 8)
        struct.pack_into("<i", content, 0, 348)
        struct.pack_into("<8h", content, 40, 3, 2, 2, 2, 1, 1, 1, 1)
        struct.pack_into("<2h", content, 70, 2, 8)
        struct.pack_into("<f", content, 108, 352)
        content[123] = self.fields["units"] & 63
        struct.pack_into("<2h", content, 252, *(max(self.fields[f"{form}_code"], 0) for form in ("qform", "sform")))
        for start, name, count in ((76, "pixdim", 4), (256, "qform", 6), (280, "sform", 12)):
            with np.errstate(over="ignore"):
                content[start : start + 4 * count] = np.array(self.fields[name][:count]).astype("<f4").tobytes()
        content[344:348] = b"n+1\0"
        return bytes(content)

    def layout(self) -> VoxelLayout:
        """Return how the frames follow each other in the file.

        Raises:
            InputError: its voxels are not scalars, or there are none.
        """
        code, size = self.fields["datatype"], self.size
        if code in COLOURS:
            raise InputError(f"{self.path} is a colour or vector image: only scalar images can be segmented")
        if code in COMPLEX:
            raise InputError(f"{self.path} holds complex numbers: take their magnitude first")
        if code not in TYPES:
            raise InputError(f"{self.path} has voxels of the type {code}, which cannot be read: convert it")
        if min(size, default=0) < 1:
            raise InputError(f"{self.path}: its header gives an image of {' x '.join(map(str, size))} voxels")
        axis, offset = self.frame_axis, self.fields["vox_offset"]
        if not math.isfinite(offset):
            raise InputError(f"{self.path} cannot be read as an image: its header does not say where the voxels begin")
        slope, intercept = self.fields["scale"]
        scaled = math.isfinite(slope) and math.isfinite(intercept) and slope != 0 and (slope, intercept) != (1, 0)
        return VoxelLayout(
            self.path,
            max(int(offset), self.length),  # some programs write 0 for "right after the header"
            0 if self.is_gzip else None,
            1 if axis is None else size[axis],
            size[2::-1],
            np.dtype(TYPES[code]).newbyteorder(self.order),
            (slope, intercept) if scaled else None,
        )


def read_nifti_header(path: Path) -> NiftiHeader:
    """Return the header of a NIfTI file.

    Raises:
        InputError: the file is damaged, is another file, or keeps its voxels in another one.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            content = file.read(max(PLACES))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} cannot be read as an image: it is damaged ({error})") from error
    for order in "<>":
        length = struct.unpack(f"{order}i", content[:4])[0] if len(content) >= 4 else 0
        if length in PLACES and len(content) >= length:
            fields = {name: _field(content, order, place) for name, place in PLACES[length].items()}
            if fields["magic"][:2] != b"n+":
                raise InputError(
                    f"{path} cannot be read as an image: by its header it is no NIfTI file with its own voxels"
                )
            if not 0 < fields["dim"][0] <= 7:
                raise InputError(f"{path} cannot be read as an image: its header gives it {fields['dim'][0]} axes")
            return NiftiHeader(path, is_gzip, order, length + 4, fields)
    raise InputError(f"{path} cannot be read as an image: it is no NIfTI file, or it is truncated")


def _field(content: bytes, order: str, place: str) -> object:
    start, kind = place.split(":")
    values = struct.unpack_from(order + kind, content, int(start))
    return values if len(values) > 1 else values[0]
