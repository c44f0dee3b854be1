"""Images on disk, through SimpleITK, whatever the locale."""

import locale
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from ..core.errors import InputError, sitk_cause


@contextmanager
def decimal_point() -> Iterator[None]:
    """Within it, files have numbers with a point, as their formats want it.

    SimpleITK and MRML go by the locale of the process, which any library may have set to one with a decimal
    comma (Qt does at its start): what they then write cannot be read, and what they read loses its decimals.
    """
    before = locale.setlocale(locale.LC_NUMERIC)
    if before != "C":
        locale.setlocale(locale.LC_NUMERIC, "C")
    try:
        yield
    finally:
        if before != "C":
            locale.setlocale(locale.LC_NUMERIC, before)


@contextmanager
def reading(path: Path, kind: str = "an image") -> Iterator[None]:
    """Within it, errors of SimpleITK become an InputError that names the file."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as {kind} ({sitk_cause(error)})") from error


def read_header(path: Path, image_io: str = "") -> sitk.ImageFileReader:
    """All that a file says but for its voxels: see `read_image`."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    with decimal_point():
        reader.ReadImageInformation()
    return reader


def read_image(path: Path, image_io: str = "") -> sitk.Image:
    """An image from a file.

    Args:
        image_io: SimpleITK's name of the format; by default the file's suffix and content tell.

    Raises:
        RuntimeError: of SimpleITK, which cannot read it.
    """
    with decimal_point():
        return sitk.ReadImage(str(path), imageIO=image_io)


def write_image(path: Path, image: sitk.Image, compressed: bool = False) -> None:
    """Write an image that is never seen half written.

    Raises:
        RuntimeError: of SimpleITK, which cannot write it.
    """
    partial = path.with_name(f"partial-{path.name}")
    with decimal_point():
        sitk.WriteImage(image, str(partial), useCompression=compressed)
    partial.replace(path)
