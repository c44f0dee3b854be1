"""Segment volumes over time as a plot of Slicer, with a line that marks the current frame."""

import json

import slicer
import vtk

from ..core.volume_curve import VolumeCurve, with_unit
from .json_attributes import isDict, jsonIn
from .table_columns import FRAME_COLUMN, columnNames

CHART_REFERENCE = "CLSTMSegment.volumesChart"
"""Reference role under which a table of volumes names its chart."""

MARKER_REFERENCE = "CLSTMSegment.frameMarker"
"""Reference role under which a chart names the plot series that marks the current frame."""

SEGMENTS_REFERENCE = "CLSTMSegment.segmentSeries"
"""Reference role under which a chart names the plot series of the segments; others are the user's."""

SET_ATTRIBUTE = "CLSTMSegment.set"
"""Attribute of a chart: the properties that were set last, as JSON; where the chart has others, the user chose them."""

ROOM = 0.05
"""What is left free above and below the curves, as a fraction of their range."""


def volumesChart(tableNode: slicer.vtkMRMLTableNode, curve: VolumeCurve, title: str) -> slicer.vtkMRMLPlotChartNode:
    """Draw a table of volumes as a chart with one plot series for each segment.

    What the user has added to the chart stays, and so do the looks that the user has given to it and to its series.

    Args:
        tableNode: table in a scene that `volumesTable` filled; its chart is created by the first call.
        curve: the curve that the table shows.
        title: title of the chart.

    Returns:
        The chart node, which the table node refers to.
    """
    scene = tableNode.GetScene()
    chartNode = tableNode.GetNodeReference(CHART_REFERENCE)
    if chartNode is None:
        chartNode = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{tableNode.GetName()} chart")
        tableNode.SetNodeReferenceID(CHART_REFERENCE, chartNode.GetID())
        chartNode.SetYAxisRangeAuto(False)
    # numbers of frames stand for index values that are texts, which a plot cannot draw
    numeric, columns = curve.index.is_numeric, columnNames(curve)
    xColumn, labelColumn = (columns[0], "") if numeric else (columns[-1], columns[0])
    wasModifying = chartNode.StartModify()
    _set(
        chartNode,
        Title=title,
        XAxisTitle=curve.index_title if numeric else FRAME_COLUMN,
        YAxisTitle=with_unit("volume", "ml"),
        YAxisRange=_range(curve),
    )
    names = columns[1 : 1 + len(curve.segments)]
    shown = {}
    for seriesNode in _segmentSeries(tableNode, chartNode):
        if seriesNode.GetYColumnName() in names and seriesNode.GetXColumnName() in columns:
            shown[seriesNode.GetYColumnName()] = seriesNode
        else:  # of another model
            scene.RemoveNode(seriesNode)
    chartNode.RemoveNodeReferenceIDs(SEGMENTS_REFERENCE)
    for segment, name in zip(curve.segments, names, strict=True):
        seriesNode = shown.get(name)
        if seriesNode is None:
            seriesNode = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
            seriesNode.SetAndObserveTableNodeID(tableNode.GetID())
            seriesNode.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            seriesNode.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
            seriesNode.SetXColumnName(xColumn)
            seriesNode.SetYColumnName(name)
            seriesNode.SetLabelColumnName(labelColumn)
            seriesNode.SetColor(segment.color)
            chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())
        chartNode.AddNodeReferenceID(SEGMENTS_REFERENCE, seriesNode.GetID())
    chartNode.EndModify(wasModifying)
    return chartNode


def fitChart(chartNode: slicer.vtkMRMLPlotChartNode, curve: VolumeCurve) -> None:
    """Fit the axis of a chart to volumes that have changed; the plot series follow their table by themselves."""
    _set(chartNode, YAxisRange=_range(curve))


