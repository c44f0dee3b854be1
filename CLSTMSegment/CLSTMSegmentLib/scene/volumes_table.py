"""Segment volumes over time as a table node."""

import json
from collections.abc import Iterable
from math import isclose, nan

import numpy as np
import slicer
import vtk

from ..core.volume_curve import VolumeCurve
from .json_attributes import isTexts, jsonIn

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

SAME_NUMBER = 1e-6
"""How far an index value in a table may be off, as a fraction: files of tables round numbers."""

REAL_TYPES = (vtk.VTK_FLOAT, vtk.VTK_DOUBLE)
"""Types of columns that have a value for what is not there: not a number."""

FRAME_COLUMN = "frame number"
"""Column that a table has only if the index values are texts, which a plot cannot draw."""


def tableOf(resultNode: slicer.vtkMRMLNode) -> slicer.vtkMRMLTableNode | None:
    """Return the table of a result; None without one.

    A table of an older version does not name its result. If a result and its copies name such a table, it is that of
    the result: the scene got the copies later.
    """
    tableNode = resultNode.GetNodeReference(TABLE_REFERENCE)
    if tableNode is None:
        return None
    owner = tableNode.GetNodeReference(RESULT_REFERENCE) or _firstThatNames(tableNode)
    return tableNode if owner is resultNode else None


def _firstThatNames(tableNode: slicer.vtkMRMLTableNode) -> slicer.vtkMRMLNode | None:
    """Return the first node of the scene that names a table as its own."""
    scene = tableNode.GetScene()
    nodes = (scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes()))
    return next((node for node in nodes if node.GetNodeReferenceID(TABLE_REFERENCE) == tableNode.GetID()), None)


def volumesTable(sequenceNode: slicer.vtkMRMLSequenceNode, curve: VolumeCurve) -> slicer.vtkMRMLTableNode:
    """Fill the table of a segmentation sequence with its curve: one row for each frame, one column for each segment.

    Columns that the user has added stay behind these.

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
    names, IDs = columnNames(curve), [segment.id for segment in curve.segments]
    made, madeIDs = _madeColumns(tableNode), textsIn(tableNode, SEGMENTS_ATTRIBUTE)
    columns = [_indexColumn(curve), *(_numbers(curve.volumes(n)) for n in range(len(IDs)))]
    units = [curve.index.unit, *["ml"] * len(IDs)]
    if not curve.index.is_numeric:
        columns.append(_numbers(curve.numbers))
        units.append("")
    table = vtk.vtkTable()
    for column, name in zip(columns, names, strict=True):
        column.SetName(name)
        table.AddColumn(column)
    values, taken = [frame.index_value for frame in curve.frames], list(names)
    for column in _columnsOfUser(tableNode, made, curve):
        column.SetName(_otherName(column.GetName(), taken, " 2"))  # two columns cannot have one name
        taken.append(column.GetName())
        table.AddColumn(column)
    # all columns are replaced at once: a plot that is shown must never see a table without them
    wasModifying = tableNode.StartModify()
    tableNode.SetAndObserveTable(table)
    for name, unit in zip(names, units, strict=True):
        tableNode.SetColumnUnitLabel(name, unit)
    tableNode.SetAttribute(SEGMENTS_ATTRIBUTE, json.dumps(IDs))
    tableNode.SetAttribute(INDEX_VALUES_ATTRIBUTE, json.dumps(values))
    tableNode.SetAttribute(COLUMNS_ATTRIBUTE, json.dumps(names))
    _renameInPlots(tableNode, _byMeaning(made, madeIDs), _byMeaning(names, IDs))
    tableNode.EndModify(wasModifying)
    return tableNode


def columnNames(curve: VolumeCurve) -> list[str]:
    """Return the names of the columns of a curve, which all differ: the index, the segments, perhaps `FRAME_COLUMN`."""
    segments = [segment.name for segment in curve.segments]
    names = [_otherName(curve.index.name or "frame", segments), *segments]
    return names if curve.index.is_numeric else [*names, _otherName(FRAME_COLUMN, names)]


def textsIn(tableNode: slicer.vtkMRMLTableNode, attribute: str) -> list[str]:
    """Return the list of texts in an attribute of a table; an empty list where it is missing or damaged."""
    return jsonIn(tableNode, attribute, isTexts) or []


def _otherName(name: str, taken: list[str], ending: str = " index") -> str:
    """Return a name, or one like it that is not taken: columns are told by their names."""
    while name in taken:
        name += ending
    return name


def _madeColumns(tableNode: slicer.vtkMRMLTableNode) -> list[str]:
    """Return the names of the columns that this module has made; an older table does not tell them."""
    made = textsIn(tableNode, COLUMNS_ATTRIBUTE)
    if made:
        return made
    names = [tableNode.GetColumnName(n) for n in range(tableNode.GetNumberOfColumns())]
    most = 1 + len(textsIn(tableNode, SEGMENTS_ATTRIBUTE))
    return names[:most] + [FRAME_COLUMN] * (FRAME_COLUMN in names[most:])


def _columnsOfUser(
    tableNode: slicer.vtkMRMLTableNode, made: list[str], curve: VolumeCurve
) -> list[vtk.vtkAbstractArray]:
    """Return the columns that the user has added, for the rows of a curve; what a new row lacks is empty."""
    columns = [tableNode.GetTable().GetColumn(n) for n in range(tableNode.GetNumberOfColumns())]
    names = [column.GetName() for column in columns]
    others = [(n, column) for n, column in enumerate(columns) if names[n] not in made]
    # to look for the rows takes long for many frames, and most tables have no other columns
    rows = rowsOf(tableNode, [frame.index_value for frame in curve.frames]) if others else []
    copies = []
    for n, column in others:
        isSegment = 0 < n <= len(curve.segments) and n < len(made) and made[n] not in names
        if isSegment and _holds(column, rows, curve.volumes(n - 1)):  # the user has only renamed it
            continue
        copies.append(_withRows(column, rows, tableNode.GetColumnNullValue(column.GetName())))
    return copies


def _withRows(column: vtk.vtkAbstractArray, rows: list[int | None], null: str) -> vtk.vtkAbstractArray:
    """Return a column of the user with some of its rows.

    Args:
        column: the column.
        rows: its rows; None for a new row, which is empty. There is no empty whole number: a column of whole numbers
            becomes one of other numbers then, or of texts where these would lose digits.
        null: what the user has chosen for rows without a value, as a text; empty for nothing.
    """
    known = [row if row is not None and row < column.GetNumberOfTuples() else None for row in rows]
    components, hasNew = column.GetNumberOfComponents(), None in known
    copy = column.NewInstance()
    if hasNew and not null and isinstance(column, vtk.vtkDataArray) and column.GetDataType() not in REAL_TYPES:
        whole = [column.GetVariantValue(n).ToLongLong() for n in range(column.GetNumberOfValues())]
        copy = vtk.vtkDoubleArray() if all(int(float(n)) == n for n in whole) else vtk.vtkStringArray()
    empty = null or ("" if copy.IsA("vtkStringArray") else nan)
    copy.SetName(column.GetName())
    copy.SetNumberOfComponents(components)
    copy.SetNumberOfTuples(len(rows))
    for row, before in enumerate(known):
        for n in range(components):
            value = column.GetVariantValue(before * components + n) if before is not None else vtk.vtkVariant(empty)
            copy.SetVariantValue(row * components + n, value)
    return copy


def rowsOf(tableNode: slicer.vtkMRMLTableNode, values: list[str]) -> list[int | None]:
    """Return the rows of a table that have some index values; None for a value that no row has for sure.

    The user may have sorted or removed rows. Where they removed the column of the index, the rows are as they were.
    """
    made = _madeColumns(tableNode)
    column = tableNode.GetTable().GetColumnByName(made[0]) if made else None
    if column is None:
        texts = textsIn(tableNode, INDEX_VALUES_ATTRIBUTE) or values
    else:
        texts = [column.GetVariantValue(row).ToString() for row in range(column.GetNumberOfTuples())]
    numbers = np.array([_number(value) for value in values])
    if len(texts) == len(values) and _areSame(texts, values, numbers).all():
        return list(range(len(values)))
    rows = {_valueOf(text, values, numbers): row for row, text in reversed(list(enumerate(texts)))}
    return [rows.get(value) for value in values]


def _valueOf(text: str, values: list[str], numbers: np.ndarray) -> str | None:
    """Return the index value that a row has; None for none, and where the rounding of a table leaves several.

    Args:
        text: the index value in the row, where it may be rounded.
        values: the index values that are there.
        numbers: these values as numbers, NaN for one that is none.
    """
    if text in values:
        return text
    for tolerance in (0.0, SAME_NUMBER):
        same = np.flatnonzero(np.isclose(numbers, _number(text), rtol=tolerance, atol=0))
        if len(same) == 1:
            return values[same[0]]
    return None


def _areSame(texts: list[str], values: list[str], numbers: np.ndarray) -> np.ndarray:
    """Return which texts are the index values at the same places, but for the rounding of a table."""
    same = np.isclose([_number(text) for text in texts], numbers, rtol=SAME_NUMBER, atol=0)
    return same | [text == value for text, value in zip(texts, values, strict=True)]


def _number(text: str) -> float:
    """Return a text as a number; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return nan


