"""DICOM Segmentation objects of finished frames, made by highdicom."""

import warnings
from collections.abc import Callable, Iterable
from math import dist
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from ..core.errors import InputError
from ..core.sequence import SegmentedFrame
from ..core.structure import Segment
from ..io.dicom_series import CineSeries
from ..io.file_sequence import FileSequence
from ..model.description import Model
from .dicom_texts import LONGEST_TEXT, check_texts, code_of, has_other_scripts, write_in_utf_8
from .writers import storing

MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
"""Attributes of patient and study that an object must have, though they may be empty (type 2)."""

GREATEST_NUMBER = 2**31 - 1
"""Largest number that the standard allows for a series."""


def files_of(frames: FileSequence, output: Path) -> Callable[[int], list[Path]]:
    """Return what `DicomSegWriter` takes as `files` for the frames of an input.

    Raises:
        InputError: the frames are not DICOM images with one file for each image.
    """
    if not isinstance(frames, CineSeries) or frames.slices(0)[0].number is not None:
        raise InputError(
            f"{output.name}: DICOM SEG objects need DICOM images: give a folder with one file for each image"
        )
    return lambda number: [one.path for one in frames.slices(number)]


class DicomSegWriter:
    """Writes one object for every frame, all in one new series of the images' study; see `writers.LabelWriter`.

    Every object names the images that it belongs to, so that any viewer can show it on top of them.

    Args:
        folder: new folder, for the files `frame-0000.dcm`, `frame-0001.dcm` and so on.
        model: the model that segments.
        files: returns the DICOM files of a frame by its number, one for each slice, in the order of the slices.

    Raises:
        InputError: DICOM does not allow a text of the model.
        StorageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, model: Model, files: Callable[[int], list[Path]]):
        check_texts(model)
        self._folder = folder
        self._model = model
        self._files = files
        self._series_uid = generate_uid()
        self._patients: set[str] = set()
        self._instances: dict[str, str] = {}
        self._in_utf_8 = has_other_scripts(model)
        self._segments = [
            _description(n, segment, model, generate_uid()) for n, segment in enumerate(model.segments, 1)
        ]
        with storing(folder):
            folder.mkdir()

    def check(self, numbers: Iterable[int]) -> None:
        """Raise an InputError if the images of one of the frames lack what an object needs: before the work is done."""
        for number in numbers:
            self._segmentation(number, None)

    def add(self, frame: SegmentedFrame) -> None:
        segmentation = self._segmentation(frame.number, sitk.GetArrayFromImage(frame.labels))
        path = self._folder / f"frame-{frame.number:04}.dcm"
        with storing(path):
            segmentation.save_as(path)

    def _segmentation(self, number: int, labels: np.ndarray | None) -> Segmentation:
        """Return the object of a frame.

        Args:
            number: number of the frame.
            labels: its labels (k, j, i); None to find out whether its images have all that an object needs.
        """
        images = self._images(number)
        self._check_identities(number, images)
        series_of = {image.get("SOPInstanceUID"): image.get("SeriesInstanceUID") for image in images}
        self._patients |= {str(image.PatientID) for image in images}
        if len(self._patients) > 1:
            names = ", ".join(map(repr, sorted(self._patients)))
            raise InputError(
                f"frame {number}: the images are of several patients ({names}), so that no DICOM SEG object can be "
                "written: keep those of one patient in the folder"
            )
        if all(series_of.values()):
            for image in images:  # highdicom takes those of one series only, but a stack can have one for each slice
                image.SeriesInstanceUID = images[0].SeriesInstanceUID
        if labels is None:
            labels = np.ones((len(images), images[0].Rows, images[0].Columns), np.uint8)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about names of patients, which are copied as they are
                segmentation = Segmentation(
                    images,
                    labels,
                    "BINARY",
                    self._segments,
                    series_instance_uid=self._series_uid,
                    series_number=min(max(images[0].get("SeriesNumber") or 0, 0) + 1000, GREATEST_NUMBER),
                    sop_instance_uid=generate_uid(),
                    instance_number=number + 1,
                    manufacturer="CLSTMSegment contributors",
                    manufacturer_model_name="CLSTMSegment",
                    software_versions=f"{self._model.name} {self._model.version}",
                    device_serial_number="1",
                    content_description=f"frame {number}",
                    omit_empty_frames=bool(labels.any()),
                    series_description=f"{self._model.title}"[:LONGEST_TEXT],
                )
        except (AttributeError, KeyError, ValueError) as error:
            raise InputError(
                f"frame {number}: {images[0].filename} lacks information that a DICOM SEG object needs ({error}), so "
                "that none can be written"
            ) from error
        segmentation.ReferencedSeriesSequence = _references(segmentation, series_of)
        return segmentation

    def _images(self, number: int) -> list[Dataset]:
        """Return the images of a frame; what an anonymiser may have removed is empty, as the standard demands."""
        images = [dcmread(path, stop_before_pixels=True, force=True) for path in self._files(number)]
        for image in images:
            for keyword in MAY_BE_EMPTY:
                if keyword not in image:
                    setattr(image, keyword, "")
            write_in_utf_8(image, always=self._in_utf_8)
            if not image.get("SliceThickness"):
                image.SliceThickness = _slice_gap(images)
        return images

    def _check_identities(self, number: int, images: list[Dataset]) -> None:
        """Raise an InputError if two images have one identity: an object would refer to any of them."""
        for image in images:
            uid, file = image.get("SOPInstanceUID"), image.filename
            other = self._instances.setdefault(uid, file) if uid else file
            if other != file:
                raise InputError(
                    f"frame {number}: {other} and {file} have the same SOPInstanceUID {uid}, so that no DICOM SEG "
                    "object can refer to one of them: give each image its own"
                )

    def finish(self) -> None:
        pass

    def release(self) -> None:
        pass


def _references(segmentation: Segmentation, series_of: dict[str, str]) -> list[Dataset]:
    """Return the references of an object to the images that it belongs to, those of each series in an item."""
    (together,) = segmentation.ReferencedSeriesSequence
    items: dict[str, Dataset] = {}
    for reference in together.ReferencedInstanceSequence:
        uid = series_of[reference.ReferencedSOPInstanceUID]
        if uid not in items:
            items[uid] = Dataset()
            items[uid].SeriesInstanceUID, items[uid].ReferencedInstanceSequence = uid, []
        items[uid].ReferencedInstanceSequence.append(reference)
    return list(items.values())


def _slice_gap(images: list[Dataset]) -> float:
    """Return the distance between slices in mm; 1 mm where nothing tells it."""
    if len(images) < 2:
        return float(images[0].get("SpacingBetweenSlices") or 1.0)
    return dist(*(tuple(map(float, image.ImagePositionPatient)) for image in images[:2]))


def _description(number: int, segment: Segment, model: Model, uid: str) -> SegmentDescription:
    """Return the description of a segment; its tracking UID makes it the same segment in all frames."""

    def code(name: str) -> CodedConcept:
        scheme, value, meaning = code_of(segment, name)
        return CodedConcept(value, scheme, meaning)

    return SegmentDescription(
        number,
        segment.name,
        code("category"),
        code("type"),
        "AUTOMATIC",
        AlgorithmIdentificationSequence(model.name, codes.DCM.ArtificialIntelligence, model.version),
        tracking_uid=uid,
        tracking_id=segment.id,
        display_color=CIELabColor.from_rgb(*(round(255 * c) for c in segment.color)),
    )
