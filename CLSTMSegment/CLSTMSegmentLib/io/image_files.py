"""Images on disk, through SimpleITK, whatever the locale of the process."""

import errno
import locale
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from ..core.atomic_write import replacing
from ..core.errors import InputError, is_out_of_memory, sitk_cause
from ..core.plain_files import check_plain_file, reading
from ..core.same_grid import ImageGrid
from .detached_voxels import voxel_files
from .metaimage_header import read_metaimage_header
from .nifti_image import nifti_grid, read_nifti_image
from .nrrd_header import read_nrrd_header
from .packed_voxels import check_packed


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

FORMATS = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
}
"""SimpleITK's names of the other formats, by the suffix of a file; SimpleITK itself does not know ".MHA"."""


def format_of(path: Path) -> str:
    """Return SimpleITK's name of the format that the suffix of a file names, or an empty text."""
    return next((name for suffix, name in FORMATS.items() if path.name.lower().endswith(suffix)), "")


def read_header(path: Path, image_io: str = "") -> sitk.ImageFileReader:
    """Return a reader that has read everything in an image file except its voxels.

    Args:
        path: the file.
        image_io: SimpleITK's name of the format; by default the suffix of the file tells it.

    Raises:
        InputError: the file cannot be read.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io or format_of(path))
    reader.SetFileName(str(path))
    with _reading(path, image_io):
        reader.ReadImageInformation()
    return reader


def read_grid(path: Path) -> tuple[ImageGrid, list[str]]:
    """Return where the voxels of the 3D image in a file lie, by its header, and warnings.

    Raises:
        InputError: the header cannot be read.
    """
    if format_of(path) == "NiftiImageIO":
        return nifti_grid(path)[1:]
    grid = ImageGrid.of(read_header(path))
    if format_of(path) == "NrrdImageIO" and (header := read_nrrd_header(path)) is not None:
        return grid, header.check_place(None)
    if format_of(path) == "MetaImageIO":
        with reading(path):
            return grid, read_metaimage_header(path).check_lengths()
    return grid, []


def read_image(path: Path, image_io: str = "") -> sitk.Image:
    """Return the 3D image in a file.

    Args:
        path: the file.
        image_io: see `read_header`.

    Raises:
        InputError: the file cannot be read.
    """
    image_format = image_io or format_of(path)
    if image_format == "NiftiImageIO":
        return read_nifti_image(path)
    with _reading(path, image_io):
        _check_whole(path, image_format)
        image = sitk.ReadImage(str(path), imageIO=image_format)
        return image[:, :, :, 0] if image.GetDimension() == 4 and image.GetSize()[3] == 1 else image


def _check_whole(path: Path, image_format: str) -> None:
    """Raise an InputError if a file is truncated or damaged: SimpleITK would give any voxels."""
    if image_format == "MetaImageIO":
        header = read_metaimage_header(path)
        layout = header.layout()
    elif image_format == "NrrdImageIO" and (header := read_nrrd_header(path)) is not None:
        layout = header.layout_of_all()
    else:
        return
    if layout is not None:
        layout.check_whole()
        return
    for file, start in header.packed_parts():
        check_packed(file, start)


@contextmanager
def _reading(path: Path, image_io: str) -> Iterator[None]:
    """Turn errors of SimpleITK in the block into an InputError, or a MemoryError, that names the file."""
    with reading(path):
        for file in voxel_files(path):
            check_plain_file(file)
        try:
            with decimal_point():
                yield
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise MemoryError(f"there is no memory for the voxels of {path}") from error
            cause = sitk_cause(error)
            if image_io == DICOM:
                raise InputError(
                    f"{path} cannot be read as DICOM ({cause}): it is damaged, or its pixels are compressed in a "
                    "way that SimpleITK does not read: decompress it first, for instance with pydicom"
                ) from error
            raise InputError(f"{path} cannot be read as an image ({cause})") from error


def write_image(path: Path, image: sitk.Image, compressed: bool = False) -> None:
    """Write an image atomically.

    Raises:
        RuntimeError: from SimpleITK, which cannot write the file.
        OSError: the file is truncated; SimpleITK does not notice when the last bytes find no room on a disk.
    """
    with replacing(path) as partial, decimal_point():
        sitk.WriteImage(image, str(partial), useCompression=compressed)
        try:
            _check_whole(partial, format_of(partial))
        except InputError as error:
            raise OSError(errno.ENOSPC, "the disk is full") from error
