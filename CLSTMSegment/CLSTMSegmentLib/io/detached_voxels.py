"""Image files whose voxels lie in files of their own, as those of .nhdr and .mhd files do."""

import re
from pathlib import Path

from ..core.errors import InputError
from ..core.plain_files import check_path

SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")

MOST_FILES = 100_000
"""Number of files that a pattern can stand for."""

NUMBER_IN_NAME = r"%\d{0,3}d"
"""What stands for a number in a pattern; more digits than any name has are no such place."""

LARGEST_HEADER = 2**24
"""Bytes; a file with a longer header is no image file."""

DATA_FILE = re.compile(rb"\s*(?:data ?file\s*:|ElementDataFile\s*=)\s*(.+?)\s*$", re.IGNORECASE)


def voxel_files(path: Path) -> list[Path]:
    """Return the files in which an image file keeps its voxels; none where it keeps them itself.

    Args:
        path: a file that exists.

    Raises:
        OSError: it cannot be read.
        InputError: its header names no files, what no path can have, or a pattern that stands for no files or for too
            many.
    """
    if not path.name.lower().endswith(SUFFIXES):
        return []
    with path.open("rb") as file:
        is_nrrd = False
        while file.tell() < LARGEST_HEADER and (line := file.readline(LARGEST_HEADER)):
            is_nrrd = is_nrrd or line.startswith(b"NRRD")
            if is_nrrd and not line.strip():
                break  # the end of a NRRD header; a MetaImage header ends with the line that names the data file
            found = DATA_FILE.match(line)
            if found is not None:
                name = found[1].decode("utf-8", "surrogateescape")
                if not name.strip():
                    raise InputError(f"{path} is damaged: its header names no file of its voxels")
                listed = file.read(LARGEST_HEADER).splitlines() if name.split()[0] == "LIST" else []
                places = _places(path.parent, name, [one.decode("utf-8", "surrogateescape") for one in listed])
                for place in places:
                    check_path(place)
                return places
    return []


def _places(folder: Path, name: str, listed: list[str]) -> list[Path]:
    """Return the paths of data files.

    Args:
        folder: the folder of the header.
        name: what the header gives as the data file: LOCAL, LIST, a name, or a pattern such as "slice%03d.raw 1 20 1".
        listed: the lines after it.
    """
    first = name.split()[0]
    if first.upper() == "LOCAL":
        return []
    if first == "LIST":
        return [folder / one.strip() for one in listed if one.strip()]
    if "%" in first and (len(name.split()) > 1 or re.search(NUMBER_IN_NAME, first)):
        given = name.split()[1:4]
        if len(given) < 3 or not all(re.fullmatch(r"[+-]?\d{1,9}", number) for number in given):  # ITK may crash
            raise InputError(
                f"{folder / first}: the header gives this name for numbered files of voxels, but not three whole "
                "numbers after it: the first, the last and the step: correct the header"
            )
        least, most, step = map(int, given)
        numbers = range(least, most + (1 if step > 0 else -1), step) if step else range(0)
        if not 0 < len(numbers) <= MOST_FILES:  # SimpleITK would crash or not end
            raise InputError(f"{folder / first}: the numbers {' '.join(given)} stand for {len(numbers)} files")
        return [folder / re.sub(NUMBER_IN_NAME, lambda found, n=n: found[0] % n, first) for n in numbers]
    return [folder / name]
