"""The .seq.nrrd format of Slicer, read and written one frame at a time, so that RAM need not hold a long sequence."""

import gzip
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from .file_sequence import metadata
from .image_files import read_image
from .nrrd_header import READ_TYPES, read_nrrd_header

GZIP = 31
"""What zlib calls the gzip format."""

CHUNK = 2**20
"""Bytes of a file that are read at once."""


def read_sequence_nrrd(
    path: Path, header: sitk.ImageFileReader
) -> "tuple[SequenceIndex, SequenceNrrdReader | np.ndarray]":
    """Return the sequence in a .seq.nrrd, whose frames are the components of a vector image.

    Slicer writes its index values separated by spaces and URL-encoded.

    Args:
        path: the file.
        header: its header.

    Returns:
        How the frames are indexed, and the voxels (k, j, i) of each frame by its number: a reader that reads a frame
        when it is asked for, or an array where the file does not hold the frames one after the other.

    Raises:
        InputError: the file cannot be read, is truncated, or its components are not the frames of a sequence.
    """
    count = header.GetNumberOfComponents()
    pixel_kind = metadata(header, "NRRD_kinds[pixel]")
    if count == 1 and pixel_kind != "list":
        raise InputError(f"{path} is a single 3D image, not a sequence: give a 4D file or a folder of 3D files")
    if count > 1 and pixel_kind not in ("list", "time"):
        raise InputError(f"{path} is a colour or vector image, not a sequence of scalar images")

    def about_index(what: str) -> str:
        return metadata(header, f"axis 3 index {what}") or metadata(header, f"axis 0 index {what}")

    values = [unquote(v) for v in about_index("values").split()]
    values += [str(t) for t in range(len(values), count)]  # as Slicer does where values are missing
    name, unit = metadata(header, "NRRD_labels[pixel]") or "frame", metadata(header, "NRRD_units[pixel]")
    index = SequenceIndex(values[:count], name, unit, about_index("type") or "numeric")
    if not index.is_numeric:
        index = replace(index, type="text")
    layout = frame_layout(path)
    if layout is not None and (layout.count, *layout.shape) == (count, *header.GetSize()[::-1]):
        return index, SequenceNrrdReader(path, layout)
    image = read_image(path)
    voxels = sitk.GetArrayViewFromImage(image).reshape(*image.GetSize()[::-1], count)
    return index, np.array(np.moveaxis(voxels, -1, 0), order="C")  # a copy: the view does not outlive the image


@dataclass(frozen=True)
class FrameLayout:
    """How the frames follow each other in a NRRD file.

    Attributes:
        count: number of frames.
        start: byte at which the first frame begins.
        compressed: whether all frames together are compressed by gzip.
        shape: size (k, j, i) of a frame.
        type: of a voxel, with its byte order.
    """

    count: int
    start: int
    compressed: bool
    shape: tuple[int, int, int]
    type: np.dtype


