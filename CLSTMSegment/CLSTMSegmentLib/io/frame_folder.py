"""A folder of 3D image files, one for each frame."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from .detached_voxels import voxel_files
from .file_sequence import FileSequence
from .image_files import FORMATS, read_grid, read_image


def read_frame_folder(folder: Path, files: Sequence[Path]) -> FileSequence:
    """Return the images in a folder as a sequence, one frame a file.

    Args:
        folder: the folder, for messages.
        files: its image files in natural order. Their names must differ in numbers only, unless none has a number.

    Raises:
        InputError: files that are not frames of one sequence.
    """
    warnings = []
    _check_names(folder, files)
    _check_decimals(folder, files)
    _check_one_sequence(folder, files)
    minus = minus_doubt(files)
    if minus:
        warnings.append(f"{folder.name}: {minus}")
    if len(files) > 1 and not any(map(_has_number, files)):
        warnings.append(
            f"{folder.name}: its files have no numbers in their names, so they are taken in the order of the alphabet, "
            f"from {files[0].name} to {files[-1].name}: if that is not their order in time, or they are no frames of "
            "one sequence, number them, or segment each of them alone"
        )
    gap = _gap(files)
    if gap is not None:
        warnings.append(
            f"{folder.name}: the numbers of {gap[0].name} and {gap[1].name} leave a gap: if frames are missing between "
            "them, the order of the others is not that of their times"
        )
    grids = []
    for path in files:
        grid, odd = read_grid(path)
        grids.append(grid)
        warnings += odd
    other = next((t for t, grid in enumerate(grids) if grid.size != grids[0].size), None)
    if other is not None:
        warnings.append(
            f"{folder.name}: {files[0].name} and {files[other].name} have {_product(grids[0].size)} and "
            f"{_product(grids[other].size)} voxels: if they are images of several patients, and not "
            "frames of one sequence, segment each of them alone"
        )
    return FileSequence(
        SequenceIndex([str(t) for t in range(len(files))]),
        lambda number: read_image(files[number]),
        grids,
        [[path, *voxel_files(path)] for path in files],
        warnings=warnings,
    )


def _check_names(folder: Path, files: Sequence[Path]) -> None:
    """Raise an InputError unless the names of the files differ in numbers only: another one is no frame."""
    numbered = list(filter(_has_number, files))
    places: dict[tuple, Path] = {}
    for path in files:
        place = tuple(int(part) if part.isdecimal() else part.lower() for part in _parts(path))
        if place in places:
            raise InputError(
                f"{folder}: {places[place].name} and {path.name} are the same frame by their names: keep one of them"
            )
        places[place] = path
        if numbered and _parts(path)[::2] != _parts(numbered[0])[::2]:
            raise InputError(
                f"{folder}: the names of {numbered[0].name} and {path.name} differ in more than numbers, so one may be "
                "no frame but labels, for instance: keep only the frames in the folder"
            )


def _check_decimals(folder: Path, files: Sequence[Path]) -> None:
    """Raise an InputError if files in natural order are in another one by decimals: `t0.5` comes before `t0.25`."""
    for before, after in pairwise(files):
        doubt = decimals_doubt(before, after)
        if doubt:
            raise InputError(f"{folder}: {doubt}")


def decimals_doubt(before: Path, after: Path) -> str:
    """Return a message if two files in natural order are in another one by decimals; else an empty text."""
    if before.name == after.name or _with_decimals(before) <= _with_decimals(after):
        return ""
    return (
        f"the order of {before.name} and {after.name} is not clear, as they may have decimals: write all of them with "
        "the same number of digits"
    )


def _check_one_sequence(folder: Path, files: Sequence[Path]) -> None:
    """Raise an InputError if the names differ in several numbers that do not grow together, as of several patients."""
    columns = [column for column in list(zip(*map(_with_decimals, files), strict=True))[1::2] if len(set(column)) > 1]
    if len(columns) > 1 and any(after <= before for column in columns for before, after in pairwise(column)):
        raise InputError(
            f"{folder}: the names of its files, such as {files[0].name} and {files[-1].name}, differ in several "
            "numbers, so they may be of several patients, echoes or channels: put each sequence into its own folder"
        )


def _with_decimals(path: Path) -> list[str | float]:
    """Return the parts of a file's name between numbers, at even places, and the numbers, among them decimals."""
    parts = re.split(r"((?<![\d.,])\d+[.,]\d+(?![\d.,])|\d+)", _stem(path).lower())
    return [float(part.replace(",", ".")) if n % 2 else part for n, part in enumerate(parts)]


def _gap(files: Sequence[Path]) -> tuple[Path, Path] | None:
    """Return the first two files between which there should be another one; None where the numbers are regular."""
    numbers = changing_numbers(files)[1]
    steps = [after - before for before, after in pairwise(numbers)]
    return next((files[t : t + 2] for t, step in enumerate(steps) if step > min(steps)), None)


def minus_doubt(files: Sequence[Path]) -> str:
    """Return a message if the numbers of files in natural order may be negative; else an empty text.

    They may be if they follow a hyphen, and do not count the files one by one.
    """
    before, numbers = changing_numbers(files)
    if not before.endswith("-") or all(after - number == 1 for number, after in pairwise(numbers)):
        return ""
    return (
        f"the hyphen before the numbers, as in {files[0].name}, is not taken for a minus: if it is one, the frames are "
        "in the wrong order, so number them from 0"
    )


def changing_numbers(files: Sequence[Path]) -> tuple[str, list[int]]:
    """Return the only numbers by which the names of the files differ, and the text before them; else "" and no numbers.

    Args:
        files: see `read_frame_folder`.
    """
    columns = changing_columns(files)
    if len(columns) != 1:
        return "", []
    ((place, numbers),) = columns.items()
    return _parts(files[0])[place - 1], numbers


def changing_columns(files: Sequence[Path]) -> dict[int, list[int]]:
    """Return the numbers of all files for each place in the parts of their names at which they differ by a number.

    Args:
        files: see `read_frame_folder`.
    """
    parts = [_parts(path) for path in files]
    changing = [n for n in range(1, len(parts[0]), 2) if len({part[n] for part in parts if n < len(part)}) > 1]
    return {n: [int(part[n]) for part in parts] for n in changing if all(n < len(part) for part in parts)}


def _product(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def _stem(path: Path) -> str:
    """Return a file's name without its suffix."""
    return next(
        path.name[: -len(suffix)] for suffix in sorted(FORMATS, key=len)[::-1] if path.name.lower().endswith(suffix)
    )


def _has_number(path: Path) -> bool:
    return re.search(r"\d", _stem(path)) is not None


def _parts(path: Path) -> list[str]:
    """Return the parts of a file's name between numbers, at even places, and the numbers."""
    return re.split(r"(\d+)", _stem(path))
