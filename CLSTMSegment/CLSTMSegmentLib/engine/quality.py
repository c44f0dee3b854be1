"""Measurements of a segmented frame: segment volumes, and signs that the segmentation may be wrong."""

import numpy as np
import SimpleITK as sitk

from ..core.sequence import SegmentedFrame
from ..core.structure import Segment
from ..core.volume_curve import IMAGE, Flag, FrameVolumes


def measure_frame(frame: SegmentedFrame, segments: tuple[Segment, ...]) -> tuple[FrameVolumes, list[Flag]]:
    """Return the volumes of a finished frame and its quality flags, as `VolumeCurve.add` takes them."""
    ml = volumes_ml(frame.labels, len(segments))
    return FrameVolumes(frame.number, frame.index_value, tuple(ml)), frame_flags(frame, segments)


def volumes_ml(labels: sitk.Image, segments: int) -> list[float]:
    """Return the volumes in ml of the labels 1 to `segments`."""
    return volumes_of_voxels(sitk.GetArrayViewFromImage(labels), labels.GetSpacing(), segments)


def volumes_of_voxels(labels: np.ndarray, spacing: tuple[float, ...], segments: int) -> list[float]:
    """Return the volumes in ml of the labels 1 to `segments` in an array, whose voxels have edges of `spacing` mm."""
    voxel_ml = float(np.prod(spacing)) / 1000
    return [float(n) * voxel_ml for n in _voxel_counts(labels, segments)[1 : segments + 1]]


def frame_flags(frame: SegmentedFrame, segments: tuple[Segment, ...]) -> list[Flag]:
    """Return the quality flags of one frame: empty segments, segments at the border, an image unlike the training."""
    flags = []
    counts = _voxel_counts(sitk.GetArrayViewFromImage(frame.labels), len(segments))
    for label, segment in enumerate(segments, start=1):
        if counts[label] == 0:
            flags.append(Flag(frame.number, segment.name, "empty"))
        elif touches_border(frame.labels, label):
            flags.append(Flag(frame.number, segment.name, "touches the border of the image"))
    if frame.out_of_distribution:
        measures = " and ".join(frame.out_of_distribution)
        flags.append(Flag(frame.number, IMAGE, f"unlike the training in {measures}"))
    return flags


def touches_border(labels: sitk.Image, label: int) -> bool:
    """Return whether a label reaches the border of the image, so that a part of the structure may lie outside.

    The first and the last slice along the axis with the largest spacing do not count: a stack of slices often ends
    inside an organ.
    """
    array = sitk.GetArrayViewFromImage(labels)
    across = 2 - int(np.argmax(labels.GetSpacing()))
    for axis in range(3):
        if axis == across and array.shape[axis] < min(np.delete(array.shape, axis)):
            continue
        faces = np.moveaxis(array, axis, 0)[[0, -1]]
        if (faces == label).any():
            return True
    return False


def _voxel_counts(labels: np.ndarray, segments: int) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=segments + 1)