def frame_layout(path: Path) -> FrameLayout | None:
    """Return how the frames follow each other in a NRRD file; None where they do not, or lie in another file."""
    header = read_nrrd_header(path)
    if header is None:
        return None
    fields, start = header
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

    A compressed file can only be read from its beginning: reading frames in order is fastest, and going back means
    to decompress from the beginning again. Between two frames the file is closed, so that an output can replace it on
    Windows.

    Args:
        path: the file.
        layout: how the frames follow each other in it, see `frame_layout`.

    Raises:
        InputError: the file is truncated; in a compressed file this is found only when its last frames are read.
    """

    def __init__(self, path: Path, layout: FrameLayout):
        self._path = path
        self._layout = layout
        self._bytes = math.prod(layout.shape) * layout.type.itemsize
        size = path.stat().st_size - layout.start
        if not layout.compressed and size < layout.count * self._bytes:
            raise self._truncated(size // self._bytes)
        self._rewind()

    def _rewind(self) -> None:
        self._next, self._position, self._rest = 0, self._layout.start, b""
        self._decompressor = zlib.decompressobj(wbits=GZIP)

    def _truncated(self, number: int) -> InputError:
        return InputError(f"{self._path} is truncated: it ends in frame {number}")

    def __getitem__(self, number: int) -> np.ndarray:
        """Return the voxels (k, j, i) of a frame.

        Raises:
            InputError: the file is truncated or damaged.
        """
        content = self._decompressed(number) if self._layout.compressed else self._uncompressed(number)
        voxels = np.frombuffer(content, self._layout.type).reshape(self._layout.shape)
        return voxels.astype(self._layout.type.newbyteorder("="), copy=False)

    def _uncompressed(self, number: int) -> bytearray:
        content = bytearray(self._bytes)
        with self._path.open("rb") as file:
            file.seek(self._layout.start + number * self._bytes)
            if file.readinto(content) < self._bytes:  # the file was long enough when it was opened
                raise self._truncated(number)
        return content

    def _decompressed(self, number: int) -> bytearray:
        if number < self._next:
            self._rewind()
        content = bytearray()
        while self._next <= number:
            content = self._decompress_next()
        return content

    def _decompress_next(self) -> bytearray:
        """Return the bytes of the frame after the one that was decompressed last."""
        content = bytearray()
        with self._path.open("rb") as file:
            file.seek(self._position)
            while missing := self._bytes - len(content):
                chunk = self._rest or file.read(CHUNK)
                if not chunk:
                    raise self._truncated(self._next)
                if self._decompressor.eof:  # a gzip file may consist of several parts, each with an end of its own
                    self._decompressor = zlib.decompressobj(wbits=GZIP)
                try:
                    content += self._decompressor.decompress(chunk, missing)
                except zlib.error as error:
                    raise InputError(f"{self._path} is damaged in frame {self._next} ({error})") from error
                self._rest = self._decompressor.unconsumed_tail or self._decompressor.unused_data
            if self._next == self._layout.count - 1:
                self._check_end(file)
            self._position = file.tell()
        self._next += 1
        return content

    def _check_end(self, file: BinaryIO) -> None:
        """Raise an InputError if the checksum after the last frame does not fit what was decompressed."""
        try:
            while not self._decompressor.eof and (chunk := self._rest or file.read(CHUNK)):
                if self._decompressor.decompress(chunk, 1):
                    return  # there is more than the frames
                self._rest = self._decompressor.unconsumed_tail or self._decompressor.unused_data
        except zlib.error as error:
            raise InputError(f"{self._path} is damaged ({error})") from error


NRRD_TYPES = {np.dtype(np.uint8): "unsigned char", np.dtype(np.int16): "short", np.dtype(np.float32): "float"}


def _field(text: str) -> str:
    """Return text that can stand in a line of a NRRD header: it ends neither the line nor its quotation marks."""
    return re.sub(r'[\x00-\x1f"\\]', " ", text)


class SequenceNrrdWriter:
    """Writes a .seq.nrrd that Slicer opens, one frame at a time.

    Args:
        path: the file.
        index: how the frames that will be added are indexed; it has a value for each of them.
        like: an image with the geometry and voxel type (uint8, int16 or float32) that all frames share.
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
            InputError: the frame differs in geometry from the first one.
        """
        if (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()) != self._geometry:
            raise InputError("the frames differ in geometry, which one 4D file cannot hold: write a .seq.mrb instead")
        self._stream.write(sitk.GetArrayViewFromImage(image).astype(self._type.newbyteorder("<"), copy=False).tobytes())

    def close(self) -> None:
        """Write what is still buffered, and close the file."""
        self._stream.close()
        self._file.close()

    def release(self) -> None:
        """Close a file that will be removed, without writing what is buffered; after `close` this does nothing."""
        self._file.raw.close()


def write_sequence(path: Path, index: SequenceIndex, images: Sequence[sitk.Image]) -> None:
    """Write images of equal geometry and voxel type as a .seq.nrrd; see `SequenceNrrdWriter`."""
    writer = SequenceNrrdWriter(path, index, images[0])
    for image in images:
        writer.add(image)
    writer.close()
