"""The header of a DICOM file: what the file is, and what it says of each of its images."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from struct import error as StructError
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ImplicitVRLittleEndian

from ..core.errors import InputError
from .dicom_files import kind_of_class

UNREADABLE = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, TypeError, ValueError),
    *(BytesLengthException, InvalidDicomError, StructError),
)
"""What pydicom raises for a value that is damaged."""

DIRECTORY = "1.2.840.10008.1.3.10"
"""Class of a DICOMDIR, which lists the files of a folder."""

PLACED = tuple(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2", "4", "128"))
"""Begins of the classes of images that must have a place in space: CT, MR and PET."""


@contextmanager
def without_remarks() -> Iterator[None]:
    """Let pydicom say nothing of values that are odd while the block runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class DicomHeader:
    """The header of a DICOM file.

    Attributes:
        path: the file.
        dataset: all elements before the pixels.
        pixels_at: where the element of the pixels begins, in bytes.
        sop_class, transfer_syntax: UIDs of what the file is, and of how it is encoded.
        private_groups: numbers of the groups in which vendors store their own elements.

    Raises:
        InputError: the file cannot be read as DICOM.
    """

    def __init__(self, path: Path):
        self.path = path
        with _reading(path), path.open("rb") as file:
            self.dataset = dcmread(file, stop_before_pixels=True, force=True)
            self.pixels_at = file.tell()
        self.sop_class = str(self.value("SOPClassUID") or self._meta_value("MediaStorageSOPClassUID") or "")
        self.transfer_syntax = str(self._meta_value("TransferSyntaxUID") or ImplicitVRLittleEndian)
        if not self.sop_class and self.value("Rows") is None:
            raise InputError(f"{path} cannot be read as DICOM: it says neither what it is nor how large its image is")
        self.private_groups = {tag >> 16 for tag in self.dataset.keys() if tag >> 16 & 1}  # noqa: SIM118
        self._shared = self._items("SharedFunctionalGroupsSequence")
        self._frames = self._items("PerFrameFunctionalGroupsSequence")

    def value(self, keyword: str) -> Any:
        """Return the value of an element outside of all sequences; None where it is missing, empty or damaged."""
        return _value(self.dataset, keyword)

    def whole_number(self, keyword: str, default: int | None = None) -> int:
        """Return the value of an element that is a whole number from 0.

        Raises:
            InputError: it is damaged, or it is missing and there is no default.
        """
        value = self.value(keyword)
        if value is None and default is not None:
            return default
        try:
            number = int(value)
            if number >= 0:
                return number
        except (TypeError, ValueError):
            pass
        raise InputError(f"{self.path} is damaged: its {keyword} is {'missing' if value is None else value}")

    @property
    def count(self) -> int:
        """Return the number of images in the file."""
        return self.whole_number("NumberOfFrames", 1) or 1

    @property
    def is_enhanced(self) -> bool:
        """Return whether functional groups describe each image."""
        return bool(self._frames or self._shared)

    @property
    def what_it_is(self) -> str:
        """Return what the file is, in words, unless it holds images in grey that can have a place in space.

        Raises:
            InputError: a file of a class of images is truncated.
        """
        name = UID(self.sop_class).name
        if kind := kind_of_class(self.sop_class):
            return kind
        if self.value("Rows") is None or self.value("Columns") is None:
            if "Image Storage" in name or "Volume Storage" in name:
                raise InputError(f"{self.path} is truncated: it does not say how large its image is")
            return name.removesuffix(" Storage")
        image_type = str(self.value("ImageType") or "").upper()
        palette = "PALETTE" in str(self.value("PhotometricInterpretation")).upper()
        if palette or self.whole_number("SamplesPerPixel", 1) > 1:
            return "colour image"
        if "MOSAIC" in image_type:
            return "mosaic of several slices, which must be converted first"
        has_a_place = self.is_enhanced or self.value("ImagePositionPatient") is not None
        if not has_a_place and ("SECONDARY" in image_type or not self.sop_class.startswith(PLACED)):
            return f"{name.removesuffix(' Storage')} without a place in space"
        if self.count > 1 and not self.is_enhanced:
            return f"{name.removesuffix(' Storage')} of several images, which does not say where each one lies"
        return ""

    def lookup(self, number: int) -> "Lookup":
        """Return what is said of the image with a number, counted from 0."""
        own = self._frames[number] if number < len(self._frames) else {}
        return Lookup(self, self._shared[0] if self._shared else {}, own)

    def _meta_value(self, keyword: str) -> Any:
        return _value(self.dataset.file_meta, keyword)

    def _items(self, keyword: str) -> list[dict[str, Dataset]]:
        """Return, for each item of a sequence of functional groups, the data sets in it by the keywords they have."""
        items = self.value(keyword) or []
        return [_by_keyword(item) for item in items if isinstance(item, Dataset)] if hasattr(items, "append") else []


class Lookup:
    """What a file says of one of its images: in the image's own groups, in those of all images, or outside of them."""

    def __init__(self, header: DicomHeader, shared: dict[str, Dataset], own: dict[str, Dataset]):
        self._header = header
        self._shared = shared
        self._own = own

    def value(self, *keywords: str) -> Any:
        """Return the first value that there is of these elements; None where there is none."""
        for keyword in keywords:
            for place in (self._own.get(keyword), self._shared.get(keyword), self._header.dataset):
                if place is not None and (value := _value(place, keyword)) is not None:
                    return value
        return None

    def private(self, group: int, creator: str, element: int) -> Any:
        """Return the value of a vendor's own element; None where there is none."""
        if group not in self._header.private_groups:  # to look for it is slow
            return None
        try:
            value = self._header.dataset.private_block(group, creator)[element].value
        except UNREADABLE:
            return None
        return None if value in ("", b"") else value


def _by_keyword(item: Dataset) -> dict[str, Dataset]:
    found: dict[str, Dataset] = {}
    for tag in item.keys():  # noqa: SIM118 - a data set yields its elements, and reads all values for it
        keyword = keyword_for_tag(tag)
        group = _value(item, keyword) if keyword else None
        if hasattr(group, "append") and len(group) and isinstance(group[0], Dataset):
            found |= dict.fromkeys((keyword_for_tag(inner) for inner in group[0].keys()), group[0])  # noqa: SIM118
    return found


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _value(dataset: Dataset, keyword: str) -> Any:
    tag = _tag(keyword)
    try:
        if tag not in dataset:
            return None
        value = dataset[tag].value
    except UNREADABLE:
        return None
    return None if value is None or (isinstance(value, str) and not value.strip()) else value


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what pydicom raises for a damaged file into an InputError."""
    try:
        yield
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as DICOM ({error})") from error
