"""Frames that the user edits: which ones these are, and their volumes after the edit."""

from itertools import product

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from ..core.boxes import bounding_box
from ..core.sequence import SegmentedFrame
from ..core.structure import Segment
from ..core.volume_curve import Flag, FrameVolumes
from ..engine.quality import measure_frame
from .labelmaps import binaryLabelmap, gridOf, isEmpty, maskOn, referenceGeometry, segmentsFor, segmentsOf, voxelsOf

ROUNDING = 1e-3
"""What a place on a grid, counted in voxels, may be off after it was computed from another grid."""


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
    frame = f"frame {number} ({indexValue})"
    for description, segment in zip(segments, segmentsFor(node, segments, frame), strict=True):
        geometry = _gridAround(segment, referenceGeometry(node))
        array = np.zeros(geometry.GetDimensions()[::-1], np.uint8)
        if segment is not None and not isEmpty(segment):
            array[maskOn(geometry, segment, frame)] = 1
        labels = sitk.GetImageFromArray(array)
        labels.SetSpacing(_edges(geometry))
        measured, found = measure_frame(SegmentedFrame(number, indexValue, labels), (description,))
        volumes += measured.ml
        flags += found
    return FrameVolumes(number, indexValue, tuple(volumes)), flags


def _edges(geometry: slicer.vtkOrientedImageData) -> list[float]:
    """Return the edges of a box in mm that has the volume of a voxel, which a hardened transform may have sheared."""
    toWorld = vtk.vtkMatrix4x4()
    geometry.GetImageToWorldMatrix(toWorld)
    edges = np.array(geometry.GetSpacing())
    return (edges * np.cbrt(abs(toWorld.Determinant()) / np.prod(edges))).tolist()


def _gridAround(
    segment: slicer.vtkSegment | None, geometry: slicer.vtkOrientedImageData
) -> slicer.vtkOrientedImageData:
    """Return the grid of a frame; around a segment that lies partly outside, since the user may choose a smaller grid.

    In that case, the grid has voxels of the same size at the same places, and a free voxel at each border.
    """
    if segment is None or isEmpty(segment):
        return geometry
    voxels, corner = voxelsOf(segment)
    box = zip(corner[::-1], bounding_box(voxels)[::-1], strict=True)
    ends = [(first + start - 0.5, first + stop - 0.5) for first, (start, stop) in box]
    toGeometry = vtk.vtkMatrix4x4()
    geometry.GetWorldToImageMatrix(toGeometry)
    places = slicer.util.arrayFromVTKMatrix(toGeometry) @ gridOf(segment) @ np.array([*product(*ends, [1])]).T
    least = np.floor(places[:3].min(axis=1) + 0.5 + ROUNDING).astype(int)
    greatest = np.ceil(places[:3].max(axis=1) - 0.5 - ROUNDING).astype(int)
    first, last = np.array(geometry.GetExtent()).reshape(3, 2).T
    if (least >= first).all() and (greatest <= last).all():
        return geometry
    around = slicer.vtkOrientedImageData()
    around.ShallowCopy(geometry)
    around.SetExtent(np.c_[least - 1, greatest + 1].ravel().tolist())
    return around
