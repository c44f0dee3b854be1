"""Segment volumes over time as a table node."""

import slicer
import vtk

from ..core.volume_curve import VolumeCurve

TABLE_REFERENCE = "CLSTMSegment.volumesTable"
"""Reference role under which a segmentation sequence names its table."""


def volumesTable(sequenceNode: slicer.vtkMRMLSequenceNode, curve: VolumeCurve) -> slicer.vtkMRMLTableNode:
    """Fill the table of a segmentation sequence with its curve: one row for each frame, one column for each segment.

    Args:
        sequenceNode: segmentation sequence in a scene; its table is created by the first call.
        curve: segment volumes; its index becomes the first column, as numbers where the index is numeric.

    Returns:
        The table node, which the sequence node refers to.
    """
    tableNode = sequenceNode.GetNodeReference(TABLE_REFERENCE)
    if tableNode is None:
        scene = sequenceNode.GetScene()
        tableNode = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{sequenceNode.GetName()} volumes")
        sequenceNode.SetNodeReferenceID(TABLE_REFERENCE, tableNode.GetID())
    wasModifying = tableNode.StartModify()
    tableNode.RemoveAllColumns()
    _addColumn(tableNode, _indexColumn(curve), curve.index.name or "frame", curve.index.unit)
    for n, segment in enumerate(curve.segments):
        column = vtk.vtkDoubleArray()
        for ml in curve.volumes(n):
            column.InsertNextValue(ml)
        _addColumn(tableNode, column, segment.name, "ml")
    tableNode.EndModify(wasModifying)
    return tableNode


def _indexColumn(curve: VolumeCurve) -> vtk.vtkAbstractArray:
    numeric = curve.index.type == "numeric"
    column = vtk.vtkDoubleArray() if numeric else vtk.vtkStringArray()
    for frame in curve.frames:
        column.InsertNextValue(float(frame.index_value) if numeric else frame.index_value)
    return column


def _addColumn(tableNode: slicer.vtkMRMLTableNode, column: vtk.vtkAbstractArray, name: str, unit: str) -> None:
    column.SetName(name)
    tableNode.AddColumn(column)
    tableNode.SetColumnUnitLabel(name, unit)
