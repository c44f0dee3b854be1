"""How many bytes of voxels a compressed file holds."""

import zlib
from pathlib import Path

CHUNK = 2**20
"""Bytes that are unpacked at once."""

GZIP_OR_ZLIB = 47
"""What zlib calls either of the two formats."""


def unpacked_bytes(path: Path, start: int, needed: float) -> int:
    """Return how many bytes a compressed file unpacks to; 0 for a file that is damaged.

    Args:
        path: a file in the format of gzip or of zlib.
        start: the byte at which the compressed part begins.
        needed: number of bytes after which unpacking may end.
    """
    unpacker, held, rest = zlib.decompressobj(wbits=GZIP_OR_ZLIB), 0, b""
    with path.open("rb") as file:
        file.seek(start)
        try:
            # the checksum stands after the last byte
            while (held < needed or not unpacker.eof) and held <= needed and (chunk := rest or file.read(CHUNK)):
                if unpacker.eof:  # a gzip file may consist of several parts
                    unpacker = zlib.decompressobj(wbits=GZIP_OR_ZLIB)
                held += len(unpacker.decompress(chunk, CHUNK))
                rest = unpacker.unconsumed_tail or unpacker.unused_data
        except zlib.error:
            return 0
    return held
