"""One image of a DICOM file: where it lies, what it says of itself, and its pixels, which are checked to be there."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ..core.errors import InputError
from .dicom_header import DicomHeader, Lookup
from .image_files import DICOM, read_image

UNCOMPRESSED = {ImplicitVRLittleEndian: "<", ExplicitVRLittleEndian: "<", ExplicitVRBigEndian: ">"}
"""Transfer syntaxes whose pixels stand in the file as they are, and their byte order."""

PIXEL_DATA = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
"""Tag of the element of the pixels, in both byte orders."""

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length of an element whose pixels are compressed."""

KEYWORDS = (
    *("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "ClinicalTrialSubjectID"),
    *("FrameOfReferenceUID", "AccessionNumber", "StudyDate", "StudyTime", "StationName"),
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality"),
    *("SeriesNumber", "SeriesDescription", "ProtocolName", "ImageComments", "InstanceNumber"),
    *("ImageType", "FrameType", "ComplexImageComponent", "DataType", "EchoNumbers", "EchoTime", "EffectiveEchoTime"),
    *("ReceiveCoilName", "DiffusionBValue", "SequenceName", "VelocityEncodingDirection", "ConvolutionKernel", "KVP"),
    *("FlipAngle", "InversionTime"),
    *("TriggerTime", "NominalCardiacTriggerDelayTime", "ActualCardiacTriggerDelayTime", "TemporalPositionTimeOffset"),
    *("NominalPercentageOfCardiacPhase", "NominalPercentageOfRespiratoryPhase"),
    *("TemporalPositionIdentifier", "TemporalPositionIndex", "TemporalResolution"),
    *("FrameReferenceDateTime", "FrameAcquisitionDateTime", "AcquisitionDateTime", "FrameReferenceTime"),
    *("AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime"),
    *("SpacingBetweenSlices", "SliceThickness", "RescaleSlope", "RescaleIntercept"),
)
"""What is kept of an image's header."""

VENDOR_VALUES = {
    "b-value": ((0x0019, "SIEMENS MR HEADER", 0x0C), (0x2001, "Philips Imaging DD 001", 0x03)),
    "GE b-value": ((0x0043, "GEMS_PARM_01", 0x39),),
    "GE collapse flag": ((0x0043, "GEMS_PARM_01", 0x30),),
    "GE raw data type": ((0x0043, "GEMS_PARM_01", 0x2F),),
    "coil": ((0x0051, "SIEMENS MR HEADER", 0x0F),),
    "flow direction": ((0x0051, "SIEMENS MR HEADER", 0x14),),
}
"""Private elements that tell images apart: group, creator and element."""


@dataclass(frozen=True)
class DicomImage:
    """One image of a DICOM file.

    Attributes:
        path: the file.
        number: of the image in its file, from 0; None for a file with a single image.
        origin, direction: of the image as in SimpleITK, in mm in LPS; the third direction is that of the normal.
        spacing: between columns and between rows, in mm.
        size: number of columns and of rows.
        values: what the file says of the image, by the names in `KEYWORDS` and `VENDOR_VALUES`.
        stored: where and how the pixels stand in the file; None for a file that SimpleITK reads, because it is
            compressed, or its values must be inverted.
    """

    path: Path
    number: int | None
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    spacing: tuple[float, float]
    size: tuple[int, int]
    values: Mapping[str, Any]
    stored: "StoredPixels | None"

    @property
    def place(self) -> float:
        """Return the position along the normal, in mm."""
        return float(np.dot(self.origin, self.direction[2::3]))

    @property
    def identity(self) -> str:
        """Return the name of the image in messages."""
        return str(self.path) if self.number is None else f"image {self.number} of {self.path}"

    def text(self, *names: str) -> str:
        """Return the first of these values of the image as text; empty where there is none of them."""
        value = next((self.values[name] for name in names if name in self.values), "")
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            return str(value).strip()
        return "\\".join(str(part).strip() for part in value)


@dataclass(frozen=True)
class StoredPixels:
    """The pixels of an image in an uncompressed file.

    Attributes:
        start: first byte of the image in the file.
        type: NumPy type of a pixel.
        unused_bits: number of the highest bits of a pixel that do not belong to it.
        slope, intercept: of the rescaling to the values of the image.
    """

    start: int
    type: str
    unused_bits: int
    slope: float
    intercept: float

    def read(self, image: DicomImage) -> np.ndarray:
        """Return the values (row, column) of an image."""
        columns, rows = image.size
        pixels = np.fromfile(image.path, np.dtype(self.type), columns * rows, offset=self.start)
        if pixels.size < columns * rows:
            raise InputError(f"{image.path} has changed or is truncated: {image.identity} ends too early")
        pixels = pixels.reshape(rows, columns)
        pixels = pixels.astype(pixels.dtype.newbyteorder("=")) << self.unused_bits >> self.unused_bits
        if (self.slope, self.intercept) == (1, 0):
            return pixels
        values = pixels * self.slope + self.intercept
        if not (self.slope.is_integer() and self.intercept.is_integer()):
            return values.astype(np.float32)
        bits = 8 * pixels.dtype.itemsize - self.unused_bits
        fits = 2**bits * abs(self.slope) + abs(self.intercept) < 2**31  # the same for all images of a series
        return values.astype(np.int32 if fits else np.float64)


def images_in_file(header: DicomHeader) -> list[DicomImage]:
    """Return the images in a DICOM file, by its header.

    Raises:
        InputError: an image does not say where it lies, or the file does not hold all its pixels.
    """
    start = _check_pixels(header)
    count = header.count
    return [_image(header, number, count, start) for number in range(count)]


def read_pixels(image: DicomImage, files: dict[Path, np.ndarray]) -> np.ndarray:
    """Return the values (row, column) of an image.

    Args:
        image: the image.
        files: keeps the content of compressed files with several images, which are read once.
    """
    if image.stored is not None:
        return image.stored.read(image)
    if image.number is None:
        return sitk.GetArrayFromImage(read_image(image.path, DICOM)).reshape(image.size[::-1])
    if image.path not in files:
        files[image.path] = sitk.GetArrayFromImage(read_image(image.path, DICOM))
    return files[image.path][image.number]


def _image(header: DicomHeader, number: int, count: int, start: int | None) -> DicomImage:
    said = header.lookup(number)
    single = count == 1 and not header.is_enhanced
    name = f"{header.path}" if single else f"image {number} of {header.path}"
    origin = _numbers(said, name, 3, "ImagePositionPatient", "ImagePositionVolume")
    axes = _numbers(said, name, 6, "ImageOrientationPatient", "ImageOrientationVolume")
    down, right = _numbers(said, name, 2, "PixelSpacing")
    if min(down, right) <= 0:
        raise InputError(f"{name} has pixels without a size: its PixelSpacing is {[down, right]}")
    values = {keyword: value for keyword in KEYWORDS if (value := said.value(keyword)) is not None}
    for name_of_value, places in VENDOR_VALUES.items():
        found = [value for place in places if (value := said.private(*place)) is not None]
        values |= {name_of_value: found[0]} if found else {}
    if said.value("ModalityLUTSequence"):
        raise InputError(
            f"{name} stores its values by a table (ModalityLUTSequence), which neither SimpleITK nor Slicer applies: "
            "convert it to a file without such a table first"
        )
    size = header.whole_number("Columns"), header.whole_number("Rows")
    # SimpleITK and Slicer invert the values of MONOCHROME1, whether compressed or not
    photometric = str(said.value("PhotometricInterpretation")).strip()
    inverted = photometric == "MONOCHROME1"
    if not inverted and photometric.upper() == "MONOCHROME1":
        raise InputError(
            f"{name} has the PhotometricInterpretation {photometric}, which must be in capitals: SimpleITK and Slicer "
            "would not invert it; correct it"
        )
    stored = None if start is None or inverted else _stored(header, said, number, start)
    bits = header.whole_number("BitsAllocated", 16)
    if stored is None and bits > 16:  # what SimpleITK reads is memory that nothing was written to, or all 0
        raise InputError(
            f"{header.path} has pixels of {bits} bits that are {'inverted' if inverted else 'compressed'}, which "
            "cannot be read: convert it first"
        )
    own_number = None if single else number
    return DicomImage(header.path, own_number, origin, _direction(axes, name), (right, down), size, values, stored)


def _numbers(said: Lookup, name: str, count: int, *keywords: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in said.value(*keywords))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or not all(map(isfinite, numbers)):
        raise InputError(
            f"{name} does not say where it lies: its {keywords[0]} is missing or damaged; without it, no volume can be "
            "made of the images"
        )
    return numbers


def _direction(axes: tuple[float, ...], name: str) -> tuple[float, ...]:
    row, column = np.reshape(axes, (2, 3))
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=1e-2):
        raise InputError(f"{name} has no orientation: the directions of its rows and columns are {list(axes)}")
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    return tuple(np.stack([row, column, np.cross(row, column)], axis=1).ravel().tolist())


