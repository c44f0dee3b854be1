"""The columns of a table of volumes: such names and texts that MRML reads back from a file what it wrote there."""

from collections.abc import Iterable

import slicer
import vtk

from ..core.volume_curve import VolumeCurve

FRAME_COLUMN = "frame number"
"""Column that a table has only if the index values are texts, which a plot cannot draw."""

STORABLE = str.maketrans({"#": "no. ", '"': "'", "\t": " ", "\n": " ", "\r": " "})
"""What stands for the characters that MRML takes for comments, quotes and borders of cells in a file of a table."""


def storable(text: str) -> str:
    """Return a text for people as a cell or the name of a column that MRML can store and read back unchanged."""
    return text.translate(STORABLE).strip()


def columnNames(curve: VolumeCurve) -> list[str]:
    """Return the names of the columns of a curve: the index, the segments, perhaps `FRAME_COLUMN`.

    They all differ, and can differ from the names of the segments, see `storable`.
    """
    names: list[str] = []
    for segment in curve.segments:
        names.append(otherName(storable(segment.name) or "segment", names, " 2"))
    names.insert(0, otherName(storable(curve.index.name) or "frame", names))
    return names if curve.index.is_numeric else [*names, otherName(FRAME_COLUMN, names)]


def otherName(name: str, taken: list[str], ending: str = " index") -> str:
    """Return a name, or one like it that is not taken: columns are told by their names."""
    while name in taken:
        name += ending
    return name


def repairSchema(tableNode: slicer.vtkMRMLTableNode) -> None:
    """Mend the schema of a table, in which MRML keeps the units of the columns, if it was damaged in a file.

    The columns of such a schema have different lengths: MRML would write beyond their ends.
    """
    schema = tableNode.GetSchema()
    columns = [schema.GetColumn(n) for n in range(schema.GetNumberOfColumns())] if schema is not None else []
    if len({column.GetNumberOfTuples() for column in columns}) < 2:
        return
    mended = vtk.vtkTable()
    for column in columns:
        copy = vtk.vtkStringArray()
        copy.SetName(column.GetName())
        mended.AddColumn(copy)
    names = schema.GetColumnByName("columnName")
    for row in range(names.GetNumberOfTuples()) if names is not None else ():
        if tableNode.GetTable().GetColumnByName(names.GetVariantValue(row).ToString()) is None:
            continue
        for n, column in enumerate(columns):
            text = column.GetVariantValue(row).ToString() if row < column.GetNumberOfTuples() else ""
            mended.GetColumn(n).InsertNextValue(text)
    tableNode.SetAndObserveSchema(mended if names is not None else None)


def indexColumn(curve: VolumeCurve) -> vtk.vtkAbstractArray:
    """Return the column of the index values: numbers where the index is numeric, else texts."""
    values = [frame.index_value for frame in curve.frames]
    if curve.index.is_numeric:
        return numbersColumn(values)
    column = vtk.vtkStringArray()
    for value in values:
        column.InsertNextValue(storable(value))
    return column


def numbersColumn(values: Iterable[float | str]) -> vtk.vtkDoubleArray:
    """Return a column of numbers."""
    column = vtk.vtkDoubleArray()
    for value in values:
        column.InsertNextValue(float(value))
    return column
