"""The results in the panel: volumes by frame, a summary, frames to check, the plot, and how segments look."""

import textwrap
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..core.atomic_write import replacing
from ..core.errors import InputError, RunFailed
from ..core.volume_curve import VolumeCurve
from ..model.description import Model
from ..report.volumes_csv import write_volumes
from ..scene.outputs import SegmentationOutput
from ..scene.unsaved_drawings import saveChanges
from .background_run import BackgroundRun, isBeingMade
from .busy import busy
from .dicom_export import DicomExport
from .edit_watch import EditWatch
from .reported_slots import reporting, telling
from .review_buttons import ReviewButtons
from .shown_views import PLOT_VIEW, THREE_D_VIEW, showView
from .surface_maker import SurfaceMaker
from .volumes_plot_view import VolumesPlotView


class ResultsSection:
    """Shows the results of a run, and lets the user act on them; what the user edits in any result is measured again.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui: object):
        self._ui = ui
        self._tell = telling(ui.statusLabel)
        self._output: SegmentationOutput | None = None
        self._title = ""
        self._headers: list[str] = []
        self._finished = False
        self._displayed = False
        self._plot = VolumesPlotView(ui.statusLabel)
        self._review = ReviewButtons(ui, lambda number: self._fillRow(self._output.curve.numbers.index(number)))
        self._dicomExport = DicomExport(ui)
        self._surfaces = SurfaceMaker(self._tell)
        self._edits = EditWatch(ui.statusLabel, self._onEdited, lambda output: not isBeingMade(output.outputNode))
        for widget, signal, slot in (
            # by mouse or Enter; Tab, which reaches a row too, must not change the frame
            (ui.volumesTable, "cellClicked(int,int)", self._onRow),
            (ui.volumesTable, "cellActivated(int,int)", self._onRow),
            (ui.flagsList, "clicked(QModelIndex)", self._onFlag),
            (ui.flagsList, "activated(QModelIndex)", self._onFlag),
            (ui.plotButton, "clicked()", self._onPlot),
            (ui.exportButton, "clicked()", self._onExport),
            (ui.show3DButton, "toggled(bool)", self._onShow3D),
            (ui.outlineCheckBox, "toggled(bool)", self._onDisplay),
            (ui.opacitySlider, "valueChanged(int)", self._onDisplay),
        ):
            widget.connect(signal, reporting(ui.statusLabel, slot))
        self.clear()

    def clear(self) -> None:
        """Show nothing; a plot that is on the screen stays there."""
        self._surfaces.stop()
        self._output = None
        self._review.review(None)
        self._dicomExport.offer(None)
        self._finished = self._displayed = False
        self._ui.volumesTable.setRowCount(0)
        self._ui.flagsList.clear()
        self._showFlags(False)
        self._ui.summaryLabel.text = ""
        self._enable(False)

    def close(self) -> None:
        """Show nothing and follow nothing any more."""
        self.clear()
        self._plot.close()

    def abandon(self) -> None:
        """Show nothing, and follow no result any more, because the scene is closing."""
        self.close()
        self._edits.close()

    def followScene(self) -> None:
        """Measure again what the user edits in the results that are in the scene already, too."""
        self._edits.watchScene()

    def clearIfRemoved(self) -> None:
        """Show nothing if the user has removed the output from the scene."""
        self._edits.forgetRemoved()
        output = self._output
        node = output.outputNode if output is not None and self._finished else None
        if node is not None and node.GetScene() is None:
            self.close()

    def show(self, run: BackgroundRun) -> None:
        """Show what a run has found so far; rows that are shown already stay."""
        if run.output is not self._output:
            self.clear()
            self._output, self._title = run.output, run.request.model.title
        hasEnded = run.state != "running" and not self._finished
        if hasEnded:
            self._edits.look()  # what was edited just now, before the frames moved into an output
        self._setColumns(run.curve)
        self._edits.watch(run.output)
        table, frames = self._ui.volumesTable, run.curve.frames
        for row in range(table.rowCount, len(frames)):
            table.insertRow(row)
            self._fillRow(row)
        if not self._displayed and frames:
            self._displayed = True
            self._onDisplay()
        if hasEnded:
            self._finished = True
            self._showSummary()
            shown = bool(frames) and run.output.tableNode is not None
            self._enable(shown)
            self._review.review(run.output if shown else None)
            madeByModel = isinstance(run.request.model, Model)  # DICOM SEG names the model
            self._dicomExport.offer(run.output if shown and madeByModel else None, run.request.model)
            if shown:
                self._onDisplay()
                if self._ui.show3DButton.checked:
                    self._onShow3D(True)
            if shown and self._plot.isShown:
                self._plot.show(self._output, self._title)

    def _fillRow(self, row: int) -> None:
        frame = self._output.curve.frames[row]
        number = f"{frame.number} {self._review.markOf(frame.index_value)}".rstrip()
        texts = [number, frame.index_value, *(f"{ml:.1f}" for ml in frame.ml)]
        for column, text in enumerate(texts):
            self._ui.volumesTable.setItem(row, column, qt.QTableWidgetItem(text))

    def _showSummary(self) -> None:
        flags = self._output.curve.flags
        self._ui.flagsList.clear()
        self._showFlags(bool(flags))
        for flag in flags:
            self._ui.flagsList.addItem(str(flag))
        self._ui.summaryLabel.text = summary(self._output.curve)

    def _enable(self, enabled: bool) -> None:
        ui = self._ui
        display = (ui.outlineCheckBox, ui.opacityLabel, ui.opacitySlider)
        for widget in (ui.plotButton, ui.exportButton, ui.show3DButton, *display):
            widget.enabled = enabled

    def _showFlags(self, shown: bool) -> None:
        self._ui.flagsLabel.visible = self._ui.flagsList.visible = shown

    def _setColumns(self, curve: VolumeCurve) -> None:
        # long names in several lines, so that the columns fit beside each other
        names = ["\n".join(textwrap.wrap(title, 16)) for title in curve.volume_titles]
        headers = [*curve.frame_titles, *names]
        if headers == self._headers:
            return
        self._headers = headers
        self._ui.volumesTable.setColumnCount(len(headers))
        self._ui.volumesTable.setHorizontalHeaderLabels(headers)
        self._ui.volumesTable.resizeColumnsToContents()

    # -- what the user edits ----------------------------------------------------------------------

    def _onEdited(self, output: SegmentationOutput, numbers: list[int]) -> None:
        self._plot.update(output)
        if output is not self._output:
            return
        self._setColumns(output.curve)
        if self._finished:  # a script may have replaced the frames
            self._ui.volumesTable.setRowCount(len(output.curve.frames))
        for number in numbers:
            self._fillRow(output.curve.numbers.index(number))
        if self._finished:
            self._showSummary()

    # -- what buttons do --------------------------------------------------------------------------

    def _onRow(self, row: int, column: int) -> None:
        self._output.showFrame(self._output.curve.numbers[row])

    def _onFlag(self, index: qt.QModelIndex) -> None:
        self._output.showFrame(self._output.curve.flags[index.row()].frame)

    def _onPlot(self) -> None:
        self._edits.lookAtAll()
        showView(PLOT_VIEW)
        self._plot.show(self._output, self._title)

    def _onExport(self) -> None:
        path = qt.QFileDialog.getSaveFileName(self._ui.exportButton, _("Export volumes"), "volumes.csv", "CSV (*.csv)")
        if not path:
            return
        saveChanges(self._output.outputNode)
        self._edits.lookAtAll()
        try:
            with replacing(Path(path)) as partial:
                write_volumes(partial, self._output.curve)
        except (InputError, RunFailed, OSError) as error:
            self._tell(_("The volumes cannot be written: {error}").format(error=error))

    def _shownNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._output.shownNode if self._output is not None else None

    def _onShow3D(self, shown: bool) -> None:
        shownNode = self._shownNode()
        if shownNode is None:
            return
        if shown:
            showView(THREE_D_VIEW)
            with busy(self._ui.statusLabel):
                self._surfaces.start(self._output.sequenceNode, shownNode)
        else:
            self._surfaces.stop()
            self._tell("")
        _displayNode(shownNode).SetVisibility3D(shown)

    def _onDisplay(self, _value: object = None) -> None:
        shownNode = self._shownNode()
        if shownNode is not None:
            displayNode = _displayNode(shownNode)
            displayNode.SetVisibility2DFill(not self._ui.outlineCheckBox.checked)
            displayNode.SetOpacity2DFill(self._ui.opacitySlider.value / 100)
            displayNode.SetOpacity2DOutline(1.0)


def _displayNode(shownNode: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLSegmentationDisplayNode:
    """Return how a segmentation is displayed; if the user has removed this node, it gets a new one."""
    shownNode.CreateDefaultDisplayNodes()
    return shownNode.GetDisplayNode()


def summary(curve: VolumeCurve) -> str:
    """Return a line for each segment that was found: its extreme volumes, and the ejection fraction of a chamber."""
    lines = []
    for n, segment in enumerate(curve.segments):
        extremes = curve.extremes(n)
        if extremes is None or extremes.greatest == 0:
            continue
        if len(curve.frames) == 1:
            lines.append(_("{segment}: {volume:.1f} ml").format(segment=segment.name, volume=extremes.greatest))
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
