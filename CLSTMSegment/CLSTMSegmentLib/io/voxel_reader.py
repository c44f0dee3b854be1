"""Frames that follow each other in a file, read one at a time, so that RAM need not hold a long sequence."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.plain_files import check_plain_file
from .packed_voxels import CHUNK, UnpackedStream


@dataclass(frozen=True)
class VoxelLayout:
    """How the frames follow each other in a file.

    Attributes:
        path: the file.
        start: byte at which the first frame begins; in a compressed part, counted in what it unpacks to.
        packed_start: byte at which the compressed part begins that holds all frames; None for voxels as they are.
        count: number of frames.
        shape: size (k, j, i) of a frame.
        type: of a voxel, with its byte order.
        scale: slope and intercept by which voxels become values; None for voxels that are the values.
    """

    path: Path
    start: int
    packed_start: int | None
    count: int
    shape: tuple[int, ...]
    type: np.dtype
    scale: tuple[float, float] | None = None

    @property
    def frame_bytes(self) -> int:
        """Return the size of a frame in the file, when it is unpacked."""
        return math.prod(self.shape) * self.type.itemsize

    def check_whole(self) -> None:
        """Raise an InputError if the file is truncated or damaged; a compressed file is read to its end for this."""
        check_plain_file(self.path)
        needed = self.start + self.count * self.frame_bytes
        if self.packed_start is None:
            self._check_length(self.path.stat().st_size)
            return
        stream, held = UnpackedStream(self.path, self.packed_start), 0
        while held < needed and (content := stream.read(min(CHUNK, needed - held))):
            held += len(content)
        self._check_length(held)
        stream.check_end()

    def _check_length(self, held: int) -> None:
        frames = (held - self.start) // self.frame_bytes
        if frames < self.count:
            place = "" if self.count == 1 else f": it ends in frame {max(frames, 0)}, counted from 0"
            needed = self.start + self.count * self.frame_bytes
            raise InputError(
                f"{self.path} is truncated{place}: by its header it has {needed} bytes, but it holds {held}"
            )


class VoxelReader:
    """Reads a frame when it is asked for.

    A compressed file can only be read from its beginning: reading frames in order is fastest, and going back means
    to unpack from the beginning again.

    Args:
        layout: how the frames follow each other.

    Raises:
        InputError: the file is truncated or damaged.
    """

    def __init__(self, layout: VoxelLayout):
        layout.check_whole()
        self._layout = layout
        self._stream: UnpackedStream | None = None
        self._next = 0

    def __getitem__(self, number: int) -> np.ndarray:
        """Return the voxels (k, j, i) of a frame.

        Raises:
            InputError: the file has become truncated or damaged.
        """
        layout = self._layout
        content = self._read(number) if layout.packed_start is None else self._unpack(number)
        if len(content) < layout.frame_bytes:  # the file was long enough when it was opened
            raise InputError(f"{layout.path} is truncated: it ends in frame {number}")
        voxels = np.frombuffer(content, layout.type).reshape(layout.shape)
        if layout.scale is None:
            return voxels.astype(layout.type.newbyteorder("="), copy=False)
        slope, intercept = layout.scale
        kind = np.float32 if layout.type.itemsize <= 2 or layout.type == np.float32 else np.float64
        return voxels.astype(kind) * kind(slope) + kind(intercept)

    def _read(self, number: int) -> bytes:
        with self._layout.path.open("rb") as file:
            file.seek(self._layout.start + number * self._layout.frame_bytes)
            return file.read(self._layout.frame_bytes)

    def _unpack(self, number: int) -> bytearray:
        if self._stream is None or number < self._next:
            self._stream = UnpackedStream(self._layout.path, self._layout.packed_start)
            self._stream.read(self._layout.start)
            self._next = 0
        content = bytearray()
        while self._next <= number:
            content = self._stream.read(self._layout.frame_bytes)
            self._next += 1
        return content
