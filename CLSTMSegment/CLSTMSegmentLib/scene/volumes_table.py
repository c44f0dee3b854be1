"""Segment volumes over time as a table node."""

import json
from collections.abc import Mapping
from math import isclose, nan

import slicer
import vtk

from ..core.volume_curve import VolumeCurve
from .json_attributes import isTexts, jsonIn
from .made_frames import frameIdentities
from .table_columns import FRAME_COLUMN, columnNames, indexColumn, numbersColumn, otherName, repairSchema, storable
from .table_rows import matchedRows, numberOf

TABLE_REFERENCE = "CLSTMSegment.volumesTable"
"""Reference role under which a segmentation sequence names its table."""

RESULT_REFERENCE = "CLSTMSegment.result"
"""Reference role under which a table names its result: a copy of the result names the table too, but has none."""

SEGMENTS_ATTRIBUTE = "CLSTMSegment.segments"
"""Attribute of a table: the IDs of the segments of its columns, as a JSON list. The user may rename the segments."""

NAMES_ATTRIBUTE = "CLSTMSegment.segmentNames"
"""Attribute of a table: the names of the segments of its columns, as a JSON list; those of the columns can differ."""

INDEX_VALUES_ATTRIBUTE = "CLSTMSegment.indexValues"
"""Attribute of a table: the index values of its rows, verbatim, as a JSON list; a saved table rounds them."""

FRAMES_ATTRIBUTE = "CLSTMSegment.frames"
"""Attribute of a table: what `made_frames.frameIdentities` returned for the frames of its rows, as a JSON list."""

COLUMNS_ATTRIBUTE = "CLSTMSegment.columns"
"""Attribute of a table: the names of the columns that this module has made, as a JSON list; others are the user's."""

SAME_VOLUME = 1e-5
"""How far a volume in a table may be off, as a fraction: files of tables round numbers."""

REAL_TYPES = (vtk.VTK_FLOAT, vtk.VTK_DOUBLE)
"""Types of columns that have a value for what is not there: not a number."""


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


def volumesTable(
    sequenceNode: slicer.vtkMRMLSequenceNode, curve: VolumeCurve, renamed: Mapping[str, str] | None = None
) -> slicer.vtkMRMLTableNode:
    """Fill the table of a segmentation sequence with its curve: one row for each frame, one column for each segment.

    Columns that the user has added stay behind these.

    Args:
        sequenceNode: segmentation sequence in a scene; its table is created by the first call.
        curve: segment volumes; its index becomes the first column, as numbers where the index is numeric.
        renamed: by index value, the one that the frame had when the table was filled last, if it was another one.

    Returns:
        The table node, which the sequence node refers to.
    """
    tableNode = tableOf(sequenceNode)
    if tableNode is None:
        scene = sequenceNode.GetScene()
        tableNode = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{sequenceNode.GetName()} volumes")
        sequenceNode.SetNodeReferenceID(TABLE_REFERENCE, tableNode.GetID())
    tableNode.SetNodeReferenceID(RESULT_REFERENCE, sequenceNode.GetID())
    repairSchema(tableNode)
    names, IDs = columnNames(curve), [segment.id for segment in curve.segments]
    made, madeIDs = madeColumns(tableNode), textsIn(tableNode, SEGMENTS_ATTRIBUTE)
    columns = [indexColumn(curve), *(numbersColumn(curve.volumes(n)) for n in range(len(IDs)))]
    units = [storable(curve.index.unit), *["ml"] * len(IDs)]
    if not curve.index.is_numeric:
        columns.append(numbersColumn(curve.numbers))
        units.append("")
    table = vtk.vtkTable()
    for column, name in zip(columns, names, strict=True):
        column.SetName(name)
        table.AddColumn(column)
    values = [frame.index_value for frame in curve.frames]
    former = [(renamed or {}).get(value, value) for value in values]
    _addColumns(table, _columnsOfUser(tableNode, made, former, curve))
    # all columns are replaced at once: a plot that is shown must never see a table without them
    wasModifying = tableNode.StartModify()
    tableNode.SetAndObserveTable(table)
    for name, unit in zip(names, units, strict=True):
        tableNode.SetColumnUnitLabel(name, unit)
    tableNode.SetAttribute(SEGMENTS_ATTRIBUTE, json.dumps(IDs))
    tableNode.SetAttribute(NAMES_ATTRIBUTE, json.dumps([segment.name for segment in curve.segments]))
    tableNode.SetAttribute(INDEX_VALUES_ATTRIBUTE, json.dumps(values))
    identities = frameIdentities(sequenceNode)
    tableNode.SetAttribute(FRAMES_ATTRIBUTE, json.dumps([identities.get(value, "") for value in values]))
    tableNode.SetAttribute(COLUMNS_ATTRIBUTE, json.dumps(names))
    _renameInPlots(tableNode, _byMeaning(made, madeIDs), _byMeaning(names, IDs))
    tableNode.EndModify(wasModifying)
    return tableNode


