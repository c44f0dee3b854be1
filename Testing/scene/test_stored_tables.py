"""Tables of volumes in files: names that MRML can store, rows that it has rounded, and schemas that it has damaged."""

import json

import pytest
import slicer
import vtk
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.core.volume_curve import FrameVolumes, VolumeCurve
from CLSTMSegmentLib.scene.table_rows import matchedRows
from CLSTMSegmentLib.scene.volumes_plot import volumesChart
from CLSTMSegmentLib.scene.volumes_table import volumesTable

EPOCH_MS = [str(1700000000000 + 33 * n) for n in range(4)]
SECONDS_OF_DAY = [f"{45000.123 + 0.033 * n:.3f}" for n in range(4)]


def saveAndLoad(scene, folder):
    """Save a scene, close it, and load it again."""
    assert scene.WriteToMRB(str(folder / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(folder / "scene.mrb"))


def columnsOf(tableNode):
    table = tableNode.GetTable()
    columns = [table.GetColumn(n) for n in range(table.GetNumberOfColumns())]
    rows = range(table.GetNumberOfRows())
    return {column.GetName(): [column.GetVariantValue(row).ToString() for row in rows] for column in columns}


def curveOf(names, values=("0", "40"), index="time"):
    """Return a curve with some segments: frame n has n + 1 ml of the first one, 10 more of the next one, and so on."""
    segments = tuple(Segment(f"s{n}", name, (1.0, 0.0, 0.0)) for n, name in enumerate(names))
    curve = VolumeCurve(segments, SequenceIndex(list(values), index, "ms"))
    for number, value in enumerate(values):
        curve.add(FrameVolumes(number, value, tuple(10.0 * n + number + 1 for n in range(len(names)))))
    return curve


def test_columns_are_read_back_as_they_were_stored_whatever_the_segments_are_called(scene, tmp_path):
    names = ["Tumor #1", "Tumor #2", "#", 'the "core"', "a\tb", "a b", "line\nbreak", " lead ", "心", "\t"]
    curve = curveOf(names, index='time "#1"')
    tableNode = volumesTable(scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Result"), curve)
    before = columnsOf(tableNode)

    saveAndLoad(scene, tmp_path)

    (loaded,) = slicer.util.getNodesByClass("vtkMRMLTableNode")
    assert columnsOf(loaded) == before
    assert list(before)[:5] == ["time 'no. 1'", "Tumor no. 1", "Tumor no. 2", "no.", "the 'core'"]
    assert list(before)[5:] == ["a b", "a b 2", "line break", "lead", "心", "segment"]
    assert {loaded.GetColumnUnitLabel(name) for name in list(before)[1:]} == {"ml"}
    assert json.loads(loaded.GetAttribute("CLSTMSegment.segmentNames")) == names


def test_chart_shows_the_columns_of_segments_that_are_called_otherwise(scene):
    curve = curveOf(["Tumor #1", "Tumor #2"])
    tableNode = volumesTable(scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Result"), curve)

    for _n in range(2):
        chartNode = volumesChart(tableNode, curve, "Result")

    series = [chartNode.GetNthPlotSeriesNode(n) for n in range(chartNode.GetNumberOfPlotSeriesNodes())]
    assert [one.GetYColumnName() for one in series] == ["Tumor no. 1", "Tumor no. 2"]


@pytest.mark.parametrize("name", ["note #2", 'a "quote', "line\nbreak"])
def test_schema_that_a_column_of_the_user_has_damaged_in_a_file_is_mended(scene, tmp_path, name):
    resultNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Result")
    tableNode = volumesTable(resultNode, curveOf(["Inner"]))
    for other in ("dose", name):
        column = vtk.vtkDoubleArray()
        column.SetName(other)
        column.InsertNextValue(2.5)
        column.InsertNextValue(3.5)
        tableNode.AddColumn(column)
        tableNode.SetColumnUnitLabel(other, "mg")
    saveAndLoad(scene, tmp_path)
    resultNode = scene.GetFirstNodeByName("Result")

    tableNode = volumesTable(resultNode, curveOf(["Inner", "Other", "Third"]))

    columns = columnsOf(tableNode)
    assert list(columns)[:5] == ["time", "Inner", "Other", "Third", "dose"]
    assert columns["dose"][1] == "3.5"
    units = {one: tableNode.GetColumnUnitLabel(one) for one in list(columns)[:5]}
    assert units == {"time": "ms", "Inner": "ml", "Other": "ml", "Third": "ml", "dose": "mg"}


def numbersColumn(values):
    column = vtk.vtkDoubleArray()
    for value in values:
        column.InsertNextValue(value)
    return column


def asStored(values):
    return [float(f"{float(value):.6g}") for value in values]


@pytest.mark.parametrize("values", [EPOCH_MS, SECONDS_OF_DAY], ids=["ms since 1970", "seconds of the day"])
def test_large_index_values_close_together_have_a_row_each(values):
    exact = [float(value) for value in values]

    assert matchedRows(numbersColumn(exact), values) == [0, 1, 2, 3]
    assert matchedRows(numbersColumn(exact[::-1]), values) == [3, 2, 1, 0]
    assert matchedRows(numbersColumn(exact[1:]), values) == [None, 0, 1, 2]
    assert matchedRows(numbersColumn(asStored(values)), values) == [0, 1, 2, 3]


def test_row_that_a_file_has_rounded_to_the_number_of_another_is_not_guessed():
    stored = asStored(SECONDS_OF_DAY)
    assert stored[1] == stored[2] == stored[3]

    assert matchedRows(numbersColumn(stored[::-1]), SECONDS_OF_DAY) == [3, None, None, None]
    assert matchedRows(numbersColumn(stored[1:]), SECONDS_OF_DAY) == [None, 0, 1, 2]


def test_texts_that_are_equal_numbers_have_a_row_each():
    values = ["1", "1.0", "01", "ED", "nan", "phase #2"]
    column = vtk.vtkStringArray()
    for value in ("nan", "1", "01", "phase no. 2", "ED", "1.0"):
        column.InsertNextValue(value)

    assert matchedRows(column, values) == [1, 5, 2, 4, 0, 3]
