"""Finished frames as DICOM Segmentation objects, by highdicom."""

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
from ..core.segment import Segment
from ..core.sequence import SegmentedFrame
from ..io.dicom_series import CineSeries
from ..model.description import Model
from .writers import naming

TISSUE = ["SCT", "85756007", "Tissue"]
"""What Slicer calls a segment of which nothing is said."""


class DicomSegWriter:
    """One object a frame, all in one new series of the images' study; see `writers.Writer`.

    The objects name the images that they belong to, so that any viewer lays them over these.

    Args:
        folder: new; gets `frame-0000.dcm` and so on.
        series: what the frames were read from; None where that was not DICOM.

    Raises:
        InputError: the frames are not of DICOM images, one a file.
    """

    def __init__(self, folder: Path, model: Model, series: CineSeries | None):
        if series is None or series.slices(0)[0].number is not None:
            raise InputError(
                f"{folder.name}: DICOM SEG objects belong to DICOM images: give a folder of one file an image as input"
            )
        self._folder = folder
        self._model = model
        self._series = series
        self._series_uid = generate_uid()
        self._segments = [
            _description(n, segment, model, generate_uid()) for n, segment in enumerate(model.segments, 1)
        ]
        folder.mkdir()

    def add(self, result: SegmentedFrame) -> None:
        images = [dcmread(one.path, stop_before_pixels=True) for one in self._series.slices(result.number)]
        try:
            segmentation = Segmentation(
                images,
                sitk.GetArrayFromImage(result.labels),
                "BINARY",
                self._segments,
                series_instance_uid=self._series_uid,
                series_number=(images[0].get("SeriesNumber") or 0) + 1000,
                sop_instance_uid=generate_uid(),
                instance_number=result.number + 1,
                manufacturer="CLSTMSegment contributors",
                manufacturer_model_name="CLSTMSegment",
                software_versions=f"{self._model.name} {self._model.version}",
                device_serial_number="1",
                content_description=f"frame {result.number}",
            )
        except (AttributeError, ValueError) as error:
            raise InputError(
                f"frame {result.number} has no DICOM SEG: {images[0].filename} does not say enough ({error})"
            ) from error
        path = self._folder / f"frame-{result.number:04}.dcm"
        with naming(path):
            segmentation.save_as(path)

    def finish(self) -> None:
        pass

    def release(self) -> None:
        pass


def _description(number: int, segment: Segment, model: Model, uid: str) -> object:
    """What DICOM says of a segment; its tracking UID makes it the same one in all frames."""

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
