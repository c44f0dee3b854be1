"""The names of labels: those that the user gives, or those in the headers of the label files, as Slicer writes them."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError
from ..core.structure import numbered_names
from ..io.image_files import format_of
from ..io.nrrd_header import read_nrrd_header


def label_names(files: Sequence[Path], labels: int, given: Sequence[str] | None) -> list[str]:
    """Return the names of the labels 1, 2, ...

    Args:
        files: the files from which the annotations were read.
        labels: the greatest label that is annotated.
        given: the names that the user gives, which may be other names for the same labels. With None, the names are
            those in the headers if all label files have them, else "Segment 1" and so on.

    Raises:
        InputError: two files, or the given names and a file, contradict each other.
    """
    names_by_file = {file: _names_in(file) for file in files if format_of(file)}
    known = [(file, label, name) for file, names in names_by_file.items() for label, name in names]
    first: dict[int | str, tuple[Path, int, str]] = {}  # by label, and by name
    for one in known:
        for key in (one[1], one[2].casefold()):
            _check_agree(first.setdefault(key, one), one)
    names = {label: name for _, label, name in known}
    if given is None:
        is_named = all(names_by_file.values()) and all(label in names for label in range(1, labels + 1))
        return [names[label] for label in range(1, labels + 1)] if is_named else numbered_names(labels)
    for file, label, name in known:
        places = [n for n, other in enumerate(given, 1) if _is_same(name, other)]
        if places and label not in places:
            raise InputError(
                f"{name} is label {places[0]} by the names that you give, and label {label} by the header of {file}: "
                "give the names in the order of the labels"
            )
    return list(given)


def _names_in(file: Path) -> list[tuple[int, str]]:
    """Return the labels that the header of a label file names, with their names."""
    header = read_nrrd_header(file) if format_of(file) == "NrrdImageIO" else None
    keys = {} if header is None else header.keys
    values = {
        key: keys.get(key.replace("_Name", "_LabelValue"), "") for key in keys if re.fullmatch(r"Segment\d+_Name", key)
    }
    return [(int(value), keys[key].strip()) for key, value in values.items() if re.fullmatch(r"\d{1,3}", value)]


def _check_agree(one: tuple[Path, int, str], other: tuple[Path, int, str]) -> None:
    """Raise an InputError if two labels have one name, or one label has two names.

    Args:
        one, other: a label file, a label, and the name that the header of the file gives it.
    """
    if (one[1] == other[1]) != _is_same(one[2], other[2]):
        raise InputError(
            f"the headers of {one[0]} and {other[0].name} contradict each other: label {one[1]} is {one[2]} in the "
            f"first one, and label {other[1]} is {other[2]} in the second one: give each structure the same label and "
            "the same name in all files"
        )


def _is_same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