def takeColumns(tableNode: slicer.vtkMRMLTableNode, other: slicer.vtkMRMLTableNode, curve: VolumeCurve) -> None:
    """Add to a table, which a curve has just filled, the columns that the user has added to another table of it."""
    values = [frame.index_value for frame in curve.frames]
    table = vtk.vtkTable()
    table.ShallowCopy(tableNode.GetTable())
    _addColumns(table, _columnsOfUser(other, madeColumns(other), values, curve))
    if table.GetNumberOfColumns() > tableNode.GetNumberOfColumns():
        tableNode.SetAndObserveTable(table)


def filledWith(tableNode: slicer.vtkMRMLTableNode) -> tuple[list[str], list[str]]:
    """Return the index values of the frames and the IDs of the segments with which a table was filled last."""
    return textsIn(tableNode, INDEX_VALUES_ATTRIBUTE), textsIn(tableNode, SEGMENTS_ATTRIBUTE)


def _addColumns(table: vtk.vtkTable, columns: list[vtk.vtkAbstractArray]) -> None:
    """Add columns of the user to a table, under names that are not taken: two columns cannot have one name."""
    taken = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    for column in columns:
        column.SetName(otherName(column.GetName(), taken, " 2"))
        taken.append(column.GetName())
        table.AddColumn(column)


def textsIn(tableNode: slicer.vtkMRMLTableNode, attribute: str) -> list[str]:
    """Return the list of texts in an attribute of a table; an empty list where it is missing or damaged."""
    return jsonIn(tableNode, attribute, isTexts) or []


def madeColumns(tableNode: slicer.vtkMRMLTableNode) -> list[str]:
    """Return the names of the columns that this module has made; an older table does not tell them."""
    made = textsIn(tableNode, COLUMNS_ATTRIBUTE)
    if made:
        return made
    names = [tableNode.GetColumnName(n) for n in range(tableNode.GetNumberOfColumns())]
    most = 1 + len(textsIn(tableNode, SEGMENTS_ATTRIBUTE))
    return names[:most] + [FRAME_COLUMN] * (FRAME_COLUMN in names[most:])


def _columnsOfUser(
    tableNode: slicer.vtkMRMLTableNode, made: list[str], values: list[str], curve: VolumeCurve
) -> list[vtk.vtkAbstractArray]:
    """Return the columns that the user has added, for the rows of a curve; what a new row lacks is empty.

    Args:
        tableNode: the table.
        made: what `madeColumns` returns for it.
        values: the index value of each row of the curve in the table.
        curve: the curve.
    """
    columns = [tableNode.GetTable().GetColumn(n) for n in range(tableNode.GetNumberOfColumns())]
    names = [column.GetName() for column in columns]
    others = [(n, column) for n, column in enumerate(columns) if names[n] not in made]
    # to look for the rows takes long for many frames, and most tables have no other columns
    rows = rowsOf(tableNode, values) if others else []
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
    made = madeColumns(tableNode)
    column = tableNode.GetTable().GetColumnByName(made[0]) if made else None
    if column is not None:
        return matchedRows(column, values)
    rows = {value: row for row, value in enumerate(textsIn(tableNode, INDEX_VALUES_ATTRIBUTE) or values)}
    return [rows.get(value) for value in values]


def _holds(column: vtk.vtkAbstractArray, rows: list[int | None], volumes: list[float]) -> bool:
    """Return whether a column holds the volumes of a segment in most rows; files can make texts of them."""
    found = [numberOf(column.GetVariantValue(row).ToString()) if row is not None else nan for row in rows]
    same = sum(isclose(value, ml, rel_tol=SAME_VOLUME) for value, ml in zip(found, volumes, strict=True))
    return 2 * same >= len(rows)


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
