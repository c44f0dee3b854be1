"""The files of a folder and its sub-folders that are DICOM, told by their content and not by their names."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import InputError

SUFFIXES = (".dcm", ".ima")
"""Suffixes by which a file says that it is DICOM."""

FIRST_GROUPS = (0x0002, 0x0008)
"""Groups with which a file without a preamble begins."""

NOT_IMAGES = {
    "1.2.840.10008.1.3.10": "DICOMDIR",
    "1.2.840.10008.5.1.4.1.1.4.2": "MR spectroscopy",
    "1.2.840.10008.5.1.4.1.1.11.": "presentation state",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
    "1.2.840.10008.5.1.4.1.1.66": "DICOM SEG or other data",
    "1.2.840.10008.5.1.4.1.1.88.": "report",
    "1.2.840.10008.5.1.4.1.1.104.": "document",
    "1.2.840.10008.5.1.4.1.1.481.": "radiotherapy object",
}
"""Begins of the classes of objects that are no images of a patient over time, though some have rows and columns."""

FIRST_ELEMENTS = (0x0000, 0x0001, 0x0005, 0x0008, 0x0012, 0x0014, 0x0016, 0x0018)
FIRST_KINDS = (b"UL", b"OB", b"CS", b"DA", b"TM", b"UI")
"""Elements of these groups that can be the first one, and their value representations."""

LONGEST_FIRST_VALUE = 256


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its sub-folders, in order, except hidden ones and those in hidden folders.

    Links to folders are followed, but no folder is searched twice.

    Raises:
        InputError: one of the folders cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror})") from error

    known = {folder.resolve()}  # links may lead in circles
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        visible = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        folders[:] = [name for name in visible if (Path(place) / name).resolve() not in known]
        known.update((Path(place) / name).resolve() for name in folders)
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def is_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM files do, with or without a preamble."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:] == b"DICM" or _begins_with_an_element(start)


def holds_images(path: Path) -> bool:
    """Return whether a DICOM file is not of a class in `NOT_IMAGES`, as far as its first bytes say it."""
    with path.open("rb") as file:
        start = file.read(2**10)
    found = start.find(b"\x02\x00\x02\x00UI")
    length = int.from_bytes(start[found + 6 : found + 8], "little")
    return found < 0 or kind_of_class(start[found + 8 : found + 8 + length].decode("latin-1")) == ""


def kind_of_class(uid: str) -> str:
    """Return the kind in `NOT_IMAGES` to which a class belongs; empty for another class."""
    return next((kind for begin, kind in NOT_IMAGES.items() if uid.startswith(begin)), "")


def dicom_files(path: Path) -> list[Path]:
    """Return the DICOM files of a folder and its sub-folders; for a file, the file itself.

    Raises:
        InputError: a folder cannot be read, or a file with the suffix of DICOM is something else.
    """
    if not path.is_dir():
        return [path] if is_dicom(path) else []
    files = []
    for file in visible_files(path):
        if is_dicom(file):
            files.append(file)
        elif file.suffix.lower() in SUFFIXES and file.is_file():
            raise InputError(f"{file} is damaged: it does not begin as DICOM files do; copy it again, or remove it")
    return files


def _begins_with_an_element(start: bytes) -> bool:
    """Return whether bytes begin with one of the first elements of a DICOM data set, in little endian."""
    if len(start) < 8:
        return False
    group, element = (int.from_bytes(start[n : n + 2], "little") for n in (0, 2))
    if group not in FIRST_GROUPS or element not in FIRST_ELEMENTS:
        return False
    if start[4:6] in FIRST_KINDS:
        return True
    length = int.from_bytes(start[4:8], "little")
    if element == 0:
        return length == 4
    # voxels of small values can begin in the same way, so the value must be a text
    return 0 < length <= LONGEST_FIRST_VALUE and length % 2 == 0 and _is_text(start[8 : 8 + length])


def _is_text(value: bytes) -> bool:
    text = value.rstrip(b"\0")
    return bool(text) and all(32 <= byte < 127 for byte in text)
