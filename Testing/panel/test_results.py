"""The results of a run in the panel: frames, plot, file and surfaces."""

import pytest
import slicer
import vtk
from CLSTMSegmentLib.scene.inputs import resolveInput
from host import qt
from scene.conftest import play

from panel.conftest import choose, outputs, runToEnd, wait


def test_results_lead_to_frames_plot_and_file(sequence, widget, tmp_path):
    ui, browserNode = widget.ui, resolveInput(sequence).browserNode
    runToEnd(widget)

    ui.volumesTable.cellClicked.emit(4, 0)
    assert browserNode.GetSelectedItemNumber() == 4
    assert ui.flagsList.count  # the phantom's outer segment touches the border
    ui.flagsList.clicked.emit(ui.flagsList.model().index(0, 0))
    assert browserNode.GetSelectedItemNumber() == 0
    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    ui.exportButton.click()
    ui.outlineCheckBox.checked = True
    ui.opacitySlider.value = 20

    lines = (tmp_path / "volumes.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "frame,time [ms],Inner [ml],Outer [ml]"
    assert len(lines) == 7
    displayNode = browserNode.GetProxyNode(outputs()[0]).GetDisplayNode()
    assert not displayNode.GetVisibility2DFill()
    assert displayNode.GetOpacity2DFill() == pytest.approx(0.2)


def test_file_that_cannot_be_written_is_told(sequence, widget, tmp_path):
    runToEnd(widget)
    qt.QFileDialog.chosen = str(tmp_path / "missing" / "volumes.csv")

    widget.ui.exportButton.click()

    assert "The volumes cannot be written" in widget.ui.statusLabel.text


def test_plot_marks_the_current_frame(sequence, widget):
    browserNode = resolveInput(sequence).browserNode
    runToEnd(widget)

    widget.ui.plotButton.click()

    chartNode = slicer.mrmlScene.GetNthNodeByClass(0, "vtkMRMLPlotChartNode")
    names = [chartNode.GetNthPlotSeriesNode(n).GetName() for n in range(chartNode.GetNumberOfPlotSeriesNodes())]
    assert names == ["Inner", "Outer", "current frame"]
    marker = chartNode.GetNthPlotSeriesNode(2).GetTableNode().GetTable()
    for number in (2, 4):
        play(browserNode, number)
        assert marker.GetValue(0, 0).ToDouble() == pytest.approx(float(sequence.GetNthIndexValue(number)))


@pytest.mark.parametrize(("removedRow", "frame"), [(None, 1), (0, 2)])
def test_click_on_a_point_of_the_plot_goes_to_its_frame(removedRow, frame, sequence, widget):
    browserNode = resolveInput(sequence).browserNode
    runToEnd(widget)
    widget.ui.plotButton.click()
    chartNode = slicer.mrmlScene.GetNthNodeByClass(0, "vtkMRMLPlotChartNode")
    seriesNode = chartNode.GetNthPlotSeriesNode(1)
    if removedRow is not None:
        seriesNode.GetTableNode().RemoveRow(removedRow)
    seriesIDs, points, selections = vtk.vtkStringArray(), vtk.vtkIdTypeArray(), vtk.vtkCollection()
    seriesIDs.InsertNextValue(seriesNode.GetID())
    points.InsertNextValue(1)
    selections.AddItem(points)

    slicer.app.layoutManager().plotWidget(0).plotView().dataSelected.emit(seriesIDs, selections)

    assert browserNode.GetSelectedItemNumber() == frame


def test_plotting_again_adds_no_series(sequence, widget):
    runToEnd(widget)
    widget.ui.plotButton.click()
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode")

    widget.ui.plotButton.click()

    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == before


def test_surfaces_are_made_only_when_asked_for(sequence, widget):
    ui = widget.ui
    choose(ui.framesComboBox, "range")
    ui.lastFrameSpinBox.value = 1
    runToEnd(widget)
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    frames = [outputs()[0].GetNthDataNode(n).GetSegmentation() for n in range(2)]
    assert not any(frame.ContainsRepresentation(surface) for frame in frames)

    ui.show3DButton.click()

    wait(lambda: ui.statusLabel.text == "The surfaces of 2 frames are made.", "all surfaces")
    assert all(frame.ContainsRepresentation(surface) for frame in frames)
    proxyNode = resolveInput(sequence).browserNode.GetProxyNode(outputs()[0])
    assert proxyNode.GetSegmentation().ContainsRepresentation(surface)
    assert proxyNode.GetDisplayNode().GetVisibility3D()
    ui.show3DButton.click()
    assert not proxyNode.GetDisplayNode().GetVisibility3D()
