"""Volumes over time as a Slicer plot."""

import slicer
import vtk

from ..core.volume_curve import with_unit
from ..model.description import Model

CHART_REFERENCE = "CLSTMSegment.volumesChart"
"""Role under which a table of volumes refers to its chart."""


MARKER_REFERENCE = "CLSTMSegment.frameMarker"
"""Role under which a chart refers to the curve that marks the current frame."""


def volumesChart(tableNode: slicer.vtkMRMLTableNode, model: Model) -> slicer.vtkMRMLPlotChartNode:
    """The chart of a table of volumes, made on the first call: a curve a segment over the index.

    Args:
        tableNode: as `tables.volumesTable` makes it, in a scene.
    """
    scene = tableNode.GetScene()
    chartNode = tableNode.GetNodeReference(CHART_REFERENCE)
    if chartNode is None:
        chartNode = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{tableNode.GetName()} chart")
        tableNode.SetNodeReferenceID(CHART_REFERENCE, chartNode.GetID())
    index = tableNode.GetColumnName(0)
    chartNode.SetTitle(model.title)
    chartNode.SetXAxisTitle(with_unit(index, tableNode.GetColumnUnitLabel(index)))
    chartNode.SetYAxisTitle(with_unit("volume", "ml"))
    for n, segment in enumerate(model.segments):
        seriesNode = chartNode.GetNthPlotSeriesNode(n)
        if seriesNode is None:
            seriesNode = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", segment.name)
            chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())
        seriesNode.SetAndObserveTableNodeID(tableNode.GetID())
        seriesNode.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        seriesNode.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
        seriesNode.SetXColumnName(index)
        seriesNode.SetYColumnName(segment.name)
        seriesNode.SetColor(segment.color)
    return chartNode


def markFrame(chartNode: slicer.vtkMRMLPlotChartNode, tableNode: slicer.vtkMRMLTableNode, indexValue: str) -> None:
    """Draw a vertical line in a chart of volumes at an index value; one that is not a number is left out."""
    scene, index = tableNode.GetScene(), tableNode.GetColumnName(0)
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
        place = float(indexValue)
    except ValueError:
        return
    volumes = [tableNode.GetTable().GetColumn(n) for n in range(1, tableNode.GetNumberOfColumns())]
    top = max(column.GetRange()[1] for column in volumes)
    markerTable = seriesNode.GetTableNode()
    markerTable.RemoveAllColumns()
    for name, values in ((index, (place, place)), ("marker", (0.0, top))):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        markerTable.AddColumn(column)
    seriesNode.SetXColumnName(index)
    seriesNode.SetYColumnName("marker")
    if not chartNode.HasPlotSeriesNodeID(seriesNode.GetID()):
        chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())


def removeChart(tableNode: slicer.vtkMRMLTableNode) -> None:
    """Remove the chart of a table of volumes and its curves, where there is one."""
    chartNode = tableNode.GetNodeReference(CHART_REFERENCE)
    if chartNode is None:
        return
    nodes = [chartNode, *(chartNode.GetNthPlotSeriesNode(n) for n in range(chartNode.GetNumberOfPlotSeriesNodes()))]
    markerNode = chartNode.GetNodeReference(MARKER_REFERENCE)
    if markerNode is not None:
        nodes.append(markerNode.GetTableNode())
    for node in nodes:
        tableNode.GetScene().RemoveNode(node)
