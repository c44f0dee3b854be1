"""Sequences on disk: 4D image files, folders of 3D images and DICOM series, read frame by frame."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import Frame, SequenceIndex
from .dicom_series import CineSeries, is_dicom
from .image_files import read_header, read_image, reading
from .sequence_nrrd import SequenceNrrdReader, frame_layout

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")


class FileSequence(Sequence):
    """The frames of a sequence on disk, each read as an image when it is asked for.

    Attributes:
        index: how the frames are indexed.
        dicom: the DICOM series that the sequence was read from; None for other files.
    """

    def __init__(self, index: SequenceIndex, image_of: Callable[[int], sitk.Image], dicom: CineSeries | None = None):
        self.index = index
        self.dicom = dicom
        self._image_of = image_of

    def __len__(self) -> int:
        return len(self.index.values)

    def __getitem__(self, number: int) -> Frame:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return Frame(self._image_of(number), self.index.values[number])


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
    if path.is_dir():
        return _read_folder(path)
    if is_dicom(path):
        return _read_dicom(path, [path])
    _check_file(path)
    with reading(path):
        header = read_header(path)
    if header.GetDimension() == 4:
        return _split_4d(header, path)
    if header.GetDimension() != 3:
        raise InputError(f"{path} has {header.GetDimension()} dimensions: a sequence of 3D images is needed")
    components = header.GetNumberOfComponents()
    pixel_kind = _metadata(header, "NRRD_kinds[pixel]")
    if components == 1 and pixel_kind != "list":
        raise InputError(f"{path} is a single 3D image, not a sequence: give a 4D file or a folder of 3D files")
    if components > 1 and pixel_kind not in ("list", "time"):
        raise InputError(f"{path} is a colour or vector image, not a sequence of scalar images")
    return _split_components(header, path)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not path.name.lower().endswith(IMAGE_SUFFIXES):
        raise InputError(f"{path}: unknown file type: give one of {', '.join(IMAGE_SUFFIXES)}, or a folder of them")


def _read_image(path: Path) -> sitk.Image:
    _check_file(path)
    with reading(path):
        return read_image(path)


def _metadata(header: sitk.ImageFileReader, key: str) -> str:
    return header.GetMetaData(key) if header.HasMetaDataKey(key) else ""


def _placed(array: np.ndarray, header: sitk.ImageFileReader) -> sitk.Image:
    """Return a frame (k, j, i) as an image with the geometry in a header of three or four axes."""
    axes = header.GetDimension()
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(header.GetSpacing()[:3])
    image.SetOrigin(header.GetOrigin()[:3])
    image.SetDirection(np.reshape(header.GetDirection(), (axes, axes))[:3, :3].ravel().tolist())
    return image


def _split_components(header: sitk.ImageFileReader, path: Path) -> FileSequence:
    """Return the sequence in a .seq.nrrd, whose frames are the components of a vector image.

    Slicer writes its index values separated by spaces and URL-encoded.
    """
    count = header.GetNumberOfComponents()
    values = [unquote(v) for v in _index_metadata(header, "values").split()]
    values += [str(t) for t in range(len(values), count)]  # as Slicer does where values are missing
    index = SequenceIndex(
        values[:count],
        _metadata(header, "NRRD_labels[pixel]") or "frame",
        _metadata(header, "NRRD_units[pixel]"),
        _index_metadata(header, "type") or "numeric",
    )
    layout = frame_layout(path)
    if layout is not None and (layout.count, *layout.shape) == (count, *header.GetSize()[::-1]):
        reader = SequenceNrrdReader(path, layout)
        return FileSequence(index, lambda t: _placed(reader.frame(t), header))
    image = _read_image(path)
    voxels = sitk.GetArrayViewFromImage(image).reshape(*image.GetSize()[::-1], count)
    array = np.array(np.moveaxis(voxels, -1, 0), order="C")  # a copy, since the view does not outlive the image
    return FileSequence(index, lambda t: _placed(array[t], header))


def _index_metadata(header: sitk.ImageFileReader, what: str) -> str:
    return _metadata(header, f"axis 3 index {what}") or _metadata(header, f"axis 0 index {what}")


NIFTI_TIME_UNITS = {8: ("s", 1), 16: ("ms", 1_000), 24: ("us", 1_000_000)}
"""Time units of NIfTI-1 and their number in a second, by their code: bits 3 to 5 of xyzt_units."""


def _split_4d(header: sitk.ImageFileReader, path: Path) -> FileSequence:
    """Return the sequence in a 4D image, whose last axis is time."""
    if header.GetNumberOfComponents() != 1:
        raise InputError(f"{path} is a sequence of colour or vector images: only scalar images can be segmented")
    count, step, start = header.GetSize()[3], header.GetSpacing()[3], header.GetOrigin()[3]
    units = _metadata(header, "xyzt_units")
    # SimpleITK has changed the times of a NIfTI file to seconds
    unit, per_second = NIFTI_TIME_UNITS.get(int(units) & 56, ("", 1)) if units.isdecimal() else ("", 1)
    values = [f"{(start + t * step) * per_second:.10g}" for t in range(count)]
    index = SequenceIndex(values, "time" if unit else "frame", unit)
    array = sitk.GetArrayFromImage(_read_image(path))
    return FileSequence(index, lambda t: _placed(array[t], header))


def _read_folder(folder: Path) -> FileSequence:
    files = [p for p in folder.iterdir() if p.name.lower().endswith(IMAGE_SUFFIXES)]
    if not files:
        slices = [path for path in folder.iterdir() if is_dicom(path)]
        if not slices:
            raise InputError(f"{folder} holds no image files ({', '.join(IMAGE_SUFFIXES)} or DICOM)")
        return _read_dicom(folder, slices)
    files.sort(key=lambda p: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", p.name)])
    return FileSequence(SequenceIndex([str(t) for t in range(len(files))]), lambda t: _read_image(files[t]))


def _read_dicom(source: Path, files: list[Path]) -> FileSequence:
    series = CineSeries(source, files)
    index = SequenceIndex([str(t) for t in range(series.count)])
    if series.times:
        index = SequenceIndex(series.times, "time", "ms")
    return FileSequence(index, series.frame, series)
