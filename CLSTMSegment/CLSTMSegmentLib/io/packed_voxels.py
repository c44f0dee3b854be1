"""The content of a compressed part of a file, and whether that part is whole."""

import zlib
from pathlib import Path

from ..core.errors import InputError

CHUNK = 2**20
"""Bytes that are read at once."""

GZIP_OR_ZLIB = 47
"""What zlib calls either of the two formats."""

GZIP_BEGIN = b"\x1f\x8b"
"""The first bytes of a part in the format of gzip."""


def check_packed(path: Path, start: int) -> None:
    """Check all compressed parts of a file, each with its checksum; what follows them is not read.

    Args:
        path, start: see `UnpackedStream`.

    Raises:
        InputError: the file is truncated or damaged.
    """
    stream = UnpackedStream(path, start)
    stream.check_end()
    while stream.begins_another_part():
        stream.check_end()


class UnpackedStream:
    """The content of a compressed part of a file, read from its beginning to its end.

    Between two reads the file is closed, so that an output can replace it on Windows.

    Args:
        path: a file in the format of gzip, perhaps of several parts one after the other, or of zlib.
        start: the byte at which the compressed part begins.
    """

    def __init__(self, path: Path, start: int):
        self._path = path
        self._position, self._rest = start, b""
        self._unpacker = zlib.decompressobj(wbits=GZIP_OR_ZLIB)

    def read(self, count: int) -> bytearray:
        """Return the next bytes; fewer than `count` where the file ends.

        Raises:
            InputError: the file is damaged.
        """
        content = bytearray()
        with self._path.open("rb") as file:
            file.seek(self._position)
            while len(content) < count and (chunk := self._rest or file.read(CHUNK)):
                if self._unpacker.eof:  # each part of a file has an end of its own
                    self._unpacker = zlib.decompressobj(wbits=GZIP_OR_ZLIB)
                content += self._unpack(chunk, min(count - len(content), CHUNK))
            self._position = file.tell()
        return content

    def check_end(self) -> None:
        """Read to the end of the part that was read last, where its checksum stands.

        Raises:
            InputError: the checksum does not fit what was unpacked, or the file ends before it.
        """
        with self._path.open("rb") as file:
            file.seek(self._position)
            while not self._unpacker.eof:
                chunk = self._rest or file.read(CHUNK)
                if not chunk:
                    raise InputError(f"{self._path} is truncated: it ends before its checksum")
                self._unpack(chunk, CHUNK)
            self._position = file.tell()

    def begins_another_part(self) -> bool:
        """Return whether another part in the format of gzip follows the one that was read to its end; turn to it."""
        with self._path.open("rb") as file:
            file.seek(self._position)
            self._rest += file.read(len(GZIP_BEGIN))
            self._position = file.tell()
        if not self._rest.startswith(GZIP_BEGIN):
            return False
        self._unpacker = zlib.decompressobj(wbits=GZIP_OR_ZLIB)
        return True

    def _unpack(self, chunk: bytes, most: int) -> bytes:
        try:
            content = self._unpacker.decompress(chunk, most)
        except zlib.error as error:
            raise InputError(f"{self._path} is damaged ({error})") from error
        self._rest = self._unpacker.unconsumed_tail or self._unpacker.unused_data
        return content
