"""Images on disk, through SimpleITK, whatever the locale of the process."""

import locale
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from ..core.atomic_write import replacing
from ..core.errors import InputError, is_out_of_memory, sitk_cause
from ..core.plain_files import check_plain_file
from .detached_voxels import voxel_files
from .metaimage_header import check_metaimage_is_whole
from .nifti_header import check_nifti_is_whole, check_voxel_size
from .nrrd_header import check_nrrd_is_whole


@contextmanager
def decimal_point() -> Iterator[None]:
    """Let files be read and written with a decimal point, as their formats demand, while the block runs.

    SimpleITK and MRML follow the locale of the process, which any library may have set to one with a decimal comma
    (Qt does at its start). What they then write cannot be read, and what they read loses its decimals.
    """
    before = locale.setlocale(locale.LC_NUMERIC)
    if before != "C":
        locale.setlocale(locale.LC_NUMERIC, "C")
    try:
        yield
    finally:
        if before != "C":
            locale.setlocale(locale.LC_NUMERIC, before)


DICOM = "GDCMImageIO"
"""SimpleITK's name of the format DICOM."""


def read_header(path: Path, image_io: str = "") -> sitk.ImageFileReader:
    """Return a reader that has read everything in an image file except its voxels.

    Args:
        path: the file.
        image_io: SimpleITK's name of the format; by default the suffix and the content of the file tell it.

    Raises:
        InputError: the file cannot be read.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    with _reading(path, image_io):
        reader.ReadImageInformation()
    return reader


def read_image(path: Path, image_io: str = "") -> sitk.Image:
    """Return the image in a file.

    Args:
        path: the file.
        image_io: see `read_header`.

    Raises:
        InputError: the file cannot be read.
    """
    with _reading(path, image_io):
        check_nifti_is_whole(path)
        check_metaimage_is_whole(path)
        check_nrrd_is_whole(path)
        return sitk.ReadImage(str(path), imageIO=image_io)


@contextmanager
def _reading(path: Path, image_io: str) -> Iterator[None]:
    """Turn errors of SimpleITK in the block into an InputError, or a MemoryError, that names the file."""
    check_plain_file(path)
    for file in voxel_files(path):
        check_plain_file(file)
    check_voxel_size(path)
    try:
        with decimal_point():
            yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(f"there is no memory for the voxels of {path}") from error
        kind = "DICOM" if image_io == DICOM else "an image"
        raise InputError(f"{path} cannot be read as {kind} ({sitk_cause(error)})") from error


def write_image(path: Path, image: sitk.Image, compressed: bool = False) -> None:
    """Write an image atomically.

    Raises:
        RuntimeError: from SimpleITK, which cannot write the file.
    """
    with replacing(path) as partial, decimal_point():
        sitk.WriteImage(image, str(partial), useCompression=compressed)
