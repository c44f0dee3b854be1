"""The mark in the header of an image file that says that it holds labels, and is no image to segment."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError
from ..core.plain_files import check_plain_file
from .image_files import format_of
from .nifti_header import read_nifti_header
from .nrrd_header import read_nrrd_header

NRRD_CONTENT = "labels"
"""The field `content` of a NRRD header with labels that we wrote."""

NIFTI_LABEL_INTENT = 1002
"""The intent of a NIfTI image whose voxels are labels, in the header format."""


def mark_as_labels(image: sitk.Image) -> None:
    """Let a NRRD file have the mark when SimpleITK writes the image into it."""
    image.SetMetaData("NRRD_content", NRRD_CONTENT)


def is_marked_as_labels(path: Path) -> bool:
    """Return whether the header of an image file says that it holds labels, as that of a segmentation of Slicer does.

    Raises:
        InputError: the header cannot be read, or the file is a device or a pipe, which may never end.
    """
    check_plain_file(path)
    if format_of(path) == "NiftiImageIO":
        return read_nifti_header(path).fields["intent"] == NIFTI_LABEL_INTENT
    header = read_nrrd_header(path) if format_of(path) == "NrrdImageIO" else None
    return header is not None and (header.fields.get("content") == NRRD_CONTENT or "Segment0_ID" in header.keys)


def marked_labels(files: Iterable[Path]) -> list[Path]:
    """Return the files that are marked as labels; of one whose header cannot be read, who reads it says why."""
    labels = []
    for file in files:
        with suppress(InputError):
            if is_marked_as_labels(file):
                labels.append(file)
    return labels