def markFrame(chartNode: slicer.vtkMRMLPlotChartNode, curve: VolumeCurve, number: int) -> None:
    """Draw a vertical line in a chart of volumes at a frame, as high as the chart.

    Args:
        chartNode: chart of the curve, from `volumesChart`.
        curve: the curve.
        number: number of the frame in the sequence.
    """
    scene = chartNode.GetScene()
    seriesNode = chartNode.GetNodeReference(MARKER_REFERENCE)
    if seriesNode is None:
        markerTable = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{chartNode.GetName()} marker")
        markerTable.SetHideFromEditors(True)
        for name in ("x", "y"):
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            column.SetNumberOfTuples(2)
            markerTable.AddColumn(column)
        seriesNode = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "current frame")
        seriesNode.SetAndObserveTableNodeID(markerTable.GetID())
        seriesNode.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        seriesNode.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        seriesNode.SetColor(0.5, 0.5, 0.5)
        seriesNode.SetXColumnName("x")
        seriesNode.SetYColumnName("y")
        chartNode.SetNodeReferenceID(MARKER_REFERENCE, seriesNode.GetID())
    position = float(curve.index.values[number]) if curve.index.is_numeric else number
    # a chart that is shown must always have its columns, so that the values are changed in place
    table = seriesNode.GetTableNode().GetTable()
    for row, height in enumerate(chartNode.GetYAxisRange()):
        table.SetValue(row, 0, position)
        table.SetValue(row, 1, height)
    table.Modified()
    seriesNode.GetTableNode().Modified()
    if not chartNode.HasPlotSeriesNodeID(seriesNode.GetID()):
        chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())


def removeChart(tableNode: slicer.vtkMRMLTableNode) -> None:
    """Remove the chart of a table of volumes and our plot series in it; without a chart, do nothing."""
    chartNode = tableNode.GetNodeReference(CHART_REFERENCE)
    if chartNode is None:
        return
    nodes = [chartNode, *_segmentSeries(tableNode, chartNode)]
    markerNode = chartNode.GetNodeReference(MARKER_REFERENCE)
    if markerNode is not None:
        nodes += [markerNode, markerNode.GetTableNode()]
    for node in nodes:
        tableNode.GetScene().RemoveNode(node)


def _segmentSeries(
    tableNode: slicer.vtkMRMLTableNode, chartNode: slicer.vtkMRMLPlotChartNode
) -> list[slicer.vtkMRMLPlotSeriesNode]:
    """Return the plot series that `volumesChart` has added to a chart; it has not always referred to them."""
    count = chartNode.GetNumberOfNodeReferences(SEGMENTS_REFERENCE)
    series = [chartNode.GetNthNodeReference(SEGMENTS_REFERENCE, n) for n in range(count)]
    if count == 0:
        inChart = map(chartNode.GetNthPlotSeriesNode, range(chartNode.GetNumberOfPlotSeriesNodes()))
        ofTable = [node for node in inChart if node is not None and node.GetTableNode() is tableNode]
        series = [node for node in ofTable if node.GetName() == node.GetYColumnName()]
    return [node for node in series if node is not None]


def _set(chartNode: slicer.vtkMRMLPlotChartNode, **values: str | list[float]) -> None:
    """Set properties of a chart, except for those that the user has changed since this was done last."""
    before = jsonIn(chartNode, SET_ATTRIBUTE, isDict) or {}
    for name, value in values.items():
        now = getattr(chartNode, f"Get{name}")()
        if name not in before or before[name] == (list(now) if isinstance(now, tuple) else now):
            getattr(chartNode, f"Set{name}")(value)
            before[name] = value
    chartNode.SetAttribute(SET_ATTRIBUTE, json.dumps(before))


def _range(curve: VolumeCurve) -> list[float]:
    """Return the range of an axis that shows all volumes with a little room above and below.

    It has as many digits as a scene file keeps.
    """
    volumes = [ml for frame in curve.frames for ml in frame.ml]
    least, greatest = min(volumes), max(volumes)
    room = ROOM * (greatest - least) or ROOM * greatest or 1.0
    return [float(f"{limit:.6g}") for limit in (least - room, greatest + room)]
