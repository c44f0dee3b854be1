"""A DICOM image that says where it lies and holds its pixels: SimpleITK would take any place, 1 mm, and any pixels."""

from math import isfinite, prod
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from .file_sequence import metadata

UNCOMPRESSED = {b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1"}
"""Transfer syntaxes whose pixels stand in the file as they are, in little endian."""

NEEDED = {
    "0020|0032": ("ImagePositionPatient", 3),
    "0020|0037": ("ImageOrientationPatient", 6),
    "0028|0030": ("PixelSpacing", 2),
}
"""Tags that say where an image lies: their names, and how many numbers they have."""


def check_dicom_image(path: Path, header: sitk.ImageFileReader) -> None:
    """Raise an InputError unless a DICOM file with a single image says where it lies, and holds all its pixels."""
    if header.GetNumberOfComponents() != 1:
        raise InputError(f"{path} is a colour image: only scalar images can be segmented")
    numbers = {}
    for tag, (name, count) in NEEDED.items():
        try:
            numbers[name] = [float(part) for part in metadata(header, tag).split("\\")]
        except ValueError:
            numbers[name] = []
        if len(numbers[name]) != count or not all(map(isfinite, numbers[name])):
            raise InputError(f"{path} does not say where it lies: its {name} is missing or damaged")
    if min(numbers["PixelSpacing"]) <= 0:
        raise InputError(f"{path} has pixels without a size: its PixelSpacing is {numbers['PixelSpacing']}")
    axes = np.reshape(numbers["ImageOrientationPatient"], (2, 3))
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-2):
        raise InputError(f"{path} has no orientation: the directions of its rows and columns are {axes.tolist()}")
    _check_pixels(path, header)


def _check_pixels(path: Path, header: sitk.ImageFileReader) -> None:
    content = path.read_bytes()
    place = content.find(b"\x02\x00\x10\x00UI")  # the transfer syntax, in the first group
    length = int.from_bytes(content[place + 6 : place + 8], "little")
    if place < 0 or content[place + 8 : place + 8 + length].rstrip(b"\0 ") not in UNCOMPRESSED:
        return  # a compressed image that is truncated cannot be decompressed
    # the last element holds the pixels; an icon before it may have some of its own
    start = max(content.rfind(b"\xe0\x7f\x10\x00" + kind) for kind in (b"OW", b"OB"))
    start = start + 12 if start >= 0 else content.rfind(b"\xe0\x7f\x10\x00") + 8
    bits = metadata(header, "0028|0100").strip()
    needed = prod(header.GetSize()) * int(bits) // 8 if bits.isdecimal() else 0
    if len(content) - start < needed:
        raise InputError(
            f"{path} is truncated: its image has {needed} bytes, of which {len(content) - start} are there"
        )