def _holds(column: vtk.vtkAbstractArray, rows: list[int | None], volumes: list[float]) -> bool:
    """Return whether a column holds the volumes of a segment in most rows."""
    found = [column.GetVariantValue(row).ToDouble() if row is not None else nan for row in rows]
    same = sum(isclose(value, ml, rel_tol=SAME_NUMBER) for value, ml in zip(found, volumes, strict=True))
    return column.IsNumeric() and 2 * same >= len(rows)


def _byMeaning(names: list[str], IDs: list[str]) -> dict[str | None, str]:
    """Return the names of columns by the IDs of their segments; "" is the index, and None the numbers of frames."""
    meanings = ["", *IDs, None]
    return dict(zip(meanings, names, strict=False))


def _renameInPlots(
    tableNode: slicer.vtkMRMLTableNode, before: dict[str | None, str], now: dict[str | None, str]
) -> None:
    """Let all plot series of a table, also those of the user, show the columns that they showed before."""
    new = {before[one]: now[one] for one in before.keys() & now.keys() if before[one] != now[one]}
    if not new:
        return
    allSeries = slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode", tableNode.GetScene())
    allSeries = [seriesNode for seriesNode in allSeries if seriesNode.GetTableNode() is tableNode]
    # a chart that is shown draws all its series when one changes, and must never see one whose column is missing
    wereModifying = [seriesNode.StartModify() for seriesNode in allSeries]
    for seriesNode in allSeries:
        x, y, label = seriesNode.GetXColumnName(), seriesNode.GetYColumnName(), seriesNode.GetLabelColumnName()
        if seriesNode.GetName() == y:
            seriesNode.SetName(new.get(y, y))
        seriesNode.SetXColumnName(new.get(x, x))
        seriesNode.SetYColumnName(new.get(y, y))
        seriesNode.SetLabelColumnName(new.get(label, label))
    for seriesNode, wasModifying in zip(allSeries, wereModifying, strict=True):
        seriesNode.EndModify(wasModifying)


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
