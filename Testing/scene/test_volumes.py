"""Volumes over time: the curve of an output, and the table and the plot that show it."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.core.volume_curve import FrameVolumes, VolumeCurve
from CLSTMSegmentLib.scene.volumes_plot import fitChart, markFrame, removeChart, volumesChart
from CLSTMSegmentLib.scene.volumes_table import volumesTable

from scene.segmentations import MODEL, finishedOutput


@pytest.fixture
def output(sequenceNode, phantom):
    """A published output with all frames."""
    output = finishedOutput(sequenceNode, phantom)
    output.publish()
    return output


@pytest.fixture
def textCurve():
    """A curve whose index values are texts."""
    curve = VolumeCurve(MODEL.segments, SequenceIndex(["early", "late"], "phase", "", "text"))
    curve.add(FrameVolumes(0, "early", (10.0, 20.0)))
    curve.add(FrameVolumes(1, "late", (5.0, 25.0)))
    return curve


@pytest.fixture
def textTableNode(scene, textCurve):
    """The table of this curve."""
    return volumesTable(scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Phases"), textCurve)


def volume(labels, value):
    return (sitk.GetArrayViewFromImage(labels) == value).sum() * np.prod(labels.GetSpacing()) / 1000


def test_curve_has_the_volumes_of_the_frames_by_index_value(output, phantom):
    curve = output.curve

    assert curve.numbers == list(range(6))
    assert [frame.index_value for frame in curve.frames] == [frame.index_value for frame in phantom[0]]
    assert curve.index_title == "time [ms]"
    for n in range(2):
        assert curve.volumes(n) == pytest.approx([volume(labels, n + 1) for labels in phantom[1]])
    assert curve.ejection_fraction(0) is not None
    assert curve.ejection_fraction(1) is None


def test_curve_has_the_flags_of_the_frames(sequenceNode, phantom):
    empty = sitk.Image(phantom[1][0].GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(phantom[1][0])

    output = finishedOutput(sequenceNode, (phantom[0], [empty]), [0])

    assert [str(flag) for flag in output.curve.flags] == ["frame 0: Inner: empty", "frame 0: Outer ü: empty"]


def test_table_shows_the_volumes_over_the_index(output, sequenceNode, phantom):
    table = output.tableNode.GetTable()

    assert [table.GetColumnName(n) for n in range(3)] == ["time", "Inner", "Outer ü"]
    assert output.tableNode.GetColumnUnitLabel("time") == "ms"
    assert output.tableNode.GetColumnUnitLabel("Inner") == "ml"
    for number, labels in enumerate(phantom[1]):
        assert table.GetValue(number, 0).ToDouble() == float(sequenceNode.GetNthIndexValue(number))
        assert table.GetValue(number, 1).ToDouble() == pytest.approx(volume(labels, 1))


def test_segment_named_like_the_index_has_a_column_of_its_own(scene):
    curve = VolumeCurve((Segment("a", "time", (1.0, 0.0, 0.0)),), SequenceIndex(["5"], "time", "ms"))
    curve.add(FrameVolumes(0, "5", (20.0,)))

    table = volumesTable(scene.AddNewNodeByClass("vtkMRMLSequenceNode"), curve).GetTable()

    assert [table.GetColumnName(n) for n in range(2)] == ["time index", "time"]
    assert [table.GetValue(0, n).ToDouble() for n in range(2)] == [5.0, 20.0]


def test_table_shows_text_index_values_verbatim(textTableNode):
    table = textTableNode.GetTable()

    assert [table.GetColumnName(n) for n in range(3)] == ["phase", "Inner", "Outer ü"]
    assert [table.GetValue(row, 0).ToString() for row in range(2)] == ["early", "late"]
    assert [table.GetValue(row, 2).ToDouble() for row in range(2)] == [20.0, 25.0]


def test_chart_has_a_series_for_each_segment_over_the_index_with_units(output):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")

    assert volumesChart(output.tableNode, output.curve, "Small") is chartNode
    assert chartNode.GetTitle() == "Small"
    assert chartNode.GetXAxisTitle() == "time [ms]"
    assert chartNode.GetYAxisTitle() == "volume [ml]"
    assert chartNode.GetNumberOfPlotSeriesNodes() == 2
    seriesNode = chartNode.GetNthPlotSeriesNode(1)
    assert (seriesNode.GetXColumnName(), seriesNode.GetYColumnName()) == ("time", "Outer ü")
    assert seriesNode.GetTableNode() is output.tableNode


def columnNames(tableNode):
    return [tableNode.GetColumnName(n) for n in range(tableNode.GetNumberOfColumns())]


def test_marker_is_a_vertical_line_at_the_index_value_as_high_as_the_chart(output):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")

    markFrame(chartNode, output.curve, 1)

    markerTableNode = chartNode.GetNthPlotSeriesNode(2).GetTableNode()
    position = float(output.curve.index.values[1])
    assert slicer.util.arrayFromTableColumn(markerTableNode, "x").tolist() == [position, position]
    assert slicer.util.arrayFromTableColumn(markerTableNode, "y").tolist() == list(chartNode.GetYAxisRange())


def test_axis_of_volumes_fits_the_curves_with_a_little_room(output):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")

    volumes = [ml for n in range(2) for ml in output.curve.volumes(n)]
    low, high = chartNode.GetYAxisRange()
    room = 0.05 * (max(volumes) - min(volumes))
    assert not chartNode.GetYAxisRangeAuto()
    assert (low, high) == pytest.approx((min(volumes) - room, max(volumes) + room), rel=1e-5)


@pytest.mark.parametrize("volumes", [(50.0, 50.0), (0.0, 0.0)])
def test_axis_of_equal_volumes_has_a_range(scene, textCurve, volumes):
    curve = VolumeCurve(MODEL.segments, textCurve.index, [FrameVolumes(0, "early", volumes)])
    tableNode = volumesTable(scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Flat"), curve)

    low, high = volumesChart(tableNode, curve, "Small").GetYAxisRange()

    assert low < volumes[0] < high


def test_chart_over_text_index_values_counts_frames_and_tells_the_values(textTableNode, textCurve):
    chartNode = volumesChart(textTableNode, textCurve, "Small")

    markFrame(chartNode, textCurve, 1)

    assert chartNode.GetXAxisTitle() == "frame number"
    *seriesNodes, markerNode = (chartNode.GetNthPlotSeriesNode(n) for n in range(3))
    assert [node.GetYColumnName() for node in seriesNodes] == ["Inner", "Outer ü"]
    assert {node.GetXColumnName() for node in seriesNodes} == {"frame number"}
    assert {node.GetLabelColumnName() for node in seriesNodes} == {"phase"}
    assert slicer.util.arrayFromTableColumn(textTableNode, "frame number").tolist() == [0, 1]
    assert slicer.util.arrayFromTableColumn(markerNode.GetTableNode(), "x").tolist() == [1, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_chart_follows_a_model_with_other_segments(scene, output, count):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")
    markFrame(chartNode, output.curve, 1)
    segments = tuple(Segment(f"part-{n}", f"Part {n}", (0.0, 0.0, 1.0)) for n in range(count))
    curve = VolumeCurve(segments, output.curve.index, [FrameVolumes(0, "0", (5.0,) * count)])

    volumesTable(output.sequenceNode, curve)
    volumesChart(output.tableNode, curve, "Other")

    seriesNodes = [chartNode.GetNthPlotSeriesNode(n) for n in range(chartNode.GetNumberOfPlotSeriesNodes())]
    names = [node.GetName() for node in seriesNodes if node.GetTableNode() is output.tableNode]
    assert names == [segment.name for segment in segments]
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == count + 1


def test_table_and_marker_never_lose_their_columns(output):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")
    markFrame(chartNode, output.curve, 0)
    markerTableNode = chartNode.GetNthPlotSeriesNode(2).GetTableNode()
    seen = []
    for node in (output.tableNode, markerTableNode):
        node.AddObserver("ModifiedEvent", lambda caller, _event: seen.append(columnNames(caller)))

    markFrame(chartNode, output.curve, 3)
    volumesTable(output.sequenceNode, output.curve)

    assert ["x", "y"] in seen
    assert ["time", "Inner", "Outer ü"] in seen
    assert [] not in seen


def columnsOf(tableNode):
    """Return the columns of a table by name, as texts."""
    table = tableNode.GetTable()
    columns = [table.GetColumn(n) for n in range(table.GetNumberOfColumns())]
    rows = range(table.GetNumberOfRows())
    return {column.GetName(): [column.GetVariantValue(row).ToString() for row in rows] for column in columns}


def test_columns_of_the_user_stay_with_their_frames(textTableNode, textCurve):
    notes, doses = vtk.vtkStringArray(), vtk.vtkDoubleArray()
    for column, name, values in ((notes, "notes", ["a", "b"]), (doses, "dose", [1.5, 2.5])):
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        textTableNode.AddColumn(column)
    later = VolumeCurve(MODEL.segments, SequenceIndex(["late", "latest"], "phase", "", "text"))
    later.add(FrameVolumes(0, "late", (5.0, 25.0)))
    later.add(FrameVolumes(1, "latest", (4.0, 26.0)))
    resultNode = textTableNode.GetNodeReference("CLSTMSegment.result")

    for curve, expected in ((textCurve, ["a", "b"]), (later, ["b", ""])):
        volumesTable(resultNode, curve)

        assert columnsOf(textTableNode)["notes"] == expected
    assert columnsOf(textTableNode)["dose"] == ["2.5", "nan"]


@pytest.mark.parametrize(
    ("column", "values", "null", "expected"),
    [
        (vtk.vtkIntArray(), [3, 4], "", ["4", "nan"]),
        (vtk.vtkUnsignedCharArray(), [0, 1], "", ["1", "nan"]),
        (vtk.vtkBitArray(), [0, 1], "", ["1", "nan"]),
        (vtk.vtkIdTypeArray(), [1, 1202611280000012345], "", ["1202611280000012345", ""]),
        (vtk.vtkIntArray(), [3, 4], "-1", ["4", "-1"]),
        (vtk.vtkDoubleArray(), [3.5, 4.5], "0.5", ["4.5", "0.5"]),
    ],
    ids=["int", "char", "bit", "many digits", "int with a null value", "double with a null value"],
)
def test_column_of_the_user_is_empty_in_a_new_row(textTableNode, column, values, null, expected):
    column.SetName("age")
    for value in values:
        column.InsertNextValue(value)
    textTableNode.AddColumn(column)
    if null:
        textTableNode.SetColumnNullValue("age", null)
    later = VolumeCurve(MODEL.segments, SequenceIndex(["late", "latest"], "phase", "", "text"))
    later.add(FrameVolumes(0, "late", (5.0, 25.0)))
    later.add(FrameVolumes(1, "latest", (4.0, 26.0)))

    volumesTable(textTableNode.GetNodeReference("CLSTMSegment.result"), later)

    assert columnsOf(textTableNode)["age"] == expected


def test_column_of_whole_numbers_of_the_user_stays_one_without_new_rows(textTableNode, textCurve):
    column = vtk.vtkIntArray()
    column.SetName("age")
    for value in (3, 4):
        column.InsertNextValue(value)
    textTableNode.AddColumn(column)

    volumesTable(textTableNode.GetNodeReference("CLSTMSegment.result"), textCurve)

    assert textTableNode.GetColumnType("age") == vtk.VTK_INT


def test_plot_series_of_the_user_stay_in_the_chart(scene, output):
    chartNode = volumesChart(output.tableNode, output.curve, "Result")
    own = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "Drawn by hand")
    chartNode.AddAndObservePlotSeriesNodeID(own.GetID())

    volumesChart(output.tableNode, output.curve, "Result")

    assert own.GetScene() is scene
    assert chartNode.HasPlotSeriesNodeID(own.GetID())
    assert own.GetName() == "Drawn by hand"
    assert chartNode.GetNumberOfPlotSeriesNodes() == 3


def test_numbers_of_frames_have_a_column_beside_an_index_of_this_name(scene):
    curve = VolumeCurve(MODEL.segments, SequenceIndex(["ED"], "frame number", "", "text"))
    curve.add(FrameVolumes(0, "ED", (10.0, 20.0)))

    columns = columnsOf(volumesTable(scene.AddNewNodeByClass("vtkMRMLSequenceNode"), curve))

    assert (columns["frame number"], columns["frame number index"]) == (["ED"], ["0"])


def test_segments_that_are_called_like_other_columns_have_columns_of_their_own(scene):
    segments = (Segment("a", "frame number", (1.0, 0.0, 0.0)), Segment("b", "phase", (0.0, 1.0, 0.0)))
    curve = VolumeCurve(segments, SequenceIndex(["early"], "phase", "", "text"))
    curve.add(FrameVolumes(0, "early", (10.0, 20.0)))

    tableNode = volumesTable(scene.AddNewNodeByClass("vtkMRMLSequenceNode"), curve)
    chartNode = volumesChart(tableNode, curve, "Result")

    columns = columnsOf(tableNode)
    assert (columns["frame number"], columns["phase"]) == (["10"], ["20"])
    assert chartNode.GetNthPlotSeriesNode(0).GetXColumnName() == "frame number index"
    assert columns["frame number index"] == ["0"]


def notes(tableNode, texts, name="notes"):
    """Add a column to a table as the user does."""
    column = vtk.vtkStringArray()
    column.SetName(name)
    for text in texts:
        column.InsertNextValue(text)
    tableNode.AddColumn(column)


def test_columns_of_the_user_stay_where_ours_were_removed_or_get_their_name(output):
    notes(output.tableNode, ["of the user"] * 6, "Cavity")
    output.tableNode.RemoveColumn(0)
    output.curve.rename(["Cavity", "Outer ü"])

    volumesTable(output.sequenceNode, output.curve)

    table = output.tableNode.GetTable()
    assert columnNames(output.tableNode) == ["time", "Cavity", "Outer ü", "Cavity 2"]
    assert table.GetValueByName(5, "Cavity").ToDouble() == pytest.approx(output.curve.volumes(0)[5])
    assert table.GetValueByName(5, "Cavity 2").ToString() == "of the user"


@pytest.mark.parametrize("change", ["a row is removed", "the rows are sorted"])
def test_columns_of_the_user_stay_with_their_frames_where_rows_were_moved(change, output):
    notes(output.tableNode, [f"note {n}" for n in range(6)])
    table = output.tableNode.GetTable()
    if change == "a row is removed":
        table.RemoveRow(2)
    else:
        columns = range(table.GetNumberOfColumns())
        rows = [[vtk.vtkVariant(table.GetValue(row, n)) for n in columns] for row in range(6)]
        for row, n in product(range(6), columns):
            table.SetValue(row, n, rows[5 - row][n])

    volumesTable(output.sequenceNode, output.curve)

    expected = [f"note {n}" if n != 2 or change == "the rows are sorted" else "" for n in range(6)]
    assert columnsOf(output.tableNode)["notes"] == expected


def test_volumes_follow_in_a_column_that_the_user_has_renamed(output):
    output.tableNode.RenameColumn(1, "LV")
    output.curve.replace(FrameVolumes(4, output.curve.frames[4].index_value, (14.4, 20.0)), [])

    volumesTable(output.sequenceNode, output.curve)

    assert columnNames(output.tableNode) == ["time", "Inner", "Outer ü"]
    assert columnsOf(output.tableNode)["Inner"][4] == "14.4"


def test_column_that_the_user_has_added_to_an_older_table_stays(textTableNode, textCurve):
    textTableNode.RemoveAttribute("CLSTMSegment.columns")  # as earlier versions of this extension wrote it
    notes(textTableNode, ["a", "b"])

    volumesTable(textTableNode.GetNodeReference("CLSTMSegment.result"), textCurve)

    assert columnNames(textTableNode) == ["phase", "Inner", "Outer ü", "frame number", "notes"]


def test_what_the_user_has_added_to_the_chart_and_its_looks_stay(scene, output):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")
    inner = chartNode.GetNthPlotSeriesNode(0)
    inner.SetColor(0.0, 0.0, 1.0)
    inner.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeBar)
    own = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "Inner")
    own.SetAndObserveTableNodeID(output.tableNode.GetID())
    own.SetYColumnName("Inner")
    chartNode.AddAndObservePlotSeriesNodeID(own.GetID())
    chartNode.SetTitle("Patient 7")
    chartNode.SetXAxisTitle("phase")
    chartNode.SetYAxisRange(0.0, 1000.0)

    fitChart(chartNode, output.curve)
    assert volumesChart(output.tableNode, output.curve, "Small") is chartNode

    assert [chartNode.GetNthPlotSeriesNode(n) for n in (0, 2)] == [inner, own]
    assert chartNode.GetNumberOfPlotSeriesNodes() == 3
    assert inner.GetColor() == (0.0, 0.0, 1.0)
    assert inner.GetPlotType() == slicer.vtkMRMLPlotSeriesNode.PlotTypeBar
    assert (chartNode.GetTitle(), chartNode.GetXAxisTitle()) == ("Patient 7", "phase")
    assert chartNode.GetYAxisRange() == (0.0, 1000.0)
    removeChart(output.tableNode)
    assert own.GetScene() is scene


def test_range_that_the_user_has_not_changed_follows_the_volumes_also_of_a_loaded_scene(scene, output, tmp_path):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    chartNode = scene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    curve = VolumeCurve(MODEL.segments, output.curve.index, [FrameVolumes(0, "0", (5000.0, 1.0))])

    fitChart(chartNode, curve)

    assert chartNode.GetYAxisRange()[1] > 5000


def test_series_of_a_renamed_segment_shows_its_column_and_the_one_of_the_user_too(scene, output):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")
    own = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "mine")
    own.SetAndObserveTableNodeID(output.tableNode.GetID())
    own.SetYColumnName("Inner")

    chartNode.AddAndObservePlotSeriesNodeID(own.GetID())
    missing = []  # columns that a chart would look for in vain, whenever it is drawn

    def look(*_):
        series = [chartNode.GetNthPlotSeriesNode(n) for n in range(chartNode.GetNumberOfPlotSeriesNodes())]
        missing.extend(
            one.GetYColumnName() for one in series if one.GetYColumnName() not in columnNames(output.tableNode)
        )

    for n in range(chartNode.GetNumberOfPlotSeriesNodes()):
        chartNode.GetNthPlotSeriesNode(n).AddObserver("ModifiedEvent", look)

    output.curve.rename(["Cavity", "Wall"])
    volumesTable(output.sequenceNode, output.curve)

    inner = chartNode.GetNthPlotSeriesNode(0)
    assert (inner.GetName(), inner.GetYColumnName()) == ("Cavity", "Cavity")
    assert (own.GetName(), own.GetYColumnName()) == ("mine", "Cavity")
    assert missing == []


@pytest.mark.parametrize("attribute", ["{", "5", "null"])
def test_damaged_attributes_of_a_loaded_table_and_chart_are_ignored(output, attribute):
    chartNode = volumesChart(output.tableNode, output.curve, "Small")
    output.tableNode.SetAttribute("CLSTMSegment.columns", attribute)
    chartNode.SetAttribute("CLSTMSegment.set", attribute)

    volumesTable(output.sequenceNode, output.curve)
    volumesChart(output.tableNode, output.curve, "Small")

    assert columnNames(output.tableNode) == ["time", "Inner", "Outer ü"]
    assert chartNode.GetNumberOfPlotSeriesNodes() == 2
