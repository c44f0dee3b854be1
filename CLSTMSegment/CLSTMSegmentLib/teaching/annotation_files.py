"""Annotations in files: a folder of label images, or a label sequence, for the frames of a sequence."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, isclose
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from ..io.file_sequence import FileSequence
from ..io.frame_folder import changing_columns
from ..io.image_files import format_of, read_image
from ..io.input_files import file_stem
from ..io.label_images import check_labels
from ..io.sequence_files import IMAGE_SUFFIXES, files_of_sequence, read_sequence
from .teaching_settings import MOST_SEGMENTS


def read_annotations(path: Path, frames: FileSequence) -> dict[int, sitk.Image]:
    """Return label images by the number of the frame that they annotate.

    Args:
        path: a folder of files named by frame number or as the file of the image, see `_numbered_files`; or a label
            sequence, see `_frame_numbers`, in which a frame of zeros is not annotated.
        frames: the images.

    Raises:
        InputError: it cannot be read, or belongs to other frames.
    """
    if path.is_dir():
        files = _numbered_files(path, frames)
        return {number: _read_labels(read_image(file), file.name) for number, file in files.items()}
    sequence = read_sequence(path)
    if len(frames) > 1 and sequence.index == SequenceIndex(["0"]):
        raise InputError(
            f"{path} is a single 3D image, which does not say what frame it annotates: put it into a folder, under the "
            "number of the frame, such as 7.nrrd for frame 7"
        )
    annotations = {}
    numbers = _frame_numbers(path, sequence.index, frames.index)
    if frames.index.values == [str(n) for n in range(len(frames))]:
        _check_counted_from_0(
            {number: f"{path}: its frame {n}" for n, number in enumerate(numbers)}, _own_files(frames)
        )
    for n, number in enumerate(numbers):
        labels = _read_labels(sequence[n].image, f"frame {n} of {path.name}")
        if sitk.GetArrayViewFromImage(labels).any():
            annotations[number] = labels
    return annotations


def files_of_annotations(path: Path) -> list[Path]:
    """Return all files from which `read_annotations` reads."""
    return sorted(path.iterdir()) if path.is_dir() else files_of_sequence(path)


def read_annotated_frame(path: Path, number: int, frames: FileSequence) -> dict[int, sitk.Image]:
    """Return the label image in a file by the number of the frame that it annotates.

    Raises:
        InputError: it cannot be read, is no 3D label image, or has the name of the image of another frame, or the
            number may be that of the image of another frame.
    """
    images = _own_files(frames)
    of_name = [n for n, image in enumerate(images) if file_stem(image) == file_stem(path)]
    if len(frames) > 1 and of_name and of_name != [number]:
        raise InputError(
            f"{path} has the name of the image of frame {of_name[0]}, counted from 0, and not of frame {number}: "
            "correct the number, or rename the file"
        )
    if not of_name:
        _check_counted_from_0({number: str(path)}, images)
    return {number: _read_labels(read_image(path), path.name)}


def _read_labels(labels: sitk.Image, name: str) -> sitk.Image:
    check_labels(labels, name, MOST_SEGMENTS)
    return labels


def _numbered_files(folder: Path, frames: FileSequence) -> dict[int, Path]:
    """Return the label images in a folder by the number of the frame that they annotate.

    Their name is that of the file of the image, if each frame has a file of its own, or else the number of the frame.

    Raises:
        InputError: another file is there, two annotate one frame, or a number may be that of the file of another frame.
    """
    own_files = _own_files(frames)
    by_name = {file_stem(path): number for number, path in enumerate(own_files)}
    by_number: dict[int, Path] = {}
    counted: dict[int, str] = {}
    for file in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in IMAGE_SUFFIXES if file.name.lower().endswith(suffix)), None)
        if suffix is None:
            continue
        stem = file.name[: -len(suffix)]
        number = by_name.get(stem)
        if number is None:
            number = _number_of(file, stem)
            counted[number] = str(file)
        other = by_number.setdefault(number, file)
        if other != file:
            raise InputError(f"{folder}: {other.name} and {file.name} annotate the same frame: remove one of them")
    _check_counted_from_0(counted, own_files)
    if not by_number:
        raise InputError(f"{folder} must contain label images named by frame number, such as 0.nrrd")
    return by_number


def _number_of(file: Path, stem: str) -> int:
    """Return the frame number that is the name of a label image; `stem` is its name without suffixes."""
    if not stem.isdecimal() or len(stem) > 9:
        raise InputError(
            f"{file.parent} must contain label images named by frame number, such as 0.nrrd, or as the files of the "
            f"images, and no others: {file.name}"
        )
    return int(stem)


def _check_counted_from_0(labels: Mapping[int, str], images: Sequence[Path]) -> None:
    """Raise an InputError if the numbers of annotated frames may all be those in the names of other images.

    Args:
        labels: what the label image is called in the message, by the number of its frame.
        images: the file of the image of each frame; empty where they have no files of their own.
    """
    for numbers in _numbers_in_names(images):
        number = next((number for number in labels if _is_other(number, numbers)), None)
        if number is not None and labels.keys() <= set(numbers):
            raise InputError(
                f"{labels[number]} may belong to frame {number}, counted from 0, or to "
                f"{images[numbers.index(number)].name}: put the label images into a folder, under the names of their "
                "images"
            )


def other_image(number: int, frames: FileSequence) -> Path | None:
    """Return the image of another frame than that of a number, if it has this number in its name; else None."""
    images = _own_files(frames)
    found = (numbers.index(number) for numbers in _numbers_in_names(images) if _is_other(number, numbers))
    return next((images[n] for n in found), None)


def _own_files(frames: FileSequence) -> list[Path]:
    """Return the file of the image of each frame; empty where the frames have no files of their own."""
    own_files = list(dict.fromkeys(of_frame[0] for of_frame in frames.files))
    if len(own_files) < len(frames) or not all(map(format_of, own_files)):  # DICOM has many files for each frame
        return []
    return own_files


def _numbers_in_names(images: Sequence[Path]) -> list[list[int]]:
    """Return the numbers in the names of image files, a list for each place at which the names differ."""
    return list(changing_columns(images).values()) if images else []


def _is_other(number: int, numbers: Sequence[int]) -> bool:
    """Return whether a number is one of those in the names of image files, but not of the frame with this number."""
    return number in numbers and numbers.index(number) != number


def _frame_numbers(path: Path, labels: SequenceIndex, images: SequenceIndex) -> list[int]:
    """Return the number of the image that each frame of a label sequence annotates.

    The index values tell it, if each of them is that of an image. Otherwise, the order of the frames tells it where one
    of the two sequences has only frame numbers, or they have units that cannot be compared; then both must have as
    many frames, and their index values must not fall.

    Raises:
        InputError: neither of them tells it.
    """
    in_order = list(range(len(images.values)))
    found = [_images_at(value, labels, images) for value in labels.values]
    if all(len(numbers) == 1 for numbers in found) and len(set(map(tuple, found))) == len(found):
        return [number for (number,) in found]
    plain = [str(n) for n in in_order]
    same_unit, as_times = labels.unit == images.unit, {labels.unit, images.unit} <= MILLISECONDS.keys()
    by_order = labels.values == plain or not (same_unit or as_times) or (images.values == plain and not same_unit)
    doubtful = False
    if "" in (labels.unit, images.unit) and plain not in (labels.values, images.values):
        # an index without a unit may be that of the images, of other frames than those at the same places
        doubtful = any(_numbers_at(value, 1.0, images) not in ([], [n]) for n, value in enumerate(labels.values))
    if by_order and len(labels.values) == len(in_order) and not (doubtful or _falls(labels) or _falls(images)):
        return in_order
    if by_order:
        raise InputError(
            f"{path}: its index is in {_unit_of(labels)} and that of the images in {_unit_of(images)}, so that nothing "
            f"says which of the {len(in_order)} images its {len(labels.values)} frames annotate: give both the same "
            "index, or put the label images into a folder, under the numbers of the images, such as 7.nrrd"
        )
    n, numbers = next((n, numbers) for n, numbers in enumerate(found) if len(numbers) != 1 or numbers in found[:n])
    raise InputError(
        f"{path}: its frame {n} has the index value {labels.values[n]}, at which the images have {len(numbers)} frames,"
        " and each frame can be annotated once: give both the same index values"
    )


ROUNDED_STEP = 0.1
"""How far a rounded index value may be from the number that is meant, in steps between two images."""

MILLISECONDS = {"min": 60_000.0, "s": 1000.0, "sec": 1000.0, "ms": 1.0, "msec": 1.0, "us": 0.001, "µs": 0.001}
"""The length of the units of time that sequences have, in ms."""


def _images_at(value: str, labels: SequenceIndex, images: SequenceIndex) -> list[int]:
    """Return the numbers of the images at an index value of the labels: the same text, or else the same number."""
    if labels.unit == images.unit:
        same = [number for number, other in enumerate(images.values) if other == value]
        return same or _numbers_at(value, 1.0, images)
    if {labels.unit, images.unit} <= MILLISECONDS.keys():
        return _numbers_at(value, MILLISECONDS[labels.unit] / MILLISECONDS[images.unit], images)
    return []


def _numbers_at(value: str, factor: float, images: SequenceIndex) -> list[int]:
    """Return the numbers of the images at an index value in another unit, which may be rounded."""
    if not (images.is_numeric and SequenceIndex([value]).is_numeric):
        return []
    wanted, numbers = factor * float(value), list(map(float, images.values))
    steps = [abs(after - before) for before, after in pairwise(sorted(numbers)) if after != before]
    most = ROUNDED_STEP * min(steps, default=inf)
    return [
        n for n, number in enumerate(numbers) if isclose(number, wanted, rel_tol=1e-6) and abs(number - wanted) < most
    ]


def _falls(index: SequenceIndex) -> bool:
    """Return whether an index value is a smaller number than the one before it."""
    return index.is_numeric and any(float(after) < float(before) for before, after in pairwise(index.values))


def _unit_of(index: SequenceIndex) -> str:
    return f"{index.name} ({index.unit})" if index.unit else f"{index.name} (no unit)"
