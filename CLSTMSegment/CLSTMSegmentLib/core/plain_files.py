"""Plain files: whether a path names one, its text, and its digest."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

MOST_NAME_BYTES = 255
"""Longest name of a file or folder, in UTF-8."""

MADE_NAME_BYTES = 200
"""Longest name that `file_name` makes, so that there is room for an ending."""


def file_name(text: str, otherwise: str) -> str:
    """Return a name of a file or folder, alike on all systems, that is made from a text such as the name of a node.

    It leads to no other folder: characters other than letters, digits, spaces and "_", "-", "." become "-".

    Args:
        text: any text.
        otherwise: what to return if nothing of the text is left.
    """
    name = re.sub(r"[^\w. -]", "-", text).encode()[:MADE_NAME_BYTES].decode(errors="ignore")
    return name.lstrip(". -").rstrip(". ") or otherwise


def check_path(path: Path) -> None:
    """Raise an InputError if a path has characters that no file name can have, or that only some libraries can read."""
    text = str(path)
    if "\0" in text:
        raise InputError(f"{text!r} cannot be the path of a file, since it has a character NUL: correct the path")
    try:
        longest = max((len(part.encode("utf-8")) for part in path.parts), default=0)
    except UnicodeEncodeError as error:
        raise InputError(f"{text!r}: this name is not in UTF-8, which not every library can read: rename it") from error
    if longest > MOST_NAME_BYTES:
        raise InputError(f"{text[:40]}...: a name in this path has {longest} bytes, more than any disk can store")


def resolved(path: Path) -> Path:
    """Return an absolute path without links.

    Raises:
        InputError: see `check_path`, or its links lead in a circle.
    """
    check_path(path)
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path} cannot be used: it is a link that leads in a circle: correct the path") from error


def check_plain_file(path: Path) -> None:
    """Raise an InputError unless a path names a file, or a link to one. Devices and pipes may never end."""
    check_path(path)
    if path.is_file():
        return
    if path.is_dir():
        raise InputError(f"{path} cannot be read: it is a folder, and a file is needed")
    if path.exists():
        raise InputError(f"{path} cannot be read: it is a device or a pipe, which may never end, and a file is needed")
    raise InputError(f"{path} cannot be read: there is no such file")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an error of the disk in the block, which reads a plain file, into an InputError that names the file.

    Raises:
        InputError: the path names no plain file, or it cannot be read.
    """
    with readable(path):
        check_plain_file(path)
        yield


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an error of the disk in the block, which reads a file or folder, into an InputError that names it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error


def read_text(path: Path) -> str:
    """Return the text in a file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: it is not a file, cannot be read, or is not in UTF-8.
    """
    try:
        with reading(path):
            return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text in UTF-8 ({error.reason} at byte {error.start})") from error


def file_version(path: Path) -> tuple[int, int, int] | None:
    """Return a value that changes when a file is written or replaced; None where it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
