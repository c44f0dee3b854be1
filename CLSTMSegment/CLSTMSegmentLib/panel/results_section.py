"""The results in the panel: volumes by frame, a summary, frames to check, the plot, and how segments look."""

import textwrap
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..core.atomic_write import replacing
from ..core.errors import InputError, RunFailed
from ..core.volume_curve import VolumeCurve
from ..report.volumes_csv import write_volumes
from ..scene.volumes_plot import markFrame, volumesChart
from .background_run import BackgroundRun
from .busy import busy
from .surface_maker import SurfaceMaker


class ResultsSection:
    """Shows the results of a run, and lets the user act on them.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui: object):
        self._ui = ui
        self._run: BackgroundRun | None = None
        self._marking: tuple | None = None
        self._plotViews: list = []
        self._surfaces = SurfaceMaker(self._tell)
        # by mouse or Enter; Tab, which reaches a row too, must not change the frame
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
        self._surfaces.stop()
        self._run = None
        self._ui.volumesTable.setRowCount(0)
        self._ui.flagsList.clear()
        self._showFlags(False)
        self._ui.summaryLabel.text = ""
        self._enable(False)

    def show(self, run: BackgroundRun) -> None:
        """Show what a run has found so far; rows that are shown already stay."""
        if run is not self._run:
            self.clear()
            self._run = run
            self._setColumns(run.curve)
        table, frames = self._ui.volumesTable, run.curve.frames
        for row in range(table.rowCount, len(frames)):
            frame = frames[row]
            table.insertRow(row)
            texts = [str(frame.number), frame.index_value, *(f"{ml:.1f}" for ml in frame.ml)]
            for column, text in enumerate(texts):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        if run.state != "running":
            flags = run.curve.flags
            self._ui.flagsList.clear()
            self._showFlags(bool(flags))
            for flag in flags:
                self._ui.flagsList.addItem(str(flag))
            self._ui.summaryLabel.text = summary(run.curve)
            self._enable(bool(frames) and run.output.tableNode is not None)

    def _enable(self, enabled: bool) -> None:
        ui = self._ui
        for widget in (ui.plotButton, ui.exportButton, ui.show3DButton, ui.outlineCheckBox, ui.opacitySlider):
            widget.enabled = enabled

    def _showFlags(self, shown: bool) -> None:
        self._ui.flagsLabel.visible = self._ui.flagsList.visible = shown

    def _setColumns(self, curve: VolumeCurve) -> None:
        # long names in several lines, so that the columns fit beside each other
        names = ["\n".join(textwrap.wrap(title, 16)) for title in curve.volume_titles]
        headers = [_("frame"), curve.index_title, *names]
        self._ui.volumesTable.setColumnCount(len(headers))
        self._ui.volumesTable.setHorizontalHeaderLabels(headers)
        self._ui.volumesTable.resizeColumnsToContents()

    def _onRow(self, row: int, column: int) -> None:
        self._goTo(self._run.curve.numbers[row])

    def _onFlag(self, index: qt.QModelIndex) -> None:
        self._goTo(self._run.curve.flags[index.row()].frame)

    def _goTo(self, frame: int) -> None:
        browserNode = self._run.request.source.browserNode
        if browserNode is not None:
            browserNode.SetSelectedItemNumber(frame)

    def _onPlot(self) -> None:
        self._stopMarking()
        run = self._run
        chartNode = volumesChart(run.output.tableNode, run.curve, run.request.model.title)
        slicer.modules.plots.logic().ShowChartInLayout(chartNode)
        layoutManager = slicer.app.layoutManager()
        for n in range(layoutManager.plotViewCount):
            plotView = layoutManager.plotWidget(n).plotView()
            plotView.connect("dataSelected(vtkStringArray*, vtkCollection*)", self._onPointSelected)
            self._plotViews.append(plotView)
        browserNode = run.request.source.browserNode
        if browserNode is not None:
            tag = browserNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._mark())
            self._marking = (browserNode, tag, chartNode)
            self._mark()

    def _mark(self) -> None:
        """Move the line in the plot to the frame that the browser shows."""
        browserNode, _tag, chartNode = self._marking
        tableNode, number = self._run.output.tableNode, browserNode.GetSelectedItemNumber()
        values = self._run.curve.index.values
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
        """Show the frame of the point that was clicked; the line of the current frame is a series without frames."""
        for n in range(seriesIDs.GetNumberOfValues()):
            seriesNode = slicer.mrmlScene.GetNodeByID(seriesIDs.GetValue(n))
            points = selections.GetItemAsObject(n)
            if (
                seriesNode is not None
                and seriesNode.GetTableNode() is self._run.output.tableNode
                and points.GetNumberOfValues() > 0
            ):
                self._goTo(self._run.curve.numbers[points.GetValue(0)])
                return

    def _onExport(self) -> None:
        path = qt.QFileDialog.getSaveFileName(self._ui.exportButton, _("Export volumes"), "volumes.csv", "CSV (*.csv)")
        if not path:
            return
        try:
            with replacing(Path(path)) as partial:
                write_volumes(partial, self._run.curve)
        except (InputError, RunFailed, OSError) as error:
            self._ui.statusLabel.text = _("The volumes cannot be written: {error}").format(error=error)

    def _tell(self, text: str) -> None:
        self._ui.statusLabel.text = text

    def _outputNode(self) -> slicer.vtkMRMLSequenceNode:
        return self._run.request.outputNode or self._run.output.sequenceNode

    def _proxyNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        browserNode = self._run.request.source.browserNode
        return browserNode.GetProxyNode(self._outputNode()) if browserNode is not None else None

    def _onShow3D(self, shown: bool) -> None:
        proxyNode = self._proxyNode()
        if proxyNode is None:
            return
        if shown:
            with busy(self._ui.statusLabel):
                self._surfaces.start(self._outputNode(), proxyNode)
        else:
            self._surfaces.stop()
            self._tell("")
        proxyNode.GetDisplayNode().SetVisibility3D(shown)

    def _onDisplay(self, _value: object) -> None:
        proxyNode = self._proxyNode()
        if proxyNode is not None and proxyNode.GetDisplayNode() is not None:
            displayNode = proxyNode.GetDisplayNode()
            displayNode.SetVisibility2DFill(not self._ui.outlineCheckBox.checked)
            displayNode.SetOpacity2DFill(self._ui.opacitySlider.value / 100)
            displayNode.SetOpacity2DOutline(1.0)


def summary(curve: VolumeCurve) -> str:
    """Return a line for each segment that was found: its extreme volumes, and the ejection fraction of a chamber."""
    lines = []
    for n, segment in enumerate(curve.segments):
        extremes = curve.extremes(n)
        if extremes is None or extremes.greatest == 0:
            continue
        line = _("{segment}: {high:.1f} ml (frame {at}) to {low:.1f} ml (frame {to})").format(
            segment=segment.name,
            high=extremes.greatest,
            at=extremes.greatest_frame,
            low=extremes.least,
            to=extremes.least_frame,
        )
        fraction = curve.ejection_fraction(n)
        if fraction is not None:
            line += _(", ejection fraction {percent:.0f} %").format(percent=fraction)
        lines.append(line)
    return "\n".join(lines)
