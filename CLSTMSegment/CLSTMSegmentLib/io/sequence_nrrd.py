"""The .seq.nrrd format of Slicer, one frame at a time: a long sequence need not fit into memory."""

import gzip
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import SequenceIndex

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
"""What a file calls the type of its voxels."""

LARGEST_HEADER = 2**24
PIECE = 2**20
"""Bytes of a file that are read at once."""


@dataclass(frozen=True)
class FrameLayout:
    """Where the frames of a NRRD file lie, one after the other: how many, from which byte, packed or not, of what."""

    count: int
    start: int
    packed: bool
    shape: tuple[int, int, int]
    type: np.dtype


def frame_layout(path: Path) -> FrameLayout | None:
    """The layout of a NRRD file's frames; None where they do not follow each other, or lie elsewhere."""
    lines, fields = [], {}
    with path.open("rb") as file:
        while file.tell() < LARGEST_HEADER and (line := file.readline(LARGEST_HEADER)) not in (b"\n", b""):
            lines.append(line)
        start = file.tell()
    if not lines or not lines[0].startswith(b"NRRD") or line != b"\n" or any(b"\r" in line for line in lines):
        return None
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(": ")
        if colon:
            fields[name.lower()] = value.strip()
    sizes, kinds = fields.get("sizes", "").split(), fields.get("kinds", "").split()
    in_order = len(sizes) == 4 and all(n.isdecimal() and int(n) > 0 for n in sizes) and kinds[-1:] == ["list"]
    here = not {"data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip"} & fields.keys()
    voxels, encoding = READ_TYPES.get(fields.get("type")), fields.get("encoding")
    if not in_order or not here or voxels is None or encoding not in ("raw", "gzip", "gz"):
        return None
    order = ">" if fields.get("endian") == "big" else "<"
    shape = tuple(int(n) for n in sizes[2::-1])
    return FrameLayout(int(sizes[3]), start, encoding != "raw", shape, np.dtype(voxels).newbyteorder(order))


class SequenceNrrdReader:
    """Reads the frames of a .seq.nrrd when they are asked for.

    A packed file has no way in but its beginning: frames in order are fastest, and to go back is to unpack anew.
    Between two frames the file is closed, so that on Windows an output may replace it.

    Args:
        layout: of the file, see `frame_layout`.

    Raises:
        InputError: the file is shorter than all frames, which of a packed one only reading tells.
    """

    def __init__(self, path: Path, layout: FrameLayout):
        self._path = path
        self._layout = layout
        self._bytes = math.prod(layout.shape) * layout.type.itemsize
        size = path.stat().st_size - layout.start
        if not layout.packed and size < layout.count * self._bytes:
            raise self._cut_off(size // self._bytes)
        self._begin()

    def _begin(self) -> None:
        self._next, self._place, self._rest = 0, self._layout.start, b""
        self._unpacker = zlib.decompressobj(wbits=31)  # 31: in the gzip format

    def _cut_off(self, number: int) -> InputError:
        return InputError(f"{self._path} ends in frame {number}: it is not whole")

    def frame(self, number: int) -> np.ndarray:
        """The voxels (D, H, W) of a frame.

        Raises:
            InputError: the file ends before it, or is damaged.
        """
        content = self._unpacked(number) if self._layout.packed else self._plain(number)
        voxels = np.frombuffer(content, self._layout.type).reshape(self._layout.shape)
        return voxels.astype(self._layout.type.newbyteorder("="), copy=False)

    def _plain(self, number: int) -> bytearray:
        content = bytearray(self._bytes)
        with self._path.open("rb") as file:
            file.seek(self._layout.start + number * self._bytes)
            if file.readinto(content) < self._bytes:  # it was whole when it was opened
                raise self._cut_off(number)
        return content

    def _unpacked(self, number: int) -> bytearray:
        if number < self._next:
            self._begin()
        content = bytearray()
        while self._next <= number:
            content = self._unpack()
        return content

    def _unpack(self) -> bytearray:
        """The bytes of the frame after the one unpacked last."""
        content = bytearray()
        with self._path.open("rb") as file:
            file.seek(self._place)
            while missing := self._bytes - len(content):
                piece = self._rest or file.read(PIECE)
                if not piece:
                    raise self._cut_off(self._next)
                try:
                    content += self._unpacker.decompress(piece, missing)
                except zlib.error as error:
                    raise InputError(f"{self._path} is damaged in frame {self._next} ({error})") from error
                self._rest = self._unpacker.unconsumed_tail
            self._place = file.tell()
        self._next += 1
        return content


NRRD_TYPES = {np.dtype(np.uint8): "unsigned char", np.dtype(np.int16): "short", np.dtype(np.float32): "float"}


def _field(text: str) -> str:
    """Text within a line of a NRRD header: it must not end the line, nor the quotation marks around it."""
    return re.sub(r'[\x00-\x1f"\\]', " ", text)


class SequenceNrrdWriter:
    """Writes a .seq.nrrd that Slicer opens, one frame at a time.

    Args:
        path: the file.
        index: of the frames that will be added, all known beforehand.
        like: an image with the geometry and type (uint8, int16 or float32) that all frames share.
    """

    def __init__(self, path: Path, index: SequenceIndex, like: sitk.Image):
        self._geometry = (like.GetSize(), like.GetSpacing(), like.GetOrigin(), like.GetDirection())
        self._type = sitk.GetArrayViewFromImage(like).dtype
        steps = np.array(like.GetDirection()).reshape(3, 3) * np.array(like.GetSpacing())

        def vector(values: Sequence[float]) -> str:
            return "(" + ",".join(repr(float(v)) for v in values) + ")"

        lines = [
            "NRRD0005",
            f"type: {NRRD_TYPES[self._type]}",
            "dimension: 4",
            "space: left-posterior-superior",
            f"sizes: {' '.join(str(n) for n in like.GetSize())} {len(index.values)}",
            f"space directions: {' '.join(vector(steps[:, axis]) for axis in range(3))} none",
            "kinds: domain domain domain list",
            f'labels: "" "" "" "{_field(index.name)}"',
            f'units: "" "" "" "{_field(index.unit)}"',
            "endian: little",
            "encoding: gzip",
            f"space origin: {vector(like.GetOrigin())}",
            f"axis 3 index type:={_field(index.type)}",
            f"axis 3 index values:={' '.join(quote(v, safe='+,:/()') for v in index.values)}",
        ]
        self._file = path.open("wb")
        self._file.write(("\n".join(lines) + "\n\n").encode("utf-8"))
        self._stream = gzip.GzipFile(filename="", fileobj=self._file, mode="wb", compresslevel=4, mtime=0)

    def add(self, image: sitk.Image) -> None:
        """Append one frame.

        Raises:
            InputError: its geometry is not that of the first frame.
        """
        if (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()) != self._geometry:
            raise InputError("the frames differ in geometry, which one 4D file cannot hold: write a .seq.mrb instead")
        self._stream.write(sitk.GetArrayViewFromImage(image).astype(self._type.newbyteorder("<"), copy=False).tobytes())

    def close(self) -> None:
        """Write what is left and close the file."""
        self._stream.close()
        self._file.close()

    def release(self) -> None:
        """Close the file as it is, for one that will be removed; after `close` this does nothing."""
        self._file.raw.close()


def write_sequence(path: Path, index: SequenceIndex, images: Sequence[sitk.Image]) -> None:
    """Write images, alike in geometry and type, as a .seq.nrrd; see `SequenceNrrdWriter`."""
    writer = SequenceNrrdWriter(path, index, images[0])
    for image in images:
        writer.add(image)
    writer.close()
