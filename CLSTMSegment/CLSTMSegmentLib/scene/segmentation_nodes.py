"""Segmentation nodes made of labels: every frame has all segments, with names, colours and terminology."""

import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..core.errors import InputError
from ..core.structure import Segment, SegmentSet
from ..model.description import Model
from .images import imageGeometry, labelmapImage
from .labelmaps import binaryLabelmap, drawnSegments, segmentsFor

CODES = ("category", "type", "type_modifier", None, "region", "region_modifier")
"""Keys of a segment's terminology in the order of Slicer's entry; None for the context of the region."""


def emptySegmentation(geometry: slicer.vtkOrientedImageData) -> slicer.vtkMRMLSegmentationNode:
    """Return a segmentation node without segments, for binary labelmaps with a reference geometry."""
    node = slicer.vtkMRMLSegmentationNode()
    segmentation = node.GetSegmentation()
    converter = slicer.vtkSegmentationConverter
    segmentation.SetSourceRepresentationName(converter.GetBinaryLabelmapRepresentationName())
    segmentation.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(geometry)
    )
    return node


def segmentationNode(labels: sitk.Image, model: Model | SegmentSet) -> slicer.vtkMRMLSegmentationNode:
    """Return the segmentation of one frame: all segments of the model as binary labelmaps, the empty ones too.

    Args:
        labels: uint8, n for the model's n-th segment; its geometry becomes the reference geometry.
        model: the model, which names the segments.
    """
    return segmentationFromLabelmap(labelmapImage(labels), imageGeometry(labels), model)


def segmentationFromLabelmap(
    labelmap: slicer.vtkOrientedImageData, geometry: slicer.vtkOrientedImageData, model: Model | SegmentSet
) -> slicer.vtkMRMLSegmentationNode:
    """Return a segmentation whose segments share a labelmap; see `segmentationNode`.

    Args:
        labelmap: uint8, n for the model's n-th segment.
        geometry: the reference geometry.
        model: the model, which names the segments.
    """
    node = emptySegmentation(geometry)
    segmentation = node.GetSegmentation()
    binaryLabelmap = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    for value, description in enumerate(model.segments, start=1):
        segment = slicer.vtkSegment()
        segment.SetName(description.name)
        segment.SetColor(*description.color)
        segment.SetLabelValue(value)
        if description.terminology:
            segment.SetTag(segment.GetTerminologyEntryTagName(), terminologyEntry(description))
        segment.AddRepresentation(binaryLabelmap, labelmap)  # one labelmap shared by all segments
        segmentation.AddSegment(segment, description.id)
    return node


def drawnSegmentation(
    drawn: slicer.vtkMRMLSegmentationNode, labels: sitk.Image, model: Model | SegmentSet
) -> slicer.vtkMRMLSegmentationNode:
    """Return a segmentation that has all segments, those that are drawn exactly as the user drew them.

    Args:
        drawn: the segmentation that the user drew; its segments are known by their names.
        labels: its labels, whose geometry becomes the reference geometry.
        model: names all segments.
    """
    node = emptySegmentation(imageGeometry(labels))
    byName = {segment.GetName(): segment for _id, segment in drawnSegments(drawn)}
    for description in model.segments:
        segment = byName.get(description.name)
        if segment is not None:
            node.GetSegmentation().AddSegment(_withOwnLabelmap(segment), description.id)
            continue
        node.GetSegmentation().AddEmptySegment(description.id, description.name, description.color)
        if description.terminology:
            empty = node.GetSegmentation().GetSegment(description.id)
            empty.SetTag(empty.GetTerminologyEntryTagName(), terminologyEntry(description))
    return node


def _withOwnLabelmap(segment: slicer.vtkSegment) -> slicer.vtkSegment:
    """Return a copy of a segment, with a labelmap that it shares with no other segment."""
    own = slicer.vtkSegment()
    own.DeepCopyMetadata(segment)
    labelmap = slicer.vtkOrientedImageData()
    labelmap.DeepCopy(segment.GetRepresentation(binaryLabelmap()))
    voxels = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    voxels[:] = voxels == segment.GetLabelValue()
    own.AddRepresentation(binaryLabelmap(), labelmap)
    own.SetLabelValue(1)
    return own


def terminologyEntry(segment: Segment) -> str:
    """Return the terminology of a segment in the form in which Slicer stores it in a segment's tag."""

    regionContext = "Anatomic codes - DICOM master list" if "region" in segment.terminology else ""
    fields = ["^".join(segment.terminology.get(key, ["", "", ""])) if key else regionContext for key in CODES]
    return "~".join(["Segmentation category and type - DICOM master list", *fields])


def describeAs(
    node: slicer.vtkMRMLSegmentationNode, seen: slicer.vtkMRMLSegmentationNode, descriptions: tuple[Segment, ...]
) -> None:
    """Give segments that were made with the IDs of descriptions the names, colours and terminology of another node.

    Args:
        node: the segmentation whose segments are changed.
        seen: the segmentation that the user sees; where two drawn segments in it have one name, nothing is changed.
        descriptions: what the segments are, see `labelmaps.segmentsFor`.
    """
    try:
        found = segmentsFor(seen, descriptions, "")
    except InputError:
        return
    for description, segment in zip(descriptions, found, strict=True):
        own = node.GetSegmentation().GetSegment(description.id)
        if segment is None or own is None or not segment.GetName():
            continue
        own.SetName(segment.GetName())
        own.SetColor(segment.GetColor())
        own.SetTag(own.GetTerminologyEntryTagName(), _terminologyTag(segment))


def describedSegment(segmentID: str, segment: slicer.vtkSegment, frame: str) -> Segment:
    """Return what a segment is; raise an InputError that names the frame if it has a name that cannot be used."""
    if not segment.GetName():
        raise InputError(f"{frame}: the segment with the ID {segmentID!r} has no name: give it one")
    try:
        return Segment(segmentID, segment.GetName(), tuple(segment.GetColor()), _terminology(segment))
    except InputError as error:
        raise InputError(f"{frame}: {error}") from error


def _terminology(segment: slicer.vtkSegment) -> dict[str, list[str]]:
    """Return the codes in a segment's terminology entry, see `terminologyEntry`."""
    entry = _terminologyTag(segment)
    codes = {key: field.split("^") for key, field in zip(CODES, entry.split("~")[1:], strict=False) if key}
    return {key: code for key, code in codes.items() if len(code) == 3 and all(code)}


def _terminologyTag(segment: slicer.vtkSegment) -> str:
    tag = vtk.mutable("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
    return str(tag)
