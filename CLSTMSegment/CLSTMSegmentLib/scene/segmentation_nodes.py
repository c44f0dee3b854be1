"""Segmentation nodes made of labels: every frame has all segments, with names, colours and terminology."""

import SimpleITK as sitk
import slicer

from ..core.structure import Segment, SegmentSet
from ..model.description import Model
from .images import imageGeometry, labelmapImage


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


def terminologyEntry(segment: Segment) -> str:
    """Return the terminology of a segment in the form in which Slicer stores it in a segment's tag."""

    def code(key: str) -> str:
        return "^".join(segment.terminology.get(key, ["", "", ""]))

    region = code("region")
    regionContext = "Anatomic codes - DICOM master list" if "region" in segment.terminology else ""
    context = "Segmentation category and type - DICOM master list"
    return f"{context}~{code('category')}~{code('type')}~^^~{regionContext}~{region}~^^"
