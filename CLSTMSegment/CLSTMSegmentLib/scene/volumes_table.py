"""Segment volumes over time as a table node."""

import slicer
import vtk

from ..model.description import Model


def volumesTable(
    sequenceNode: slicer.vtkMRMLSequenceNode, model: Model, volumes: list[tuple[str, list[float]]]
) -> slicer.vtkMRMLTableNode:
    """The table of a segmentation sequence, made on the first call: a row a frame, a column a segment.

    Args:
        sequenceNode: the segmentation sequence, in a scene; gives the first column its name and unit.
        volumes: for each frame its index value, verbatim, and the volumes in ml in the order of
            the model's segments.
    """
    scene = sequenceNode.GetScene()
    tableNode = sequenceNode.GetNodeReference(TABLE_REFERENCE)
    if tableNode is None:
        tableNode = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{sequenceNode.GetName()} volumes")
        sequenceNode.SetNodeReferenceID(TABLE_REFERENCE, tableNode.GetID())
    wasModifying = tableNode.StartModify()
    tableNode.RemoveAllColumns()
    numeric = sequenceNode.GetIndexType() == slicer.vtkMRMLSequenceNode.NumericIndex
    index = vtk.vtkDoubleArray() if numeric else vtk.vtkStringArray()
    index.SetName(sequenceNode.GetIndexName() or "frame")
    for value, _ in volumes:
        index.InsertNextValue(float(value) if numeric else value)
    tableNode.AddColumn(index)
    tableNode.SetColumnUnitLabel(index.GetName(), sequenceNode.GetIndexUnit())
    for n, segment in enumerate(model.segments):
        column = vtk.vtkDoubleArray()
        column.SetName(segment.name)
        for _, frameVolumes in volumes:
            column.InsertNextValue(frameVolumes[n])
        tableNode.AddColumn(column)
        tableNode.SetColumnUnitLabel(segment.name, "ml")
    tableNode.EndModify(wasModifying)
    return tableNode


TABLE_REFERENCE = "CLSTMSegment.volumesTable"
"""Role under which a segmentation sequence refers to its table."""
