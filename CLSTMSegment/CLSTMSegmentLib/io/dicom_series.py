"""A DICOM cine series, classic or enhanced, read as a sequence of volumes: each image shows one place at one time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import SequenceIndex
from .dicom_image import check_dicom_image
from .file_sequence import FileSequence
from .image_files import DICOM, read_header, read_image

PLACE_TOLERANCE_MM = 0.1
"""Slices that are nearer than this lie at the same place, and gaps between slices may differ by as much."""


@dataclass(frozen=True)
class Slice:
    """One image of the series.

    Attributes:
        path: the file.
        number: of the image in its file, from 0; None for a file with a single image.
        place: position along the stack in mm.
        time: value that orders the images of a place.
        time_tag: DICOM tag of that value; empty where no tag gives it.
        origin, spacing, direction: geometry of the image as in SimpleITK, mm in LPS.
        size: number of columns and of rows.
    """

    path: Path
    number: int | None
    place: float
    time: float
    time_tag: str
    origin: tuple[float, ...]
    size: tuple[int, int]
    spacing: tuple[float, float]
    direction: tuple[float, ...]


def is_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


class CineSeries(FileSequence):
    """A DICOM cine series as a sequence: its images, sorted by place and time.

    Every place along the stack must have been imaged equally often; frame t is the t-th image of each.

    Args:
        source: the folder or file, for messages.
        files: DICOM files with one image each, or enhanced ones with many (these need pydicom).

    The index values are the times of the images at the first place, in ms from the trigger; where the files do not say
    them, they are the numbers of the frames.

    Raises:
        InputError: a file that cannot be read, images that are not parallel or not evenly spaced, or places
            with different numbers of images.
    """

    def __init__(self, source: Path, files: list[Path]):
        slices = sorted((one for path in files for one in _slices(path)), key=lambda one: one.place)
        for one in slices[1:]:
            if one.size != slices[0].size or not np.allclose(
                (*one.spacing, *one.direction), (*slices[0].spacing, *slices[0].direction), atol=1e-3
            ):
                raise InputError(
                    f"{source}: {one.path.name} differs from {slices[0].path.name} in size, spacing or orientation: "
                    "keep one series in the folder"
                )
        places: list[list[Slice]] = []
        for one in slices:
            if not places or one.place - places[-1][0].place > PLACE_TOLERANCE_MM:
                places.append([])
            places[-1].append(one)
        counts = sorted({len(images) for images in places})
        if len(counts) > 1:
            raise InputError(
                f"{source}: there are {counts[0]} images at some places along the stack and {counts[-1]} at others: "
                "images are missing, or there is more than one series"
            )
        count = counts[0]
        if count == 1:
            raise InputError(f"{source} is a single 3D series, not a sequence: there is one image at each place")
        # within a place, by time
        self._places = [sorted(images, key=lambda one: (one.time, one.path.name, one.number)) for images in places]
        gaps = np.diff([images[0].place for images in self._places])
        if len(gaps) and np.ptp(gaps) > PLACE_TOLERANCE_MM:
            raise InputError(
                f"{source}: the gaps between slices differ, from {gaps.min():.2f} to {gaps.max():.2f} mm: "
                "slices are missing, or this is not one stack"
            )
        self._gap = float(gaps.mean()) if len(gaps) else 1.0
        first = self._places[0]
        index = SequenceIndex([str(t) for t in range(count)])
        if len({one.time for one in first}) == count and all(one.time_tag == TRIGGER_TIME for one in first):
            index = SequenceIndex([f"{one.time:.10g}" for one in first], "time", "ms")
        super().__init__(index, self._volume)
        self._enhanced: dict[Path, np.ndarray] = {}

    def slices(self, number: int) -> list[Slice]:
        """Return the images of a frame, in the order of its slices."""
        return [images[number] for images in self._places]

    def _volume(self, number: int) -> sitk.Image:
        slices = self.slices(number)
        volume = sitk.GetImageFromArray(np.stack([self._pixels(one) for one in slices]))
        try:
            volume.SetSpacing((*slices[0].spacing, self._gap))
            volume.SetDirection(slices[0].direction)
            volume.SetOrigin(slices[0].origin)
        except RuntimeError as error:
            raise InputError(
                f"{slices[0].path}: its spacing {slices[0].spacing} and orientation {slices[0].direction} give it no "
                "place in space"
            ) from error
        return volume

    def _pixels(self, one: Slice) -> np.ndarray:
        if one.number is None:
            return _read_pixels(one.path)[0]
        if one.path not in self._enhanced:  # one file may hold all images, so it is read once
            self._enhanced[one.path] = _read_pixels(one.path)
        return self._enhanced[one.path][one.number]


def _read_pixels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(read_image(path, DICOM))


def _slices(path: Path) -> list[Slice]:
    """Return the images in a file, by its header."""
    reader = read_header(path, DICOM)
    if reader.GetDimension() == 3 and reader.GetSize()[2] > 1:
        return _enhanced_slices(path)
    check_dicom_image(path, reader)
    direction, origin = reader.GetDirection(), reader.GetOrigin()
    size, spacing = reader.GetSize()[:2], reader.GetSpacing()[:2]
    return [Slice(path, None, _place(origin, direction), *_time(reader), origin, size, spacing, direction)]


def _place(origin: tuple[float, ...], direction: tuple[float, ...]) -> float:
    return float(np.dot(origin, direction[2::3]))


TRIGGER_TIME = "0018|1060"
TIME_TAGS = (TRIGGER_TIME, "0020|0100", "0008|0032", "0020|0013")
"""Trigger time, temporal position, acquisition time, instance number: the first tag that a file has gives its time."""


def _time(reader: sitk.ImageFileReader) -> tuple[float, str]:
    for tag in TIME_TAGS:
        try:
            return float(reader.GetMetaData(tag)), tag
        except (RuntimeError, ValueError):  # absent or empty
            continue
    return 0.0, ""


def _enhanced_slices(path: Path) -> list[Slice]:
    """Return the images in an enhanced file, by its functional groups, which SimpleITK does not give."""
    try:
        from pydicom import dcmread
    except ImportError as error:
        raise InputError(f"{path} holds several images in one file (enhanced DICOM): pip install pydicom") from error
    header = dcmread(path, stop_before_pixels=True)
    try:
        found = [
            _enhanced_slice(path, header, number) for number in range(len(header.PerFrameFunctionalGroupsSequence))
        ]
        if not found:
            raise ValueError("it lists no images")
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} holds several images and does not say where each one lies ({error}): it is not enhanced DICOM"
        ) from error
    scales = {scale for _, scale in found}
    if len(scales) > 1:  # SimpleITK applies one of them to all images
        raise InputError(f"{path}: its images have different rescale slopes: convert it to one file an image")
    return [one for one, _ in found]


def _enhanced_slice(path: Path, header: object, number: int) -> tuple[Slice, tuple]:
    """Return one image and how its values are rescaled.

    Part 3, C.7.6.16 of the DICOM standard describes the functional groups.
    """
    shared, own = header.SharedFunctionalGroupsSequence[0], header.PerFrameFunctionalGroupsSequence[number]

    def value(group: str, name: str, default: object = None) -> object:
        groups = own.get(group) or shared.get(group) or [{}]
        found = groups[0].get(name, default)
        if found is None:
            raise AttributeError(f"{name} of image {number} is missing")
        return found

    row, column = np.reshape(value("PlaneOrientationSequence", "ImageOrientationPatient"), (2, 3)).astype(float)
    direction = tuple(np.stack([row, column, np.cross(row, column)], axis=1).ravel().tolist())
    origin = tuple(map(float, value("PlanePositionSequence", "ImagePositionPatient")))
    down, right = map(float, value("PixelMeasuresSequence", "PixelSpacing"))
    time, tag = value("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", ""), TRIGGER_TIME
    if time == "":
        time, tag = value("FrameContentSequence", "TemporalPositionIndex", number), ""
    scale = tuple(value("PixelValueTransformationSequence", name, "") for name in ("RescaleSlope", "RescaleIntercept"))
    place = _place(origin, direction)
    size = header.Columns, header.Rows
    return Slice(path, number, place, float(time), tag, origin, size, (right, down), direction), scale