def _stored(header: DicomHeader, said: Lookup, number: int, start: int) -> StoredPixels:
    bits = header.whole_number("BitsAllocated")
    used = header.whole_number("BitsStored", bits)
    if not 0 < used <= bits:
        raise InputError(f"{header.path} is damaged: it stores {used} bits of a pixel in {bits}")
    highest = header.whole_number("HighBit", used - 1)
    if highest > used - 1:
        raise InputError(
            f"{header.path} does not store its pixels in the lowest {used} bits, but up to bit {highest}: convert it "
            "to a file whose HighBit is BitsStored - 1 first"
        )
    letter = "i" if header.whole_number("PixelRepresentation", 0) else "u"
    pixels = header.whole_number("Columns") * header.whole_number("Rows")
    return StoredPixels(
        start + number * pixels * bits // 8,
        f"{UNCOMPRESSED[header.transfer_syntax]}{letter}{bits // 8}",
        bits - used,
        _scale(header, said, "RescaleSlope", 1.0),
        _scale(header, said, "RescaleIntercept", 0.0),
    )


def _scale(header: DicomHeader, said: Lookup, keyword: str, default: float) -> float:
    value = said.value(keyword)
    try:
        number = float(default if value is None else value)
    except (TypeError, ValueError):
        number = nan
    if not isfinite(number):
        raise InputError(f"{header.path} is damaged: its {keyword} is {value}")
    if keyword == "RescaleSlope" and number == 0:
        return 1.0  # as in SimpleITK: 0 would make all values the same
    return number


