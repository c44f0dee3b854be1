"""The results in the panel: volumes by frame, a summary, frames to look at, the plot, and how segments look."""

import textwrap
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..core.sequence import SequenceIndex
from ..core.volume_curve import with_unit
from ..model.description import Model
from ..report.volumes_csv import write_volumes
from ..scene.volumes_plot import markFrame, volumesChart
from .background_run import BackgroundRun


class ResultsView:
    """Shows a run's results and lets the user act on them.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui: object):
        self._ui = ui
        self._run: BackgroundRun | None = None
        self._marking: tuple | None = None
        self._plotViews: list = []
        # by mouse or Enter; not by being reached with Tab, which would show another frame unasked
        for signal in ("cellClicked(int,int)", "cellActivated(int,int)"):
            ui.volumesTable.connect(signal, self._onRow)
        for signal in ("clicked(QModelIndex)", "activated(QModelIndex)"):
            ui.flagsList.connect(signal, self._onFlag)
        ui.plotButton.connect("clicked()", self._onPlot)
        ui.exportButton.connect("clicked()", self._onExport)
        ui.show3DButton.connect("toggled(bool)", self._onShow3D)
        ui.outlineCheckBox.connect("toggled(bool)", self._onDisplay)
        ui.opacitySlider.connect("valueChanged(int)", self._onDisplay)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._stopMarking()
        self._run = None
        self._ui.volumesTable.setRowCount(0)
        self._ui.flagsList.clear()
        self._showFlags(False)
        self._ui.summaryLabel.text = ""
        self._enable(False)

    def show(self, run: BackgroundRun) -> None:
        """Show what a run has found so far; rows are added, not made anew."""
        if run is not self._run:
            self.clear()
            self._run = run
            self._setColumns(run.request.model)
        table = self._ui.volumesTable
        for row in range(table.rowCount, len(run.numbers)):
            value, volumes = run.output.volumes[row]
            table.insertRow(row)
            for column, text in enumerate([str(run.numbers[row]), value, *(f"{ml:.1f}" for ml in volumes)]):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        if run.state != "running":
            self._ui.flagsList.clear()
            self._showFlags(bool(run.flags))
            for flag in run.flags:
                self._ui.flagsList.addItem(str(flag))
            self._ui.summaryLabel.text = summary(run)
            self._enable(bool(run.numbers) and run.output.tableNode is not None)

    def _enable(self, enabled: bool) -> None:
        ui = self._ui
        for widget in (ui.plotButton, ui.exportButton, ui.show3DButton, ui.outlineCheckBox, ui.opacitySlider):
            widget.enabled = enabled

    def _showFlags(self, shown: bool) -> None:
        self._ui.flagsLabel.visible = self._ui.flagsList.visible = shown

    def _setColumns(self, model: Model) -> None:
        sequenceNode = self._run.request.source.sequenceNode
        index = with_unit(sequenceNode.GetIndexName(), sequenceNode.GetIndexUnit())
        # long names in several lines, so that the columns fit beside each other
        names = ["\n".join(textwrap.wrap(with_unit(segment.name, "ml"), 16)) for segment in model.segments]
        headers = [_("frame"), index, *names]
        self._ui.volumesTable.setColumnCount(len(headers))
        self._ui.volumesTable.setHorizontalHeaderLabels(headers)
        self._ui.volumesTable.resizeColumnsToContents()

    def _onRow(self, row: int, column: int) -> None:
        self._goTo(self._run.numbers[row])

    def _onFlag(self, index: qt.QModelIndex) -> None:
        self._goTo(self._run.flags[index.row()].frame)

    def _goTo(self, frame: int) -> None:
        browserNode = self._run.request.source.browserNode
        if browserNode is not None:
            browserNode.SetSelectedItemNumber(frame)

    def _onPlot(self) -> None:
        self._stopMarking()
        chartNode = volumesChart(self._run.output.tableNode, self._run.request.model)
        slicer.modules.plots.logic().ShowChartInLayout(chartNode)
        layoutManager = slicer.app.layoutManager()
        for n in range(layoutManager.plotViewCount):
            plotView = layoutManager.plotWidget(n).plotView()
            plotView.connect("dataSelected(vtkStringArray*, vtkCollection*)", self._onPointSelected)
            self._plotViews.append(plotView)
        browserNode = self._run.request.source.browserNode
        if browserNode is not None:
            tag = browserNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._mark())
            self._marking = (browserNode, tag, chartNode)
            self._mark()

    def _mark(self) -> None:
        """Move the line in the plot to the frame that the browser shows."""
        browserNode, _tag, chartNode = self._marking
        tableNode, number = self._run.output.tableNode, browserNode.GetSelectedItemNumber()
        values = self._run.request.job.index_values
        if tableNode is not None and chartNode.GetScene() is not None and 0 <= number < len(values):
            markFrame(chartNode, tableNode, values[number])

    def _stopMarking(self) -> None:
        if self._marking is not None:
            browserNode, tag, _chartNode = self._marking
            browserNode.RemoveObserver(tag)
            self._marking = None
        for plotView in self._plotViews:
            plotView.disconnect("dataSelected(vtkStringArray*, vtkCollection*)", self._onPointSelected)
        self._plotViews.clear()

    def _onPointSelected(self, seriesIDs: vtk.vtkStringArray, selections: vtk.vtkCollection) -> None:
        """A click on a point of a curve shows its frame; the marker is a curve too, and has no frame of its own."""
        for n in range(seriesIDs.GetNumberOfValues()):
            seriesNode = slicer.mrmlScene.GetNodeByID(seriesIDs.GetValue(n))
            points = selections.GetItemAsObject(n)
            if (
                seriesNode is not None
                and seriesNode.GetTableNode() is self._run.output.tableNode
                and points.GetNumberOfValues() > 0
            ):
                self._goTo(self._run.numbers[points.GetValue(0)])
                return

    def _onExport(self) -> None:
        path = qt.QFileDialog.getSaveFileName(self._ui.exportButton, _("Export volumes"), "volumes.csv", "CSV (*.csv)")
        if not path:
            return
        run = self._run
        sequenceNode = run.request.source.sequenceNode
        index = SequenceIndex(run.request.job.index_values, sequenceNode.GetIndexName(), sequenceNode.GetIndexUnit())
        rows = [(number, *row) for number, row in zip(run.numbers, run.output.volumes, strict=True)]
        write_volumes(Path(path), run.request.model, index, rows)

    def _outputNode(self) -> slicer.vtkMRMLSequenceNode:
        return self._run.request.outputNode or self._run.output.sequenceNode

    def _proxyNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        browserNode = self._run.request.source.browserNode
        return browserNode.GetProxyNode(self._outputNode()) if browserNode is not None else None

    def _onShow3D(self, shown: bool) -> None:
        proxyNode = self._proxyNode()
        if proxyNode is None:
            return
        outputNode = self._outputNode()
        if shown:
            for number in range(outputNode.GetNumberOfDataNodes()):
                outputNode.GetNthDataNode(number).CreateClosedSurfaceRepresentation()
            proxyNode.CreateClosedSurfaceRepresentation()
        proxyNode.GetDisplayNode().SetVisibility3D(shown)

    def _onDisplay(self, _value: object) -> None:
        proxyNode = self._proxyNode()
        if proxyNode is not None and proxyNode.GetDisplayNode() is not None:
            displayNode = proxyNode.GetDisplayNode()
            displayNode.SetVisibility2DFill(not self._ui.outlineCheckBox.checked)
            displayNode.SetOpacity2DFill(self._ui.opacitySlider.value / 100)
            displayNode.SetOpacity2DOutline(1.0)


def summary(run: BackgroundRun) -> str:
    """Largest and smallest volume of each segment, where, and how much of the largest leaves."""
    lines = []
    for n, segment in enumerate(run.request.model.segments):
        volumes = [ml[n] for _value, ml in run.output.volumes]
        if not volumes or max(volumes) == 0:
            continue
        high, low = max(volumes), min(volumes)
        lines.append(
            _("{segment}: {high:.1f} ml (frame {at}) to {low:.1f} ml (frame {to}), {part:.0f} % ejected").format(
                segment=segment.name,
                high=high,
                at=run.numbers[volumes.index(high)],
                low=low,
                to=run.numbers[volumes.index(low)],
                part=100 * (1 - low / high),
            )
        )
    return "\n".join(lines)
