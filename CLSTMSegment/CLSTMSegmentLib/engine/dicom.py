"""A cine series in DICOM: a folder of slices, each of one place and one time, read as a sequence of volumes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError, sitk_cause

PLACE_TOLERANCE_MM = 0.1
"""Slices nearer than this lie at the same place, and gaps between slices may differ by as much."""


@dataclass(frozen=True)
class Slice:
    """A file of the series: where it lies along the stack, in mm, and what says when, by which tag."""

    path: Path
    place: float
    time: float
    time_tag: str
    origin: tuple[float, ...]
    geometry: tuple


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


class CineSeries:
    """The slices of a folder, sorted by place and time.

    Every place along the stack must have been imaged equally often; frame t is the t-th image of each.

    Args:
        folder: for messages.
        files: all of them DICOM files of one slice.

    Attributes:
        times: of the frames, those of the first place, ms from the trigger; empty where the files have none.
        count: of frames.

    Raises:
        InputError: a file that cannot be read or has several slices, slices that are not parallel or not
            evenly spaced, or places with different numbers of images.
    """

    def __init__(self, folder: Path, files: list[Path]):
        slices = sorted((_read_header(path) for path in files), key=lambda one: one.place)
        for one in slices[1:]:
            if not np.allclose(np.hstack(one.geometry), np.hstack(slices[0].geometry), atol=1e-3):
                raise InputError(
                    f"{folder}: {one.path.name} differs from {slices[0].path.name} in size, spacing or orientation: "
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
                f"{folder}: there are {counts[0]} images at some places along the stack and {counts[-1]} at others: "
                "images are missing, or there is more than one series"
            )
        self.count = counts[0]
        if self.count == 1:
            raise InputError(f"{folder} is a single 3D series, not a sequence: there is one image at each place")
        # within a place, by time
        self._places = [sorted(images, key=lambda one: (one.time, one.path.name)) for images in places]
        gaps = np.diff([images[0].place for images in self._places])
        if len(gaps) and np.ptp(gaps) > PLACE_TOLERANCE_MM:
            raise InputError(
                f"{folder}: the gaps between slices differ, from {gaps.min():.2f} to {gaps.max():.2f} mm: "
                "slices are missing, or this is not one stack"
            )
        self._gap = float(gaps.mean()) if len(gaps) else 1.0
        first = self._places[0]
        timed = len({one.time for one in first}) == self.count and all(one.time_tag == TRIGGER_TIME for one in first)
        self.times = [f"{one.time:.10g}" for one in first] if timed else []

    def frame(self, number: int) -> sitk.Image:
        """The volume at a time."""
        images = [images[number] for images in self._places]
        array = np.concatenate([sitk.GetArrayFromImage(_read_pixels(one.path)) for one in images])
        volume = sitk.GetImageFromArray(array)
        _, spacing, direction = images[0].geometry
        volume.SetSpacing((*spacing[:2], self._gap))
        volume.SetDirection(direction)
        volume.SetOrigin(images[0].origin)
        return volume


def _read_header(path: Path) -> Slice:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as DICOM ({sitk_cause(error)})") from error
    if reader.GetDimension() != 3 or reader.GetSize()[2] != 1:
        raise InputError(
            f"{path} holds several images in one file (enhanced DICOM), which can be read in Slicer, or after a "
            "conversion to one file an image"
        )
    direction = reader.GetDirection()
    origin = reader.GetOrigin()
    normal = np.array(direction).reshape(3, 3)[:, 2]
    return Slice(
        path,
        float(np.dot(origin, normal)),
        *_time(reader),
        tuple(origin),
        (reader.GetSize(), reader.GetSpacing(), direction),
    )


TRIGGER_TIME = "0018|1060"
TIME_TAGS = (TRIGGER_TIME, "0020|0100", "0008|0032", "0020|0013")
"""Trigger time, temporal position, acquisition time, instance number: the first that a file has says when it was."""


def _time(reader: sitk.ImageFileReader) -> tuple[float, str]:
    for tag in TIME_TAGS:
        try:
            return float(reader.GetMetaData(tag)), tag
        except (RuntimeError, ValueError):  # not there, or empty
            continue
    return 0.0, ""


def _read_pixels(path: Path) -> sitk.Image:
    try:
        return sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as DICOM ({sitk_cause(error)})") from error
