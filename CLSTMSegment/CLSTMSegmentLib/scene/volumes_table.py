"""Segment volumes over time as a table node."""

import json
from collections.abc import Iterable
from math import nan

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

COLUMNS_ATTRIBUTE = "CLSTMSegment.columns"
"""Attribute of a table: the names of the columns that this module has made, as a JSON list; others are the user's."""

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

    add(_indexColumn(curve), _indexName(curve), curve.index.unit)
    for n, segment in enumerate(curve.segments):
        add(_numbers(curve.volumes(n)), segment.name, "ml")
    if not curve.index.is_numeric:
        add(_numbers(curve.numbers), frameColumn(curve), "")
    values = [frame.index_value for frame in curve.frames]
    for column in _columnsOfUser(tableNode, values):
        if column.GetName() not in units:
            table.AddColumn(column)
    # all columns are replaced at once: a plot that is shown must never see a table without them
    wasModifying = tableNode.StartModify()
    tableNode.SetAndObserveTable(table)
    for name, unit in units.items():
        tableNode.SetColumnUnitLabel(name, unit)
    tableNode.SetAttribute(SEGMENTS_ATTRIBUTE, json.dumps([segment.id for segment in curve.segments]))
    tableNode.SetAttribute(INDEX_VALUES_ATTRIBUTE, json.dumps(values))
    tableNode.SetAttribute(COLUMNS_ATTRIBUTE, json.dumps(list(units)))
    tableNode.EndModify(wasModifying)
    return tableNode


def frameColumn(curve: VolumeCurve) -> str:
    """Return the name of the column with the numbers of frames."""
    return _otherName(FRAME_COLUMN, [_indexName(curve), *(segment.name for segment in curve.segments)])


def textsIn(tableNode: slicer.vtkMRMLTableNode, attribute: str) -> list[str]:
    """Return the list of texts in an attribute of a table; an empty list where it is missing or damaged."""
    try:
        texts = json.loads(tableNode.GetAttribute(attribute) or "[]")
    except ValueError:
        return []
    return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else []


def _indexName(curve: VolumeCurve) -> str:
    """Return the name of the column with the index values."""
    return _otherName(curve.index.name or "frame", [segment.name for segment in curve.segments])


def _otherName(name: str, taken: list[str]) -> str:
    """Return a name, or one like it that is not taken: columns are told by their names."""
    while name in taken:
        name += " index"
    return name


def _columnsOfUser(tableNode: slicer.vtkMRMLTableNode, values: list[str]) -> list[vtk.vtkAbstractArray]:
    """Return the columns that the user has added, for rows with these index values; what a new row lacks is empty."""
    made, rows = textsIn(tableNode, COLUMNS_ATTRIBUTE), textsIn(tableNode, INDEX_VALUES_ATTRIBUTE)
    columns = [tableNode.GetTable().GetColumn(n) for n in range(tableNode.GetNumberOfColumns())] if made else []
    copies = []
    for column in [column for column in columns if column.GetName() not in made]:
        copy = column.NewInstance()
        copy.SetName(column.GetName())
        copy.SetNumberOfComponents(column.GetNumberOfComponents())
        copy.SetNumberOfTuples(len(values))
        for row, value in enumerate(values):
            if value in rows and rows.index(value) < column.GetNumberOfTuples():
                copy.SetTuple(row, rows.index(value), column)
            else:
                copy.SetVariantValue(row, vtk.vtkVariant("" if column.IsA("vtkStringArray") else nan))
        copies.append(copy)
    return copies


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
