"""The sequences in a folder of folders, as archives give them: DICOM, 4D files and folders of 3D files."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import InputError
from ..core.plain_files import resolved
from ..io.dicom_files import holds_images, is_dicom, visible_files
from ..io.input_files import file_stem, is_image_file, is_sequence_file, labels_by_name
from ..io.label_mark import marked_labels

if TYPE_CHECKING:
    from ..io.dicom_groups import ImageGroup

LABEL_FOLDER = re.compile(r"(labels?|masks?|segmentations?|contours?|ground[ _-]?truth)(tr|ts|val)?", re.IGNORECASE)
"""Names of folders with labels, such as `labelsTr` beside `imagesTr`."""


@dataclass(frozen=True)
class FoundSequence:
    """A sequence in a folder, or in a row of a table.

    Attributes:
        path: file or folder to read.
        series: number of the series in a DICOM folder that has several; None otherwise.
        what: what it is, in words; empty in a table.
    """

    path: Path
    series: int | None
    what: str = ""


@dataclass
class FoundSequences:
    """What was found in a folder.

    Attributes:
        source: the folder.
        sequences: the sequences and their names.
        left_out: texts about what else is there.
    """

    source: Path
    sequences: list[tuple[str, FoundSequence]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def find_sequences(source: Path, results: Path) -> FoundSequences:
    """Return the sequences in a folder and its sub-folders.

    A sub-folder of the source with DICOM images in it, or below it, is one patient: each of its series with several
    times is a sequence. Where it holds several studies in sub-folders of their own, each of these is taken for one
    patient. In other folders, each 4D file is a sequence, and so is a sub-folder with nothing but 3D files.

    Args:
        source: the folder.
        results: folder of the results, which is not searched.

    Raises:
        InputError: a folder cannot be read.
    """
    found = FoundSequences(source)
    out, top = resolved(results), resolved(source)
    inside = out != top and out.is_relative_to(top)
    files = [file for file in visible_files(source) if not (inside and resolved(file).is_relative_to(out))]
    dicom = [file for file in files if not is_image_file(file) and is_dicom(file) and holds_images(file)]
    sequences: list[FoundSequence] = []
    patients = _patients(source, dicom)
    for patient in patients:
        sequences += _series_of(patient, found.left_out)
    images = defaultdict(list)
    for file in _without_label_folders(source, list(filter(is_image_file, files)), found):
        images[file.parent].append(file)
    for folder, those in images.items():
        if any(folder.is_relative_to(patient) for patient in patients):
            found.left_out.append(f"{_relative(folder, source)}: images beside DICOM: {_listed(those)}")
        else:
            sequences += _sequences_of_files(folder, those, folder == source, found)
    found.sequences = _named(source, sequences)
    return found


def _patients(folder: Path, dicom: list[Path]) -> list[Path]:
    """Return the folders that are read as one: the folder itself, or each of its sub-folders with DICOM images."""
    if any(file.parent == folder for file in dicom):
        return [folder]
    return sorted({folder / file.relative_to(folder).parts[0] for file in dicom})


def _series_of(patient: Path, left_out: list[str]) -> list[FoundSequence]:
    """Return the sequences of a folder with DICOM images; where it cannot be read, the folder, whose run says why."""
    try:
        from ..io.dicom_series import DicomFolder

        groups = DicomFolder(patient).groups
    except (ImportError, InputError):
        return [FoundSequence(patient, None, "DICOM that cannot be read")]
    parts = _parts(patient, {image.path: group.owner for group in groups for image in group.images})
    if parts:
        return [sequence for part in parts for sequence in _series_of(part, left_out)]
    over_time = [n for n, group in enumerate(groups, 1) if any(len(images) > 1 for images in group.places)]
    chosen = over_time or list(range(1, len(groups) + 1))
    still = [str(group) for n, group in enumerate(groups, 1) if n not in chosen]
    left_out += [f"{patient.name}: {text}" for text in still]
    several = len(groups) > 1
    return [FoundSequence(patient, n if several else None, _what(groups[n - 1])) for n in chosen]


def what_is_there(patient: Path, series: int) -> str:
    """Return what a series in a DICOM folder is now, in the words of `FoundSequence.what`.

    Raises:
        InputError: the folder cannot be read, or has no such series.
    """
    from ..io.dicom_series import DicomFolder

    return _what(DicomFolder(patient).group(series))


def _what(group: "ImageGroup") -> str:
    return f"DICOM, {group}"


def _parts(patient: Path, owners: dict[Path, tuple[str, ...]]) -> list[Path]:
    """Return the sub-folders of a folder that hold different patients or studies; none where one is in several of them.

    Args:
        patient: the folder.
        owners: what tells the patient and the study of each file.
    """
    parts = _patients(patient, list(owners))
    while len(parts) == 1 and parts[0] != patient:
        patient = parts[0]
        parts = _patients(patient, list(owners))
    held = [{owner for file, owner in owners.items() if file.is_relative_to(part)} for part in parts]
    apart = len(parts) > 1 and sum(map(len, held)) == len(set(owners.values()))
    return parts if apart else []


def _sequences_of_files(folder: Path, files: list[Path], top: bool, found: FoundSequences) -> list[FoundSequence]:
    """Return the sequences among the image files of one folder."""
    where = _relative(folder, found.source)
    for labels_in, told_by in ((labels_by_name, "names"), (marked_labels, "headers")):
        labels = labels_in(files)
        if labels:
            found.left_out.append(f"{where}: labels, by their {told_by}: {_listed(labels)}")
        files = [file for file in files if file not in labels]
    if not files:
        return []
    whole = [file for file in files if _is_sequence_or_damaged(file)]
    single = [file for file in files if file not in whole]
    if whole and single:
        found.left_out.append(f"{where}: 3D images beside a sequence: {_listed(single)}")
    elif single and not top:
        return [FoundSequence(folder, None, f"folder of {len(single)} 3D images")]
    return [FoundSequence(file, None, "file") for file in whole or single]


def _without_label_folders(source: Path, files: list[Path], found: FoundSequences) -> list[Path]:
    """Return the image files without those that are labels by the name of a folder, unless there are no others."""
    labels = [file for file in files if any(map(LABEL_FOLDER.fullmatch, file.relative_to(source).parts[:-1]))]
    others = [file for file in files if file not in labels]
    if not labels or not others:
        return files
    for folder in sorted({file.parent for file in labels}):
        held = [file for file in labels if file.parent == folder]
        found.left_out.append(f"{_relative(folder, source)}: labels, by the name of the folder: {_listed(held)}")
    return others


def _is_sequence_or_damaged(file: Path) -> bool:
    """Return whether a file holds a sequence; of one that cannot be read, the run says why."""
    try:
        return is_sequence_file(file)
    except InputError:
        return True


def _named(source: Path, sequences: list[FoundSequence]) -> list[tuple[str, FoundSequence]]:
    """Return sequences with their names.

    They are those of all folders on the way. A file has only its own name, unless several files have the same one.
    """
    counts = Counter(file_stem(one.path) for one in sequences if one.path.is_file())
    named = []
    for one in sequences:
        stem = file_stem(one.path) if one.path.is_file() else one.path.name
        if counts[stem] != 1 or one.path.is_dir():
            stem = "-".join([*one.path.relative_to(source).parts[:-1], stem])
        named.append((stem if one.series is None else f"{stem}-series{one.series}", one))
    return named


def _listed(files: list[Path]) -> str:
    """Return the name of the first of some files, and how many more there are."""
    return files[0].name + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _relative(folder: Path, source: Path) -> str:
    return source.name if folder == source else str(folder.relative_to(source))
