"""Sequences on disk: 4D images in, label sequences out."""

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote

import numpy as np
import SimpleITK as sitk

from .dicom import CineSeries, is_dicom
from .errors import InputError, sitk_cause
from .frames import Frame
from .image_files import read_image

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")


@dataclass(frozen=True)
class SequenceIndex:
    """What the frames of a sequence are numbered by: name, unit, "numeric" or "text", and the values."""

    values: list[str]
    name: str = "frame"
    unit: str = ""
    type: str = "numeric"


class FileSequence(Sequence):
    """The frames of a sequence on disk, each made into an image when it is asked for.

    Attributes:
        index: of all frames.
        dicom: the series that it was read from, if it was.
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
    """A sequence from a .seq.nrrd, a 4D image file, DICOM, or a folder of 3D image files in natural order.

    DICOM is a folder of one series, or one enhanced file.

    A folder's files are read when they are asked for; a single file is held in memory, in its own type.

    Raises:
        InputError: nothing there, not readable, or not a sequence.
    """
    if path.is_dir():
        return _read_folder(path)
    if is_dicom(path):
        return _read_dicom(path, [path])
    image = _read_image(path)
    if image.GetDimension() == 4:
        return _split_4d(image, path)
    if image.GetDimension() != 3:
        raise InputError(f"{path} has {image.GetDimension()} dimensions: a sequence of 3D images is needed")
    components = image.GetNumberOfComponentsPerPixel()
    pixel_kind = _metadata(image, "NRRD_kinds[pixel]")
    if components == 1 and pixel_kind != "list":
        raise InputError(f"{path} is a single 3D image, not a sequence: give a 4D file or a folder of 3D files")
    if components > 1 and pixel_kind not in ("list", "time"):
        raise InputError(f"{path} is a colour or vector image, not a sequence of scalar images")
    return _split_components(image)


def _read_image(path: Path) -> sitk.Image:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not path.name.lower().endswith(IMAGE_SUFFIXES):
        raise InputError(f"{path}: unknown file type: give one of {', '.join(IMAGE_SUFFIXES)}, or a folder of them")
    try:
        return read_image(path)
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as an image ({sitk_cause(error)})") from error


def _metadata(image: sitk.Image, key: str) -> str:
    return image.GetMetaData(key) if image.HasMetaDataKey(key) else ""


def _like(array: np.ndarray, geometry: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(geometry)
    return image


def _split_components(image: sitk.Image) -> FileSequence:
    """A .seq.nrrd: one component a frame; Slicer writes index values space-separated and URL-encoded."""
    count = image.GetNumberOfComponentsPerPixel()
    values = [unquote(v) for v in _index_metadata(image, "values").split()]
    values += [str(t) for t in range(len(values), count)]  # as Slicer does for values that are missing
    index = SequenceIndex(
        values[:count],
        _metadata(image, "NRRD_labels[pixel]") or "frame",
        _metadata(image, "NRRD_units[pixel]"),
        _index_metadata(image, "type") or "numeric",
    )
    voxels = sitk.GetArrayViewFromImage(image).reshape(*image.GetSize()[::-1], count)
    array = np.array(np.moveaxis(voxels, -1, 0), order="C")  # a copy: the view dies with the image
    geometry = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    geometry.CopyInformation(image)
    return FileSequence(index, lambda t: _like(array[t], geometry))


def _index_metadata(image: sitk.Image, what: str) -> str:
    return _metadata(image, f"axis 3 index {what}") or _metadata(image, f"axis 0 index {what}")


NIFTI_TIME_UNITS = {8: "s", 16: "ms", 24: "us"}
"""NIfTI-1 codes of time units: bits 3 to 5 of xyzt_units."""


def _split_4d(image: sitk.Image, path: Path) -> FileSequence:
    """A 4D image: the last axis is time."""
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path} is a sequence of colour or vector images: only scalar images can be segmented")
    count, step, start = image.GetSize()[3], image.GetSpacing()[3], image.GetOrigin()[3]
    directions = np.array(image.GetDirection()).reshape(4, 4)[:3, :3]
    geometry = sitk.Image(image.GetSize()[:3], sitk.sitkUInt8)
    geometry.SetSpacing(image.GetSpacing()[:3])
    geometry.SetOrigin(image.GetOrigin()[:3])
    geometry.SetDirection(directions.ravel().tolist())
    units = _metadata(image, "xyzt_units")
    unit = NIFTI_TIME_UNITS.get(int(units) & 56, "") if units.isdecimal() else ""
    index = SequenceIndex([f"{start + t * step:.10g}" for t in range(count)], "time" if unit else "frame", unit)
    array = sitk.GetArrayFromImage(image)
    return FileSequence(index, lambda t: _like(array[t], geometry))


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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file or folder of the same name to write, which becomes `path` when the block ends well, and goes otherwise.

    Raises:
        InputError: the folder is not there or cannot be written, or `path` is itself a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder that is there already: give another name")
    try:
        folder = TemporaryDirectory(prefix=".clstm-segment-", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another place") from error
    with folder:
        partial = Path(folder.name) / path.name
        yield partial
        partial.replace(path)


NRRD_TYPES = {np.dtype(np.uint8): "unsigned char", np.dtype(np.int16): "short", np.dtype(np.float32): "float"}


def _field(text: str) -> str:
    """Text within a line of a NRRD header: it must not end the line, nor the quotation marks around it."""
    return re.sub(r'[\x00-\x1f"\\]', " ", text)


class SequenceNrrdWriter:
    """Writes a .seq.nrrd that Slicer opens, one frame at a time.

    Args:
        path: the file.
        index: of the frames that will be added, all known beforehand.
        like: an image with the geometry and type (uint8, int16 or float32) that all frames share.
    """

    def __init__(self, path: Path, index: SequenceIndex, like: sitk.Image):
        self._geometry = (like.GetSize(), like.GetSpacing(), like.GetOrigin(), like.GetDirection())
        self._type = sitk.GetArrayViewFromImage(like).dtype
        steps = np.array(like.GetDirection()).reshape(3, 3) * np.array(like.GetSpacing())

        def vector(values: Sequence[float]) -> str:
            return "(" + ",".join(repr(float(v)) for v in values) + ")"

        lines = [
            "NRRD0005",
            f"type: {NRRD_TYPES[self._type]}",
            "dimension: 4",
            "space: left-posterior-superior",
            f"sizes: {' '.join(str(n) for n in like.GetSize())} {len(index.values)}",
            f"space directions: {' '.join(vector(steps[:, axis]) for axis in range(3))} none",
            "kinds: domain domain domain list",
            f'labels: "" "" "" "{_field(index.name)}"',
            f'units: "" "" "" "{_field(index.unit)}"',
            "endian: little",
            "encoding: gzip",
            f"space origin: {vector(like.GetOrigin())}",
            f"axis 3 index type:={_field(index.type)}",
            f"axis 3 index values:={' '.join(quote(v, safe='+,:/()') for v in index.values)}",
        ]
        self._file = path.open("wb")
        self._file.write(("\n".join(lines) + "\n\n").encode("utf-8"))
        self._stream = gzip.GzipFile(filename="", fileobj=self._file, mode="wb", compresslevel=4, mtime=0)

    def add(self, image: sitk.Image) -> None:
        """Append one frame.

        Raises:
            InputError: its geometry is not that of the first frame.
        """
        if (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()) != self._geometry:
            raise InputError("the frames differ in geometry, which one 4D file cannot hold: write a .seq.mrb instead")
        self._stream.write(sitk.GetArrayViewFromImage(image).astype(self._type.newbyteorder("<"), copy=False).tobytes())

    def close(self) -> None:
        """Write what is left and close the file."""
        self._stream.close()
        self._file.close()

    def release(self) -> None:
        """Close the file as it is, for one that will be removed; after `close` this does nothing."""
        self._file.raw.close()


def write_sequence(path: Path, index: SequenceIndex, images: Sequence[sitk.Image]) -> None:
    """Write images, alike in geometry and type, as a .seq.nrrd; see `SequenceNrrdWriter`."""
    writer = SequenceNrrdWriter(path, index, images[0])
    for image in images:
        writer.add(image)
    writer.close()
