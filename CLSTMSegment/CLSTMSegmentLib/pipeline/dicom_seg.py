"""DICOM Segmentation objects of finished frames, made by highdicom."""

from pathlib import Path

import SimpleITK as sitk
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from ..core.errors import InputError
from ..core.sequence import SegmentedFrame
from ..core.structure import Segment
from ..io.dicom_series import CineSeries
from ..io.file_sequence import FileSequence
from ..model.description import Model
from .writers import storing

TISSUE = ["SCT", "85756007", "Tissue"]
"""Slicer's code for a segment whose model names no code."""


class DicomSegWriter:
    """Writes one object for every frame, all in one new series of the images' study; see `writers.LabelWriter`.

    Every object names the images that it belongs to, so that any viewer can show it on top of them.

    Args:
        folder: new folder, for the files `frame-0000.dcm`, `frame-0001.dcm` and so on.
        model: the model that segments.
        frames: the input frames, which must be a DICOM series.

    Raises:
        InputError: the frames are not DICOM images with one file for each image.
        StorageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, model: Model, frames: FileSequence):
        if not isinstance(frames, CineSeries) or frames.slices(0)[0].number is not None:
            raise InputError(
                f"{folder.name}: DICOM SEG objects need DICOM images: give a folder with one file for each image"
            )
        self._folder = folder
        self._model = model
        self._series = frames
        self._series_uid = generate_uid()
        self._segments = [
            _description(n, segment, model, generate_uid()) for n, segment in enumerate(model.segments, 1)
        ]
        with storing(folder):
            folder.mkdir()

    def add(self, frame: SegmentedFrame) -> None:
        images = [dcmread(one.path, stop_before_pixels=True) for one in self._series.slices(frame.number)]
        try:
            segmentation = Segmentation(
                images,
                sitk.GetArrayFromImage(frame.labels),
                "BINARY",
                self._segments,
                series_instance_uid=self._series_uid,
                series_number=(images[0].get("SeriesNumber") or 0) + 1000,
                sop_instance_uid=generate_uid(),
                instance_number=frame.number + 1,
                manufacturer="CLSTMSegment contributors",
                manufacturer_model_name="CLSTMSegment",
                software_versions=f"{self._model.name} {self._model.version}",
                device_serial_number="1",
                content_description=f"frame {frame.number}",
            )
        except (AttributeError, KeyError, ValueError) as error:
            raise InputError(
                f"frame {frame.number}: {images[0].filename} lacks information that a DICOM SEG object needs ({error})"
            ) from error
        path = self._folder / f"frame-{frame.number:04}.dcm"
        with storing(path):
            segmentation.save_as(path)

    def finish(self) -> None:
        pass

    def release(self) -> None:
        pass


def _description(number: int, segment: Segment, model: Model, uid: str) -> SegmentDescription:
    """Return the description of a segment; its tracking UID makes it the same segment in all frames."""

    def code(name: str) -> CodedConcept:
        scheme, value, meaning = segment.terminology.get(name, TISSUE)
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
