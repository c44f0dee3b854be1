"""Frames that the user edits: which ones these are, and their volumes after the edit."""

import numpy as np
import SimpleITK as sitk
import slicer

from ..core.sequence import SegmentedFrame
from ..core.structure import Segment
from ..core.volume_curve import Flag, FrameVolumes
from ..engine.quality import measure_frame
from .labelmaps import binaryLabelmap, isEmpty, maskOn, referenceGeometry, segmentsFor, segmentsOf


def editState(node: slicer.vtkMRMLSegmentationNode) -> tuple:
    """Return a value that changes whenever segments of a node are added, removed, drawn or renamed.

    It is quick to compute.
    """
    labelmaps = ((ID, one.GetName(), one.GetRepresentation(binaryLabelmap())) for ID, one in segmentsOf(node))
    return tuple((ID, name, labelmap.GetMTime() if labelmap is not None else 0) for ID, name, labelmap in labelmaps)


def measureEdited(
    node: slicer.vtkMRMLSegmentationNode, number: int, indexValue: str, segments: tuple[Segment, ...]
) -> tuple[FrameVolumes, list[Flag]]:
    """Return the volumes of an edited frame and its quality flags, as `VolumeCurve.replace` takes them.

    Segments may overlap after an edit, so that each is measured by itself. One that the user removed is empty.

    Raises:
        InputError: two segments have one name, or one cannot be resampled to the grid; the message names the frame.
    """
    volumes, flags = [], []
    geometry, frame = referenceGeometry(node), f"frame {number} ({indexValue})"
    for description, segment in zip(segments, segmentsFor(node, segments, frame), strict=True):
        array = np.zeros(geometry.GetDimensions()[::-1], np.uint8)
        if segment is not None and not isEmpty(segment):
            array[maskOn(geometry, segment, frame)] = 1
        labels = sitk.GetImageFromArray(array)
        labels.SetSpacing(geometry.GetSpacing())
        measured, found = measure_frame(SegmentedFrame(number, indexValue, labels), (description,))
        volumes += measured.ml
        flags += found
    return FrameVolumes(number, indexValue, tuple(volumes)), flags
