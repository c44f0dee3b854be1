"""Segment volumes over time as a plot of Slicer, with a line that marks the current frame."""

import slicer
import vtk

from ..core.volume_curve import VolumeCurve, with_unit
from .volumes_table import frameColumn

CHART_REFERENCE = "CLSTMSegment.volumesChart"
"""Reference role under which a table of volumes names its chart."""

SEGMENTS_REFERENCE = "CLSTMSegment.segmentSeries"
"""Reference role under which a chart names the plot series of its segments; others are the user's."""

MARKER_REFERENCE = "CLSTMSegment.frameMarker"
"""Reference role under which a chart names the plot series that marks the current frame."""

ROOM = 0.05
"""What is left free above and below the curves, as a fraction of their range."""


def volumesChart(tableNode: slicer.vtkMRMLTableNode, curve: VolumeCurve, title: str) -> slicer.vtkMRMLPlotChartNode:
    """Draw a table of volumes as a chart with one plot series for each segment.

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
    wasModifying = chartNode.StartModify()
    chartNode.SetTitle(title)
    # numbers of frames stand for index values that are texts, which a plot cannot draw
    numeric = curve.index.is_numeric
    chartNode.SetXAxisTitle(curve.index_title if numeric else frameColumn(curve))
    chartNode.SetYAxisTitle(with_unit("volume", "ml"))
    chartNode.SetYAxisRangeAuto(False)
    chartNode.SetYAxisRange(*_range(curve))
    for seriesNode in _segmentSeries(chartNode)[len(curve.segments) :]:  # of another model
        scene.RemoveNode(seriesNode)
    for n, segment in enumerate(curve.segments):
        series = _segmentSeries(chartNode)
        if n < len(series):
            seriesNode = series[n]
        else:
            seriesNode = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode")
            chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())
            chartNode.AddNodeReferenceID(SEGMENTS_REFERENCE, seriesNode.GetID())
        seriesNode.SetName(segment.name)
        seriesNode.SetAndObserveTableNodeID(tableNode.GetID())
        seriesNode.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        seriesNode.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
        seriesNode.SetXColumnName(tableNode.GetColumnName(0) if numeric else frameColumn(curve))
        seriesNode.SetYColumnName(segment.name)
        seriesNode.SetLabelColumnName("" if numeric else tableNode.GetColumnName(0))
        seriesNode.SetColor(segment.color)
    chartNode.EndModify(wasModifying)
    return chartNode


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
    """Remove the chart of a table of volumes and all its plot series; without a chart, do nothing."""
    chartNode = tableNode.GetNodeReference(CHART_REFERENCE)
    if chartNode is None:
        return
    nodes = [chartNode, *_segmentSeries(chartNode)]
    markerNode = chartNode.GetNodeReference(MARKER_REFERENCE)
    if markerNode is not None:
        nodes += [markerNode, markerNode.GetTableNode()]
    for node in nodes:
        tableNode.GetScene().RemoveNode(node)


def _segmentSeries(chartNode: slicer.vtkMRMLPlotChartNode) -> list[slicer.vtkMRMLPlotSeriesNode]:
    """Return the plot series of the segments of a chart."""
    count = chartNode.GetNumberOfNodeReferences(SEGMENTS_REFERENCE)
    series = [chartNode.GetNthNodeReference(SEGMENTS_REFERENCE, n) for n in range(count)]
    return [node for node in series if node is not None]


def _range(curve: VolumeCurve) -> tuple[float, float]:
    """Return the range of an axis that shows all volumes with a little room above and below."""
    volumes = [ml for frame in curve.frames for ml in frame.ml]
    least, greatest = min(volumes), max(volumes)
    room = ROOM * (greatest - least) or ROOM * greatest or 1.0
    return least - room, greatest + room
