"""Sequences on disk: 4D image files, folders of 3D images and DICOM series, read frame by frame."""

import re
from pathlib import Path

from ..core.errors import InputError
from ..core.plain_files import check_path
from ..core.sequence import SequenceIndex
from .detached_voxels import voxel_files
from .dicom_series import CineSeries, is_dicom
from .file_sequence import FileSequence, frame_image
from .image_4d import read_4d_image
from .image_files import read_header, read_image
from .sequence_nrrd import read_sequence_nrrd

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")


def read_sequence(path: Path) -> FileSequence:
    """Return the sequence in a file or folder.

    Args:
        path: a .seq.nrrd, another 4D image file, an enhanced DICOM file, a folder with one DICOM series, or a folder
            of 3D image files, which are taken in natural order.

    The frames of a folder, and of a .seq.nrrd as Slicer writes it, are read one at a time when they are asked for. Any
    other file is kept in RAM, in the type of its voxels.

    Raises:
        InputError: the file or folder does not exist, cannot be read, or is not a sequence.
    """
    check_path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files = _images_of_sequence(path)
    if not files:
        raise InputError(f"{path} holds no image files ({', '.join(IMAGE_SUFFIXES)} or DICOM)")
    if path.is_dir() and files[0].name.lower().endswith(IMAGE_SUFFIXES):
        return FileSequence(SequenceIndex([str(t) for t in range(len(files))]), lambda t: read_image(files[t]))
    if is_dicom(files[0]):
        return CineSeries(path, files)
    if not path.name.lower().endswith(IMAGE_SUFFIXES):
        raise InputError(f"{path}: unknown file type: give one of {', '.join(IMAGE_SUFFIXES)}, or a folder of them")
    header = read_header(path)
    if header.GetDimension() not in (3, 4):
        raise InputError(f"{path} has {header.GetDimension()} dimensions: a sequence of 3D images is needed")
    if header.GetDimension() == 4:
        index, voxels = read_4d_image(path, header)
    else:
        index, voxels = read_sequence_nrrd(path, header)
    return FileSequence(index, lambda t: frame_image(voxels[t], header))


def files_of_sequence(path: Path) -> list[Path]:
    """Return all files from which `read_sequence` reads, those among them that hold the voxels of another."""
    check_path(path)
    images = _images_of_sequence(path)
    return images + [file for image in images if image.is_file() for file in voxel_files(image)]


def _images_of_sequence(path: Path) -> list[Path]:
    """Return the path itself, or the images in a folder, in natural order.

    The DICOM files of a folder are returned only where it has no other images.
    """
    if not path.is_dir():
        return [path]
    images = [p for p in path.iterdir() if p.name.lower().endswith(IMAGE_SUFFIXES)]
    images.sort(key=lambda p: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", p.name)])
    return images or [p for p in path.iterdir() if is_dicom(p)]
