"""A folder into which another program writes one volume file after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError, RunFailed
from ..core.natural_order import natural_key
from ..io.detached_voxels import voxel_files
from ..io.image_files import read_image
from ..io.input_files import is_image_file

SETTLED_S = 0.3
"""A file is complete when it did not change for this many seconds, and can be read."""

ORDERS = ("name", "time")


@dataclass
class _WatchedFile:
    """A file that has not been taken yet.

    Attributes:
        status: sizes and times of the file and of those that hold its voxels.
        since: when this status was seen first, in seconds of a monotonic clock.
        refused: why the file cannot be read; empty as long as it is not known.
    """

    status: tuple
    since: float
    refused: str = ""


class WatchedFolder:
    """The volume files in a folder, each taken once, as soon as it is complete.

    A file is taken after all files that are there and come before it. One that does not become readable is left out
    for good, with a note, unless it changes again.

    Args:
        folder: the folder; files in its subfolders do not count.
        order: "name" for the natural order of names, "time" for the order of the times at which files were written.
        patience_s: how long a file that cannot be read must stay unchanged until it counts as damaged, in seconds.
        on_note: called with remarks for people.

    Raises:
        InputError: there is no such folder, or the order is unknown.
    """

    def __init__(self, folder: Path, order: str, patience_s: float, on_note: Callable[[str], None]):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        if order not in ORDERS:
            raise InputError(f"unknown order {order!r}: use {' or '.join(ORDERS)}")
        self._folder = folder
        self._order = order
        self._patience_s = patience_s
        self._on_note = on_note
        self._waiting: dict[Path, _WatchedFile] = {}
        self._taken: set[Path] = set()
        self._last: tuple | None = None

    def look(self) -> tuple[Path, sitk.Image] | None:
        """Return the next complete file and its image; None where there is none yet."""
        self._update()
        now = time.monotonic()
        for path in sorted(self._waiting, key=self._key):
            file = self._waiting[path]
            if file.refused:
                continue
            if now - file.since < SETTLED_S:
                return None
            try:
                image = read_image(path)
            except InputError as error:
                if now - file.since < self._patience_s:
                    return None
                file.refused = str(error)
                self._on_note(f"{error}: the file is left out")
                continue
            if _status(path) != file.status:
                return None
            return self._take(path), image
        return None

    def _take(self, path: Path) -> Path:
        key = self._key(path)
        if self._last is not None and key < self._last:
            self._on_note(f"{path.name} came late: files that come after it are segmented already")
        else:
            self._last = key
        self._taken.add(path)
        del self._waiting[path]
        return path

    def _update(self) -> None:
        """Look which files are there, and which of them have changed."""
        try:
            images = [path for path in self._folder.iterdir() if is_image_file(path) and not path.is_dir()]
        except OSError as error:
            raise RunFailed(f"{self._folder} cannot be read any more ({error.strerror})") from error
        there = {path: _status(path) for path in images if path not in self._taken}
        self._waiting = {
            path: known if (known := self._waiting.get(path)) and known.status == status else _new(status)
            for path, status in there.items()
            if status is not None
        }

    def _key(self, path: Path) -> tuple:
        name = natural_key(path.name)
        return (name,) if self._order == "name" else (self._waiting[path].status[0][1], name)


def _new(status: tuple) -> _WatchedFile:
    return _WatchedFile(status, time.monotonic())


def _status(path: Path) -> tuple | None:
    """Return size and time of a file and of those that hold its voxels; None where one of them is not there."""
    try:
        files = [path, *(voxel_files(path) if path.is_file() else ())]  # to open a pipe can take for ever
        return tuple((status.st_size, status.st_mtime_ns) for status in map(Path.stat, files))
    except (OSError, InputError):
        return None
