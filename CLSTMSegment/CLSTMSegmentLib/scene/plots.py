"""Volumes over time as a Slicer plot."""

import slicer

from ..engine.bundle import Model

CHART_REFERENCE = "CLSTMSegment.volumesChart"
"""Role under which a table of volumes refers to its chart."""


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
    unit = tableNode.GetColumnUnitLabel(index)
    chartNode.SetTitle(model.title)
    chartNode.SetXAxisTitle(f"{index} [{unit}]" if unit else index)
    chartNode.SetYAxisTitle("volume [ml]")
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


def removeChart(tableNode: slicer.vtkMRMLTableNode) -> None:
    """Remove the chart of a table of volumes and its curves, where there is one."""
    chartNode = tableNode.GetNodeReference(CHART_REFERENCE)
    if chartNode is None:
        return
    seriesNodes = [chartNode.GetNthPlotSeriesNode(n) for n in range(chartNode.GetNumberOfPlotSeriesNodes())]
    for node in (chartNode, *seriesNodes):
        tableNode.GetScene().RemoveNode(node)