def _check_pixels(header: DicomHeader) -> int | None:
    """Return where the first pixel stands in the file; None for compressed images.

    Raises:
        InputError: the file, or the element of the pixels, ends before the last pixel, or the file does not say how
            its pixels are compressed.
    """
    path = header.path
    with path.open("rb") as file:
        file.seek(header.pixels_at)
        element = file.read(12)
        size = file.seek(0, 2)
    syntax = header.transfer_syntax
    if syntax != DeflatedExplicitVRLittleEndian and element[:4] not in PIXEL_DATA:
        raise InputError(f"{path} is truncated: it ends before the pixels of its image")
    if syntax not in UNCOMPRESSED:
        return None  # a compressed image that is truncated cannot be decompressed
    length_at = 8 if element[4:6] in (b"OW", b"OB", b"UN") else 4
    order = "big" if UNCOMPRESSED[syntax] == ">" else "little"
    length = int.from_bytes(element[length_at : length_at + 4], order)
    if length == UNDEFINED_LENGTH:
        raise InputError(
            f"{path} is damaged: its pixels are compressed, but its TransferSyntaxUID says that they are not"
        )
    start = header.pixels_at + length_at + 4
    bits = header.whole_number("BitsAllocated")
    if bits not in (8, 16, 32):
        raise InputError(f"{path} has pixels of {bits} bits, which cannot be read: convert it first")
    needed = header.count * header.whole_number("Rows") * header.whole_number("Columns") * bits // 8
    there = min(length, max(0, size - start))
    if there < needed:
        raise InputError(f"{path} is truncated: its image has {needed} bytes, of which {there} are there")
    return start
