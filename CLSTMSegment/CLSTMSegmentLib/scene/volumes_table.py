"""Segment volumes over time as a table node."""

import json
from collections.abc import Iterable

import slicer
import vtk

from ..core.volume_curve import VolumeCurve

TABLE_REFERENCE = "CLSTMSegment.volumesTable"
"""Reference role under which a segmentation sequence names its table."""

RESULT_REFERENCE = "CLSTMSegment.result"
"""Reference role under which a table names its result: a copy of the result names the table too, but has none."""

SEGMENTS_ATTRIBUTE = "CLSTMSegment.segments"
"""Attribute of a table: the IDs of the segments of its columns, as a JSON list. The user may rename the segments."""

INDEX_VALUES_ATTRIBUTE = "CLSTMSegment.indexValues"
"""Attribute of a table: the index values of its rows, verbatim, as a JSON list; a saved table rounds them."""

FRAME_COLUMN = "frame number"
"""Column that a table has only if the index values are texts, which a plot cannot draw."""


def tableOf(resultNode: slicer.vtkMRMLNode) -> slicer.vtkMRMLTableNode | None:
    """Return the table of a result; None without one."""
    tableNode = resultNode.GetNodeReference(TABLE_REFERENCE)
    owner = tableNode.GetNodeReference(RESULT_REFERENCE) if tableNode is not None else None
    return tableNode if owner is None or owner is resultNode else None


def volumesTable(sequenceNode: slicer.vtkMRMLSequenceNode, curve: VolumeCurve) -> slicer.vtkMRMLTableNode:
    """Fill the table of a segmentation sequence with its curve: one row for each frame, one column for each segment.

    Args:
        sequenceNode: segmentation sequence in a scene; its table is created by the first call.
        curve: segment volumes; its index becomes the first column, as numbers where the index is numeric.

    Returns:
        The table node, which the sequence node refers to.
    """
    tableNode = tableOf(sequenceNode)
    if tableNode is None:
        scene = sequenceNode.GetScene()
        tableNode = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{sequenceNode.GetName()} volumes")
        sequenceNode.SetNodeReferenceID(TABLE_REFERENCE, tableNode.GetID())
        tableNode.SetNodeReferenceID(RESULT_REFERENCE, sequenceNode.GetID())
    table = vtk.vtkTable()
    units = {}

    def add(column: vtk.vtkAbstractArray, name: str, unit: str) -> None:
        column.SetName(name)
        table.AddColumn(column)
        units[name] = unit

    indexName = curve.index.name or "frame"
    while indexName in [segment.name for segment in curve.segments]:  # columns are told by their names
        indexName += " index"
    add(_indexColumn(curve), indexName, curve.index.unit)
    for n, segment in enumerate(curve.segments):
        add(_numbers(curve.volumes(n)), segment.name, "ml")
    if not curve.index.is_numeric:
        add(_numbers(curve.numbers), FRAME_COLUMN, "")
    # all columns are replaced at once: a plot that is shown must never see a table without them
    wasModifying = tableNode.StartModify()
    tableNode.SetAndObserveTable(table)
    for name, unit in units.items():
        tableNode.SetColumnUnitLabel(name, unit)
    tableNode.SetAttribute(SEGMENTS_ATTRIBUTE, json.dumps([segment.id for segment in curve.segments]))
    tableNode.SetAttribute(INDEX_VALUES_ATTRIBUTE, json.dumps([frame.index_value for frame in curve.frames]))
    tableNode.EndModify(wasModifying)
    return tableNode


def _indexColumn(curve: VolumeCurve) -> vtk.vtkAbstractArray:
    values = [frame.index_value for frame in curve.frames]
    if curve.index.is_numeric:
        return _numbers(values)
    column = vtk.vtkStringArray()
    for value in values:
        column.InsertNextValue(value)
    return column


def _numbers(values: Iterable[float | str]) -> vtk.vtkDoubleArray:
    column = vtk.vtkDoubleArray()
    for value in values:
        column.InsertNextValue(float(value))
    return column
