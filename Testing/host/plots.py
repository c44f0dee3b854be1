"""Plot views without a display: VTK charts of the MRML nodes, as strict as those of Slicer, and pictures of them."""

from pathlib import Path
from types import SimpleNamespace

import slicer
import vtk
from PySide6.QtCore import QObject, Signal

from host import qt

SIZE = (420, 300)
BACKGROUND = (255, 253, 246, 255)


class PlotView(QObject):
    """Shows the chart that a plot view node names, and says when points are selected in it."""

    dataSelected = Signal(object, object)

    connect, disconnect = qt.connect, qt.disconnect

    def __init__(self, viewNode):
        super().__init__()
        self._viewNode = viewNode
        self._chartNode = None
        self._observerTag = None
        self._view = vtk.vtkContextView()
        self._chart = vtk.vtkChartXY()
        self._chart.GetBackgroundBrush().SetColor(*BACKGROUND)
        self._view.GetScene().AddItem(self._chart)
        viewNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._chooseChart())
        self._chooseChart()

    def chart(self):
        return self._chart

    def scene(self):
        return self._view.GetScene()

    def _chooseChart(self):
        chartNode = self._viewNode.GetPlotChartNode()
        if chartNode is self._chartNode:
            return
        if self._chartNode is not None:
            self._chartNode.RemoveObserver(self._observerTag)
        self._chartNode = chartNode
        if chartNode is not None:
            self._observerTag = chartNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update())
            self._update()

    def _update(self):
        """Draw the series; columns that are missing or no numbers are an error in Slicer's log, and a failure here."""
        chart, chartNode = self._chart, self._chartNode
        chart.ClearPlots()
        for n in range(chartNode.GetNumberOfPlotSeriesNodes()):
            seriesNode = chartNode.GetNthPlotSeriesNode(n)
            if seriesNode is None or seriesNode.GetScene() is None or seriesNode.GetTableNode() is None:
                continue
            table, names = (
                seriesNode.GetTableNode().GetTable(),
                (seriesNode.GetXColumnName(), seriesNode.GetYColumnName()),
            )
            if not all(isinstance(table.GetColumnByName(name), vtk.vtkDataArray) for name in names if name):
                qt.failures.append(ValueError(f"series {seriesNode.GetName()!r} has no columns {names} of numbers"))
            elif all(names):
                plot = chart.AddPlot(vtk.vtkChart.LINE)
                plot.SetInputData(table, *names)
                plot.SetLabel(seriesNode.GetName())
                plot.SetColorF(*seriesNode.GetColor())
                plot.SetWidth(seriesNode.GetLineWidth())
                plot.SetMarkerStyle(int(seriesNode.GetMarkerStyle() == seriesNode.MarkerStyleCircle) * 4)
        chart.SetTitle(chartNode.GetTitle() or "")
        chart.SetShowLegend(chartNode.GetLegendVisibility())
        left, bottom = chart.GetAxis(vtk.vtkAxis.LEFT), chart.GetAxis(vtk.vtkAxis.BOTTOM)
        left.SetTitle(chartNode.GetYAxisTitle() or "")
        bottom.SetTitle(chartNode.GetXAxisTitle() or "")
        if not chartNode.GetYAxisRangeAuto():
            left.SetBehavior(vtk.vtkAxis.FIXED)
            left.SetUnscaledRange(*chartNode.GetYAxisRange())

    def save(self, path: Path) -> None:
        window = self._view.GetRenderWindow()
        window.SetOffScreenRendering(1)
        window.SetSize(*SIZE)
        window.Render()
        capture = vtk.vtkWindowToImageFilter()
        capture.SetInput(window)
        writer = vtk.vtkPNGWriter()
        writer.SetInputConnection(capture.GetOutputPort())
        writer.SetFileName(str(path))
        writer.Write()


class LayoutLogic:
    """Which views a layout has; the real logic does not survive without the application around it."""

    def __init__(self):
        self._node = slicer.vtkMRMLLayoutNode()
        self._node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def GetLayoutNode(self):
        return self._node

    def GetViewNodes(self):
        layout, views = self._node, vtk.vtkCollection()
        classes = {
            layout.SlicerLayoutFourUpView: (slicer.vtkMRMLSliceNode, slicer.vtkMRMLViewNode),
            layout.SlicerLayoutFourUpPlotView: (slicer.vtkMRMLSliceNode, slicer.vtkMRMLPlotViewNode),
            layout.SlicerLayoutConventionalPlotView: (
                slicer.vtkMRMLSliceNode,
                slicer.vtkMRMLViewNode,
                slicer.vtkMRMLPlotViewNode,
            ),
        }
        for viewClass in classes[layout.GetViewArrangement()]:
            views.AddItem(viewClass())
        return views


class LayoutManager:
    """The layout of a scene, with one plot view."""

    plotViewCount = 1

    def __init__(self, scene):
        viewNode = slicer.vtkMRMLPlotViewNode()
        viewNode.SetSingletonTag("PlotView1")
        self._plotView = PlotView(scene.AddNode(viewNode))
        self._logic = LayoutLogic()

    def layoutLogic(self):
        return self._logic

    def plotWidget(self, number):
        return SimpleNamespace(plotView=lambda: self._plotView)
