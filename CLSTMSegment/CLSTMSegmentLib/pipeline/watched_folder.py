"""A folder into which another program writes one volume file after the other."""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError, RunFailed
from ..core.natural_order import natural_key
from ..core.plain_files import file_version
from ..io.detached_voxels import voxel_files
from ..io.frame_folder import decimals_doubt, minus_doubt
from ..io.input_files import is_image_file
from ..io.sequence_files import read_sequence

SETTLED_S = 0.3
"""A file is complete when it did not change for this many seconds, and can be read."""

ORDERS = ("name", "time")


@dataclass
class _WatchedFile:
    """A file that has not been taken yet.

    Attributes:
        files: the file, and those that hold its voxels.
        status: the version of each of them, see `file_version`.
        since: when this status was seen first, in seconds of a monotonic clock.
        problem: why the file could not be read so far; empty for none.
        refused: whether that was noted, and the file left out.
    """

    files: list[Path]
    status: tuple
    since: float
    problem: str = ""
    refused: bool = False


class WatchedFolder:
    """The volume files in a folder, each taken once, as soon as it is complete.

    A file is taken after all files that are there and come before it. One that does not become readable is left out
    for good, with a note, unless it changes again. A file that changes after it was taken is not taken again; a note
    says so.

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
        self._taken: dict[Path, tuple[list[Path], tuple]] = {}  # with its files, so that no header is read again
        self._incomplete: dict[Path, float] = {}  # since when, in seconds of a monotonic clock
        self._last: tuple | None = None
        self._before: Path | None = None
        self._minus_noted = False

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
                image, warnings = _read(path)
            except InputError as error:
                file.problem = str(error)
                if now - file.since < self._patience_s:
                    return None
                self._refuse(file)
                continue
            if _status_of(file.files) != file.status:
                return None
            for warning in warnings:
                self._on_note(warning)
            return self._take(path), image
        return None

    def any_waits(self) -> bool:
        """Return whether there is a file that was neither taken nor left out."""
        return any(not file.refused for file in self._waiting.values())

    def end(self) -> None:
        """Note the files that are there, and were not taken."""
        with suppress(RunFailed):  # the folder was removed, which is said elsewhere
            self._update()
        for path, file in self._waiting.items():
            if not file.refused:
                file.problem = file.problem or f"{path.name} was not complete, or not its turn, when the watch ended"
                self._refuse(file)
        for path, since in self._incomplete.items():
            if since != math.inf:
                self._on_note(f"{_without_voxels(path)}: the file is left out")

    def _refuse(self, file: _WatchedFile) -> None:
        file.refused = True
        self._on_note(f"{file.problem}: the file is left out")

    def _take(self, path: Path) -> Path:
        key = self._key(path)
        if self._last is not None and key < self._last:
            self._on_note(f"{path.name} came late: files that come after it are segmented already")
        else:
            self._last = key
        if self._order == "name" and self._before is not None:
            self._note_unclear_order(*sorted((self._before, path), key=lambda file: natural_key(file.name)))
        self._before = path
        file = self._waiting.pop(path)
        self._taken[path] = file.files, file.status
        return path

    def _note_unclear_order(self, before: Path, after: Path) -> None:
        """Note it if the natural order of two files may not be that of their times."""
        decimals, minus = decimals_doubt(before, after), minus_doubt((before, after))
        if decimals:
            self._on_note(decimals)
        if minus and not self._minus_noted:
            self._minus_noted = True  # once, since it is the same for all files
            self._on_note(minus)

    def _update(self) -> None:
        """Look which files are there, and which of them have changed."""
        try:
            images = [path for path in self._folder.iterdir() if is_image_file(path) and not path.is_dir()]
        except OSError as error:
            raise RunFailed(f"{self._folder} cannot be read any more ({error.strerror})") from error
        there = {path: _files_of(path) for path in images if path not in self._taken}
        versions = {path: _status_of(files) for path, files in there.items()}
        self._note_changes()
        self._note_incomplete([path for path, status in versions.items() if status is None])
        self._waiting = {
            path: known if (known := self._waiting.get(path)) and known.status == status else _new(there[path], status)
            for path, status in versions.items()
            if status is not None
        }

    def _note_changes(self) -> None:
        """Note files that have changed after they were taken."""
        for path, (files, taken) in self._taken.items():
            status = _status_of(files)
            if status is not None and status != taken:
                self._taken[path] = files, status
                self._on_note(
                    f"{path.name} has changed after it was segmented: its labels and volumes are those of before. "
                    "Write each volume under a name of its own, and at once"
                )

    def _note_incomplete(self, paths: Iterable[Path]) -> None:
        """Note files that are incomplete for a long time."""
        now = time.monotonic()
        self._incomplete = {path: self._incomplete.get(path, now) for path in paths}
        for path, since in self._incomplete.items():
            if now - since > self._patience_s:
                self._incomplete[path] = math.inf
                self._on_note(_without_voxels(path))

    def _key(self, path: Path) -> tuple:
        name = natural_key(path.name)
        return (name,) if self._order == "name" else (self._waiting[path].status[0][1], name)


def _read(path: Path) -> tuple[sitk.Image, list[str]]:
    """Return the image in a file and warnings, as for a run.

    Raises:
        InputError: the file cannot be read, or has several frames.
    """
    try:
        frames = read_sequence(path)
        if len(frames) > 1:
            raise InputError(f"{path} has {len(frames)} frames: a watch segments files of one volume each")
        return frames[0].image, frames.warnings
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} cannot be read ({error or repr(error)})") from error


def _new(files: list[Path], status: tuple) -> _WatchedFile:
    return _WatchedFile(files, status, time.monotonic())


def _without_voxels(path: Path) -> str:
    return f"{path.name} waits for its voxels: it, or a file that holds them, cannot be found"


def _files_of(path: Path) -> list[Path]:
    """Return a file and those that hold its voxels; the file alone where they are not known."""
    try:
        return [path, *(voxel_files(path) if path.is_file() else ())]  # to open a pipe can take for ever
    except (OSError, InputError):
        return [path]  # to read it tells why


def _status_of(files: Iterable[Path]) -> tuple | None:
    """Return the version of each of some files; None where one of them is not there."""
    versions = tuple(map(file_version, files))
    return None if None in versions else versions
