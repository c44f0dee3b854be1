"""Atomic writes: a file or folder appears under its name only when all of it is written."""

import errno
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from .errors import InputError, StorageError
from .own_folder import OwnFolder, remove_orphans
from .plain_files import check_path, resolved

PREFIX = ".clstm-segment-"
"""Begin of the name of the folder in which an output is written, beside its place."""

PATIENCE_S = 1.0
"""Seconds for which `patiently` tries again."""

Result = TypeVar("Result")


def patiently(action: Callable[[], Result]) -> Result:
    """Return what an action on a file returns; while the file is in use, try again.

    Windows neither replaces nor removes a file that another process reads at this moment, and opens none that is being
    replaced.

    Raises:
        PermissionError: the file is in use for longer, or it may not be used at all.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file or folder to write.

    It has the same file name as `path`. It is renamed to `path` when the block ends without an error, else removed. If
    the process is killed in the block, it is removed when the next file is written into the same folder. A file that is
    replaced hands on its permissions, its group and its access control list. Where `path` is a link, the file is
    replaced to which it leads.

    Raises:
        InputError: the folder around `path` is missing or cannot be written, or `path` is a folder or a device, or no
            name of a file.
        StorageError: the disk is full already.
    """
    check_place(path)
    path = path.resolve() if path.is_symlink() else path
    with _folder_for_parts(path.parent, path) as place:
        partial = place / path.name
        yield partial
        if path.is_file() and partial.is_file():
            _hand_on_rights(path, partial)
        patiently(lambda: partial.replace(path))


def _hand_on_rights(path: Path, partial: Path) -> None:
    """Give a file the permissions of another one, its group and its access control list."""
    shutil.copymode(path, partial)
    if sys.platform == "win32":  # where the list is that of the folder
        return
    group = path.stat().st_gid
    if partial.stat().st_gid != group:
        try:
            os.chown(partial, -1, group)
        except PermissionError:  # another group must not get the rights of this one
            partial.chmod(partial.stat().st_mode & 0o7707)
    if sys.platform == "linux":
        try:
            names = os.listxattr(path)
        except OSError:  # a file system without such lists
            return
        for name in names:
            if name.startswith("system.posix_acl"):
                os.setxattr(partial, name, os.getxattr(path, name))


def check_place(path: Path) -> None:
    """Raise an InputError if a path is no name of a file or folder, or that of something that must not be replaced."""
    check_path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder that exists already: give another name")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a device or a pipe, and no file: give another name")
    if path.is_symlink() and not path.exists():
        resolved(path)  # raises for one that leads in a circle
        raise InputError(f"{path} is a link that leads to nothing: remove it, or give another name")
    if path.exists() and not (os.access(path, os.W_OK) and path.stat().st_mode & 0o222):
        raise InputError(f"{path} is write-protected: allow writing to it, or give another name")


def check_folder(folder: Path, path: Path) -> None:
    """Raise what `replacing` raises if nothing can be written into a folder.

    Args:
        folder: the folder.
        path: what will be written, for messages.
    """
    _folder_for_parts(folder, path).remove()


def _folder_for_parts(folder: Path, path: Path) -> OwnFolder:
    """Return a new temporary folder in a folder, for the parts of a file or folder that is being written."""
    if not folder.is_dir():
        is_what = "is no folder" if folder.exists() else "does not exist"
        raise InputError(f"{path} cannot be written: its folder {is_what}: choose another place")
    try:
        return OwnFolder(PREFIX, folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageError(f"{path} cannot be written: the disk is full") from error
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another place") from error


def remove_parts(folder: Path) -> None:
    """Remove what processes have left that were killed while they wrote into a folder."""
    remove_orphans(PREFIX, folder)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Raises:
        InputError: see `replacing`.
        OSError: the file cannot be written; an earlier file stays as it was.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a text file in UTF-8 atomically.

    Raises:
        InputError: see `replacing`.
        OSError: the file cannot be written; an earlier file stays as it was.
    """
    write_bytes(path, content.encode("utf-8"))
