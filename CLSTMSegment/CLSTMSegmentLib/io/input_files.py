"""The files from which a sequence is read: those of one kind in a folder, and no labels."""

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

from ..core.errors import InputError
from ..core.natural_order import natural_key
from ..core.plain_files import check_path
from .dicom_files import dicom_files, holds_images, is_dicom, visible_files
from .image_files import FORMATS, format_of, read_header
from .label_mark import marked_labels
from .nifti_image import nifti_grid
from .nrrd_header import is_slicer_sequence

LABEL_WORD = "(?:gt|seg|segmentations?|labels?|masks?|contours?|manual)"

LABELS_OF = re.compile(rf"(?:{LABEL_WORD}[_.-](?P<after>.+)|(?P<before>.+)[_.-]{LABEL_WORD})", re.IGNORECASE)
"""Names of files with labels, such as `seg_sa` or `sa-label` beside `sa`."""

LABEL_FILE = re.compile(rf".+_(dseg|probseg|mask)|{LABEL_WORD}", re.IGNORECASE)
"""Names that only files with labels have, such as those of BIDS, which lie in another folder than the image."""

IMAGE_SUFFIXES = tuple(FORMATS)

MOST_COLOURS = 4
"""Number of components that a 3D image of colours can have; SimpleITK reads frames in a NRRD file as components."""


def is_image_file(path: Path) -> bool:
    """Return whether a name is that of an image file that is not DICOM, and not hidden."""
    return path.name.lower().endswith(IMAGE_SUFFIXES) and not path.name.startswith(".")


def is_dicom_input(path: Path) -> bool:
    """Return whether a sequence is read from DICOM: a file, or a folder with images in it or in its sub-folders."""
    if not path.is_dir():
        return is_dicom(path)
    return any(is_dicom(file) and holds_images(file) for file in visible_files(path))


def input_files(path: Path) -> list[Path]:
    """Return the files of a sequence: a path itself, or the files of a folder of which one kind is read.

    DICOM comes first, in the folder and its sub-folders. Without it, the image files of the folder itself are the
    frames, in natural order; where it has none, those of the only sub-folder that has some. Files that are marked as
    labels, or named as labels of others, are left out, unless there are no others.

    Args:
        path: a file or a folder.

    Raises:
        InputError: there is no such file or folder, it holds no images, or images in several sub-folders.
    """
    check_path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not path.is_dir():
        return [path]
    if is_dicom_input(path):
        return dicom_files(path)
    images = list(filter(is_image_file, visible_files(path)))
    labels = marked_labels(images)
    images = [file for file in images if file not in labels] or labels
    labels = labels_by_name(images)
    images = [file for file in images if file not in labels] or labels
    folders = sorted({file.parent for file in images})
    if not images:
        raise InputError(f"{path} holds no image files ({', '.join(IMAGE_SUFFIXES)} or DICOM)")
    if path not in folders and len(folders) > 1:
        names = ", ".join(str(folder.relative_to(path)) for folder in folders[:3])
        raise InputError(f"{path} holds images in {len(folders)} folders ({names} ...): give one of them, or use batch")
    chosen = path if path in folders else folders[0]
    return sorted((file for file in images if file.parent == chosen), key=lambda file: natural_key(file.name))


def labels_by_name(files: Sequence[Path]) -> list[Path]:
    """Return the files that are named as labels: `frame1_gt` beside `frame1`, and those of BIDS."""
    stems = {(file.parent, file_stem(file)) for file in files}
    return [
        file
        for file in files
        if LABEL_FILE.fullmatch(file_stem(file))
        or (
            (found := LABELS_OF.fullmatch(file_stem(file)))
            and (file.parent, found["after"] or found["before"]) in stems
        )
    ]


def labels_left_out(files: Sequence[Path]) -> list[str]:
    """Return a warning if images beside the frames of a sequence were taken for labels by their names, else nothing.

    Args:
        files: the frames, image files of one folder.
    """
    beside = sorted(file for file in files[0].parent.iterdir() if is_image_file(file) and file.is_file())
    labels = [file for file in labels_by_name(beside) if file not in files]
    if not labels:
        return []
    more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    return [f"{files[0].parent.name}: left out as labels, by their names: {labels[0].name}{more}"]


def check_frames(folder: Path, files: list[Path]) -> None:
    """Raise an InputError if image files in a folder cannot be the frames of one sequence."""
    if len(files) < 2:
        return
    sequences = [file for file in files if is_sequence_file(file)]
    if sequences:
        others = len(files) - len(sequences)
        beside = f" beside {others} single images" if others else ""
        raise InputError(
            f"{folder} holds sequences (such as {sequences[0].name}){beside}: give the file that you mean, or use "
            "batch for all sequences"
        )


def file_stem(path: Path) -> str:
    """Return a file's name without its suffixes; other dots stay."""
    for suffix in (".seq.nrrd", *sorted(IMAGE_SUFFIXES, key=len, reverse=True)):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def is_sequence_file(path: Path) -> bool:
    """Return whether an image file holds a sequence of images, by its header.

    Raises:
        InputError: it cannot be read.
    """
    if is_slicer_sequence(path):
        return True
    if format_of(path) == "NiftiImageIO":
        return nifti_grid(path)[0].layout().count > 1
    header = read_header(path)
    return prod(header.GetSize()[3:]) > 1 or header.GetNumberOfComponents() > MOST_COLOURS
