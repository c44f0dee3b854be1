"""Segment volumes over time as a plot of Slicer, with a line that marks the current frame."""

import slicer
import vtk

from ..core.volume_curve import VolumeCurve, with_unit

CHART_REFERENCE = "CLSTMSegment.volumesChart"
"""Reference role under which a table of volumes names its chart."""

MARKER_REFERENCE = "CLSTMSegment.frameMarker"
"""Reference role under which a chart names the plot series that marks the current frame."""


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
    chartNode.SetTitle(title)
    chartNode.SetXAxisTitle(curve.index_title)
    chartNode.SetYAxisTitle(with_unit("volume", "ml"))
    for n, segment in enumerate(curve.segments):
        seriesNode = chartNode.GetNthPlotSeriesNode(n)
        if seriesNode is None:
            seriesNode = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", segment.name)
            chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())
        seriesNode.SetAndObserveTableNodeID(tableNode.GetID())
        seriesNode.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        seriesNode.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
        seriesNode.SetXColumnName(tableNode.GetColumnName(0))
        seriesNode.SetYColumnName(segment.name)
        seriesNode.SetColor(segment.color)
    return chartNode


def markFrame(chartNode: slicer.vtkMRMLPlotChartNode, tableNode: slicer.vtkMRMLTableNode, indexValue: str) -> None:
    """Draw a vertical line in a chart of volumes at an index value; a value that is not a number is ignored."""
    scene, indexName = tableNode.GetScene(), tableNode.GetColumnName(0)
    seriesNode = chartNode.GetNodeReference(MARKER_REFERENCE)
    if seriesNode is None:
        markerTable = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{tableNode.GetName()} marker")
        markerTable.SetHideFromEditors(True)
        seriesNode = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "current frame")
        seriesNode.SetAndObserveTableNodeID(markerTable.GetID())
        seriesNode.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        seriesNode.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        seriesNode.SetColor(0.5, 0.5, 0.5)
        chartNode.SetNodeReferenceID(MARKER_REFERENCE, seriesNode.GetID())
    try:
        position = float(indexValue)
    except ValueError:
        return
    volumes = [tableNode.GetTable().GetColumn(n) for n in range(1, tableNode.GetNumberOfColumns())]
    top = max(column.GetRange()[1] for column in volumes)
    markerTable = seriesNode.GetTableNode()
    markerTable.RemoveAllColumns()
    for name, values in ((indexName, (position, position)), ("marker", (0.0, top))):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        markerTable.AddColumn(column)
    seriesNode.SetXColumnName(indexName)
    seriesNode.SetYColumnName("marker")
    if not chartNode.HasPlotSeriesNodeID(seriesNode.GetID()):
        chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())


def removeChart(tableNode: slicer.vtkMRMLTableNode) -> None:
    """Remove the chart of a table of volumes and all its plot series; without a chart, do nothing."""
    chartNode = tableNode.GetNodeReference(CHART_REFERENCE)
    if chartNode is None:
        return
    nodes = [chartNode, *(chartNode.GetNthPlotSeriesNode(n) for n in range(chartNode.GetNumberOfPlotSeriesNodes()))]
    markerNode = chartNode.GetNodeReference(MARKER_REFERENCE)
    if markerNode is not None:
        nodes.append(markerNode.GetTableNode())
    for node in nodes:
        tableNode.GetScene().RemoveNode(node)
