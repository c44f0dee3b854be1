"""The plot of volumes on the screen: it marks the frame that the browser shows, and a click leads to a frame."""

import qt
import slicer
import vtk

from ..core.volume_curve import VolumeCurve
from ..scene.outputs import SegmentationOutput
from ..scene.table_columns import columnNames
from ..scene.volumes_plot import fitChart, markFrame, volumesChart
from ..scene.volumes_table import rowsOf
from .reported_slots import reporting

SELECTED = "dataSelected(vtkStringArray*, vtkCollection*)"


class VolumesPlotView:
    """Shows the plot of one output at a time.

    Args:
        label: says why a frame cannot be shown.
    """

    def __init__(self, label: qt.QLabel):
        self._label = label
        self._output: SegmentationOutput | None = None
        self._chartNode: slicer.vtkMRMLPlotChartNode | None = None
        self._browserTag: int | None = None
        self._views: list = []
        self._title = ""
        self._drawn: list[str] = []

    def show(self, output: SegmentationOutput, title: str) -> None:
        """Show the volumes of an output in all plot views of the layout."""
        self.close()
        self._output = output
        self._title = title
        self._draw()
        applicationLogic = slicer.app.applicationLogic()
        applicationLogic.GetSelectionNode().SetActivePlotChartID(self._chartNode.GetID())
        applicationLogic.PropagatePlotChartSelection()
        layoutManager = slicer.app.layoutManager()
        for n in range(layoutManager.plotViewCount):
            plotView = layoutManager.plotWidget(n).plotView()
            _makeReadable(plotView)
            plotView.connect(SELECTED, self._onPointSelected)
            self._views.append(plotView)
        if output.source.browserNode is not None:
            event = vtk.vtkCommand.ModifiedEvent
            self._browserTag = output.source.browserNode.AddObserver(event, lambda *_: self._mark())
        self._mark()

    @property
    def isShown(self) -> bool:
        """Return whether the plot is on the screen still."""
        if self._chartNode is None or self._chartNode.GetScene() is None:
            return False
        return slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID() == self._chartNode.GetID()

    def update(self, output: SegmentationOutput) -> None:
        """Fit the plot to volumes of an output that have changed; the plot may show another one."""
        if output is self._output and self._chartNode is not None and self._output.tableNode is not None:
            if self._drawn == _columnsOf(output.curve):
                fitChart(self._chartNode, output.curve)
            else:
                self._draw()
            self._mark()

    def _draw(self) -> None:
        self._chartNode = volumesChart(self._output.tableNode, self._output.curve, self._title)
        self._drawn = _columnsOf(self._output.curve)

    def close(self) -> None:
        """Follow the browser no more; the plot itself stays."""
        if self._browserTag is not None:
            self._output.source.browserNode.RemoveObserver(self._browserTag)
            self._browserTag = None
        for plotView in self._views:
            plotView.disconnect(SELECTED, self._onPointSelected)
        self._views.clear()
        self._output = self._chartNode = None

    def _mark(self) -> None:
        """Move the line in the plot to the frame that the browser shows."""
        number = self._output.shownFrame
        if number is not None and self._chartNode.GetScene() is not None:
            markFrame(self._chartNode, self._output.curve, number)

    def _onPointSelected(self, seriesIDs: vtk.vtkStringArray, selections: vtk.vtkCollection) -> None:
        """Show the frame of the point that was clicked; the line of the current frame is a series without frames."""
        for n in range(seriesIDs.GetNumberOfValues()):
            seriesNode = slicer.mrmlScene.GetNodeByID(seriesIDs.GetValue(n))
            points = selections.GetItemAsObject(n)
            if (
                seriesNode is not None
                and seriesNode.GetTableNode() is self._output.tableNode
                and points.GetNumberOfValues() > 0
            ):
                number = self._frameInRow(points.GetValue(0))
                if number is not None:
                    reporting(self._label, self._output.showFrame)(number)
                return

    def _frameInRow(self, row: int) -> int | None:
        """Return the number of the frame in a row of the table, which the user may have sorted; None for none."""
        curve = self._output.curve
        rows = rowsOf(self._output.tableNode, [frame.index_value for frame in curve.frames])
        return curve.numbers[rows.index(row)] if row in rows else None


def _columnsOf(curve: VolumeCurve) -> list[str]:
    """Return the titles of the axes and curves in the plot of a curve."""
    return [curve.index_title, *columnNames(curve)]


def _makeReadable(plotView: object) -> None:
    """Put the legend below the curves, and everything on white; MRML has no settings for this."""
    chart = plotView.chart()
    legend = chart.GetLegend()
    legend.SetInline(False)
    legend.SetHorizontalAlignment(vtk.vtkChartLegend.CENTER)
    legend.SetVerticalAlignment(vtk.vtkChartLegend.BOTTOM)
    renderer = plotView.scene().GetRenderer()
    renderer.SetBackground(1.0, 1.0, 1.0)
    renderer.SetBackgroundAlpha(1.0)  # 0 is black in some graphics drivers, and hides the titles of the axes
