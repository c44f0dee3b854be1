"""Temporary folders of this process, and the removal of those that a killed process has left behind."""

import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import InputError

MARKER = ".clstm-segment-owner"
"""File in every such folder. It says who made the folder, and its maker holds a lock on it."""

AT_WORK = ".clstm-segment-at-work-"
"""Begin of the name of the folder that says that somebody works in the folder around it."""

UNMARKED = ".new-"
"""Begin of the name of a folder that has no marker yet: a process that is killed just now leaves nothing but this."""

_in_use: set[Path] = set()
"""The folders of this process, to which the system would give their locks again."""


class OwnFolder:
    """A new temporary folder, which is removed by `remove` or at the end of a `with` block.

    When its process is killed, the next `OwnFolder` with the same parent and prefix removes it.

    Args:
        prefix: begin of the folder's name.
        parent: the folder in which it is made.

    Attributes:
        path: path of the folder.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, prefix: str, parent: Path):
        remove_orphans(prefix, parent)
        self.path = Path(tempfile.mkdtemp(prefix=f"{UNMARKED}{prefix}", dir=parent.resolve()))
        path = self.path.with_name(self.path.name.removeprefix(UNMARKED))
        _in_use.add(path)
        try:
            if sys.platform == "win32":  # it renames no folder with an open file in it
                self.path = self.path.rename(path)
            self._marker = (self.path / MARKER).open("w+b")
            # without a lock the marker stays empty, and nobody else removes this folder
            if _lock(self._marker):
                self._marker.write(_mark(path))
                self._marker.flush()
            if sys.platform != "win32":
                self.path = self.path.rename(path)
        except OSError:
            _in_use.discard(path)
            _remove(self.path)
            raise

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        with suppress(OSError):  # of a marker that the full disk could not take
            self._marker.close()  # Windows does not remove files that are open
        _remove(self.path)
        _in_use.discard(self.path)


@contextmanager
def alone_in(folder: Path, work: str) -> Iterator[None]:
    """Let no other work of this kind begin in a folder while the block runs.

    Args:
        folder: the folder.
        work: what is done in it, for messages.

    Raises:
        InputError: another process, or this one, does such work in the folder.
        OSError: the folder cannot be written.
    """
    with OwnFolder(AT_WORK, folder) as own:
        others = [path for path in folder.resolve().glob(f"{AT_WORK}*") if path != own]
        if others:
            raise InputError(
                f"another {work} is at work in {folder}: wait for its end (if there is none, remove {others[0]})"
            )
        yield


def _mark(folder: Path) -> bytes:
    """Return the content of the marker: a copy of the folder, another computer or container has another one.

    So has a version of this package that locks in another way, and so could not see that a folder is in use.
    """
    namespace = Path("/proc/self/ns/pid")  # Linux alone has it
    processes = str(namespace.readlink()) if namespace.is_symlink() else ""
    content = {"folder": folder.name, "host": platform.node(), "processes": processes, "lock": "of the process"}
    return json.dumps(content).encode()


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; return False where somebody holds the lock, or the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            # unlike a lock by flock, this one ends with its process: a child that was forked does not keep it
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_orphans(prefix: str, parent: Path) -> None:
    """Remove the folders with this parent and prefix that killed processes have left."""
    for folder in parent.resolve().glob(f"{prefix}*"):
        if folder not in _in_use and _is_orphan(folder):
            _remove(folder)


def _is_orphan(folder: Path) -> bool:
    """Return whether a process of this computer and container made a folder, and has ended."""
    marker = folder / MARKER
    try:
        if folder.is_symlink() or marker.is_symlink() or not marker.is_file():
            return False
        with marker.open("r+b") as file:
            return _lock(file) and file.read() == _mark(folder)
    except OSError:  # of a folder of another user, for instance
        return False


def _remove(folder: Path) -> None:
    """Remove a folder, its marker last: if this process is killed now, another one can finish the work."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != MARKER:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)
