"""What the panel offers after a run: frames, plot, file, surfaces."""

import pytest
import slicer
import vtk
from CLSTMSegmentLib.scene.inputs import resolveInput
from host import qt
from scene.conftest import play

from panel.conftest import outputs, runToEnd


def test_results_lead_to_frames_plot_and_file(sequence, widget, tmp_path):
    ui = widget.ui
    runToEnd(widget)
    ui.volumesTable.cellClicked.emit(4, 0)
    assert resolveInput(sequence).browserNode.GetSelectedItemNumber() == 4
    assert ui.flagsList.count  # the phantom's outer segment touches the border
    ui.flagsList.clicked.emit(ui.flagsList.model().index(0, 0))
    assert resolveInput(sequence).browserNode.GetSelectedItemNumber() == 0
    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    ui.exportButton.click()
    lines = (tmp_path / "volumes.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "frame,time [ms],Inner [ml],Outer [ml]"
    assert len(lines) == 7
    displayNode = resolveInput(sequence).browserNode.GetProxyNode(outputs()[0]).GetDisplayNode()
    ui.outlineCheckBox.checked = True
    assert not displayNode.GetVisibility2DFill()
    ui.opacitySlider.value = 20
    assert displayNode.GetOpacity2DFill() == pytest.approx(0.2)


def test_plot_marks_the_current_frame_and_a_click_on_a_point_goes_to_its_frame(sequence, widget):
    runToEnd(widget)
    widget.ui.plotButton.click()
    browserNode = resolveInput(sequence).browserNode
    chartNode = slicer.mrmlScene.GetNthNodeByClass(0, "vtkMRMLPlotChartNode")
    names = [chartNode.GetNthPlotSeriesNode(n).GetName() for n in range(chartNode.GetNumberOfPlotSeriesNodes())]
    assert names == ["Inner", "Outer", "current frame"]
    marker = chartNode.GetNthPlotSeriesNode(2).GetTableNode().GetTable()
    for number in (2, 4):
        play(browserNode, number)
        assert marker.GetValue(0, 0).ToDouble() == pytest.approx(float(sequence.GetNthIndexValue(number)))
    seriesIDs, points, selections = vtk.vtkStringArray(), vtk.vtkIdTypeArray(), vtk.vtkCollection()
    seriesIDs.InsertNextValue(chartNode.GetNthPlotSeriesNode(1).GetID())
    points.InsertNextValue(1)
    selections.AddItem(points)
    slicer.app.layoutManager().plotWidget(0).plotView().dataSelected.emit(seriesIDs, selections)
    assert browserNode.GetSelectedItemNumber() == 1
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode")
    widget.ui.plotButton.click()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == before


def test_surfaces_are_made_only_when_asked_for(sequence, widget):
    ui = widget.ui
    ui.framesComboBox.currentIndex = ui.framesComboBox.findData("range")
    ui.lastFrameSpinBox.value = 1
    runToEnd(widget)
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    frames = [outputs()[0].GetNthDataNode(n).GetSegmentation() for n in range(2)]
    assert not any(frame.ContainsRepresentation(surface) for frame in frames)
    ui.show3DButton.click()
    assert all(frame.ContainsRepresentation(surface) for frame in frames)
    proxyNode = resolveInput(sequence).browserNode.GetProxyNode(outputs()[0])
    assert proxyNode.GetSegmentation().ContainsRepresentation(surface)
    assert proxyNode.GetDisplayNode().GetVisibility3D()
    ui.show3DButton.click()
    assert not proxyNode.GetDisplayNode().GetVisibility3D()
