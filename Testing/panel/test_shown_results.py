"""What is shown of a result: plot, marker, edited frames, display settings; with a fake worker."""

import pytest
import slicer
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.annotations import annotatedFrames
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.worker.events import Done
from host import qt
from scene.conftest import addSequence, play, secondBrowser
from scene.segmentations import positionsOfSegment, segmentedFrames
from scene.test_edited_frames import CORRECTION, edit

import CLSTMSegment
from panel.conftest import FakeWorker, choose, fakeRun, outputs, report, wait


@pytest.fixture
def ui(sequence, fakeWidget):
    """The widgets of the panel, with fake workers and the phantom as the input."""
    return fakeWidget.ui


@pytest.fixture
def segment(sequence, ui, fakes, phantom):
    """Run a fake worker that finds the true labels of the phantom in all frames, or in some."""
    return lambda numbers=range(6): fakeRun(ui, fakes, segmentedFrames(sequence, phantom, numbers))


def shownChart():
    """Return the chart in the plot view of the layout."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotViewNode").GetPlotChartNode()


def markedPosition():
    """Return where the chart in the plot view marks the current frame."""
    markerNode = shownChart().GetNodeReference("CLSTMSegment.frameMarker")
    return slicer.util.arrayFromTableColumn(markerNode.GetTableNode(), "x")[0]


@pytest.mark.parametrize("replacing", [True, False])
def test_plot_shows_the_latest_result_and_its_marker_follows_after_another_run(sequence, ui, segment, replacing):
    browserNode = resolveInput(sequence).browserNode
    segment()
    ui.plotButton.click()
    if replacing:
        ui.outputSelector.setCurrentNode(outputs()[0])

    segment()
    play(browserNode, 4)

    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == (1 if replacing else 2)
    table = outputs()[-1].GetNodeReference("CLSTMSegment.volumesTable")
    assert shownChart() is table.GetNodeReference("CLSTMSegment.volumesChart")
    assert markedPosition() == pytest.approx(float(sequence.GetNthIndexValue(4)))


@pytest.mark.parametrize("moved", ["output", "input"])
def test_place_that_the_user_gives_to_a_result_during_the_run_stays_and_is_told_where_it_is_not_that_of_the_input(
    scene, sequence, ui, fakes, phantom, moved
):
    source, frames = resolveInput(sequence), segmentedFrames(sequence, phantom)
    hierarchyNode = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchyNode.CreateFolderItem(hierarchyNode.GetSceneItemID(), "Results")
    ui.applyButton.click()
    report(fakes[-1], frames[:1])
    wait(lambda: ui.volumesTable.rowCount == 1, "a frame")
    shown = source.browserNode.GetProxyNode(outputs()[0])
    hierarchyNode.CreateItem(hierarchyNode.GetSceneItemID(), resolveInput(sequence).proxyNode)
    hierarchyNode.CreateItem(folder, shown)
    transformNode = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    (shown if moved == "output" else source.proxyNode).SetAndObserveTransformNodeID(transformNode.GetID())

    report(fakes[-1], frames[1:])
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")

    assert hierarchyNode.GetItemParent(hierarchyNode.GetItemByDataNode(shown)) == folder
    assert shown.GetTransformNodeID() == (transformNode.GetID() if moved == "output" else None)
    names = f"{shown.GetName()} and {source.proxyNode.GetName()}"
    assert f"{names} got different transforms during the run" in ui.statusLabel.text


def test_result_that_is_replaced_lies_on_its_input_and_stays_in_the_folder_of_the_user(scene, sequence, ui, segment):
    segment()
    shown = resolveInput(sequence).browserNode.GetProxyNode(outputs()[0])
    hierarchyNode = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchyNode.CreateFolderItem(hierarchyNode.GetSceneItemID(), "Results")
    hierarchyNode.CreateItem(hierarchyNode.GetSceneItemID(), resolveInput(sequence).proxyNode)
    hierarchyNode.CreateItem(folder, shown)
    shown.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLLinearTransformNode").GetID())
    ui.outputSelector.setCurrentNode(outputs()[0])

    segment()

    assert hierarchyNode.GetItemParent(hierarchyNode.GetItemByDataNode(shown)) == folder
    assert shown.GetTransformNodeID() is None
    assert ui.statusLabel.text == "Done: 6 frames."


def test_plot_that_is_not_on_the_screen_is_not_brought_there_by_a_run(sequence, ui, segment):
    segment()

    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0


def viewClasses():
    """Return the classes of the views in the layout."""
    views = slicer.app.layoutManager().layoutLogic().GetViewNodes()
    return {views.GetItemAsObject(n).GetClassName() for n in range(views.GetNumberOfItems())}


def test_plot_and_surfaces_do_not_displace_each_other(sequence, ui, segment):
    choose(ui.framesComboBox, "current")
    layoutNode = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    both = {"vtkMRMLPlotViewNode", "vtkMRMLViewNode", "vtkMRMLSliceNode"}
    segment()

    ui.show3DButton.click()
    assert layoutNode.GetViewArrangement() == layoutNode.SlicerLayoutFourUpView
    ui.plotButton.click()
    assert viewClasses() == both
    layoutNode.SetViewArrangement(layoutNode.SlicerLayoutFourUpPlotView)
    ui.show3DButton.click()
    ui.show3DButton.click()
    assert viewClasses() == both


def test_legend_is_below_the_curves(sequence, ui, segment):
    segment()
    ui.plotButton.click()

    legend = slicer.app.layoutManager().plotWidget(0).plotView().chart().GetLegend()

    assert not legend.GetInline()
    assert legend.GetVerticalAlignment() == legend.BOTTOM


def test_row_leads_to_its_frame_where_the_input_is_not_the_master_of_its_browser(sequence, ui, fakes, phantom):
    slowNode = addSequence(sequence.GetScene(), phantom[0][::2], "Slow", browser=False)
    browserNode = resolveInput(sequence).browserNode
    browserNode.AddSynchronizedSequenceNode(slowNode)
    play(browserNode, 0)
    ui.inputSelector.setCurrentNode(slowNode)
    fakeRun(ui, fakes, segmentedFrames(slowNode, (phantom[0][::2], phantom[1][::2]), range(3)))

    ui.volumesTable.cellClicked.emit(1, 0)
    assert browserNode.GetSelectedItemNumber() == 2
    ui.plotButton.click()
    assert markedPosition() == pytest.approx(float(slowNode.GetNthIndexValue(1)))
    choose(ui.framesComboBox, "current")
    ui.applyButton.click()

    assert fakes[-1].folder.settings().frames == "1"


def test_what_is_drawn_in_a_frame_that_was_not_segmented_stays(sequence, ui, segment, phantom):
    segment(range(3))
    (outputNode,) = outputs()
    browserNode = resolveInput(sequence).browserNode
    for number in (5, 3, 4):
        play(browserNode, number)
    assert outputNode.GetNumberOfDataNodes() == 3

    proxyNode, elsewhere = browserNode.GetProxyNode(outputNode), secondBrowser(sequence, outputNode, 1)
    edit(elsewhere, "inner", phantom[0][1].image, CORRECTION)
    segmentID = proxyNode.GetSegmentation().AddEmptySegment("mine", "Mine")
    edit(proxyNode, segmentID, phantom[0][4].image, CORRECTION)
    assert len(positionsOfSegment(elsewhere, "inner")) == 200
    assert "Frame 4 was not segmented: what you draw in it is kept, but not measured." in ui.statusLabel.text
    for number in (0, 5, 4):
        play(browserNode, number)

    values = [outputNode.GetNthIndexValue(n) for n in range(outputNode.GetNumberOfDataNodes())]
    assert values == [sequence.GetNthIndexValue(n) for n in (0, 1, 2, 4)]
    assert len(positionsOfSegment(proxyNode, "mine")) == 200
    assert annotatedFrames(outputNode) == [1, 3]  # the numbers of the items
    assert [ui.volumesTable.item(row, 0).text() for row in range(ui.volumesTable.rowCount)] == ["0", "1", "2"]


def test_result_whose_display_node_was_removed_gets_another_one(sequence, fakePanel, fakes, phantom):
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakeRun(fakePanel, fakes, segmentedFrames(sequence, phantom))
    proxyNode = resolveInput(sequence).browserNode.GetProxyNode(outputs()[0])
    for act in (
        lambda: fakePanel.show3DButton.click(),
        lambda: setattr(fakePanel.opacitySlider, "value", 30),
    ):
        slicer.mrmlScene.RemoveNode(proxyNode.GetDisplayNode())

        act()

        assert proxyNode.GetDisplayNode() is not None
    assert proxyNode.GetDisplayNode().GetOpacity2DFill() == pytest.approx(0.3)


def test_drawing_in_a_frame_that_the_run_has_not_reached_is_said_not_to_be_kept(sequence, ui, fakes, phantom):
    ui.applyButton.click()
    report(fakes[-1], segmentedFrames(sequence, phantom, range(2)))
    wait(lambda: outputs() and outputs()[0].GetNumberOfDataNodes() == 2, "two frames")
    (outputNode,) = outputs()
    browserNode = resolveInput(sequence).browserNode
    for number in (1, 4):
        play(browserNode, number)
    assert "not kept" not in ui.statusLabel.text

    proxyNode = browserNode.GetProxyNode(outputNode)
    proxyNode.GetSegmentation().AddEmptySegment("mine", "Mine")

    assert proxyNode.GetSegmentation().GetNumberOfSegments() == 0  # MRML has emptied it
    assert "Frame 4 is not segmented yet: what you draw in it now is not kept." in ui.statusLabel.text


def removeFrame(number):
    """Remove a frame of the input and of the result, as the user does in the Sequences module."""
    nodes = [slicer.mrmlScene.GetFirstNodeByName("Cine"), outputs()[0]]
    value = nodes[0].GetNthIndexValue(number)
    for node in nodes:
        node.RemoveDataNodeAtValue(value)


def test_rows_flags_and_edits_belong_to_their_frames_after_another_frame_was_removed(sequence, ui, segment, phantom):
    browserNode, values = resolveInput(sequence).browserNode, [frame.index_value for frame in phantom[0]]
    segment()
    before = [ui.volumesTable.item(row, 2).text() for row in range(6)]
    removeFrame(0)

    ui.volumesTable.cellClicked.emit(3, 0)
    shown = sequence.GetNthIndexValue(browserNode.GetSelectedItemNumber())
    ui.plotButton.click()
    edit(browserNode.GetProxyNode(outputs()[0]), "inner", phantom[0][3].image, CORRECTION)
    wait(lambda: ui.volumesTable.item(3, 2).text() == "14.4", "the new volume")
    ui.badButton.click()

    assert shown == values[3]
    assert markedPosition() == pytest.approx(float(values[3]))
    assert [ui.volumesTable.item(row, 2).text() for row in (0, 1, 2, 4, 5)] == [before[n] for n in (0, 1, 2, 4, 5)]
    assert ui.volumesTable.item(3, 0).text() == "3 bad"


def test_row_of_a_frame_that_was_removed_says_so(sequence, ui, segment, phantom):
    segment()
    removeFrame(2)

    ui.volumesTable.cellClicked.emit(2, 0)

    assert f"the frame at {phantom[0][2].index_value} is in 'Cine' no more" in ui.statusLabel.text


def test_volumes_plot_and_file_follow_a_frame_that_is_edited(sequence, ui, segment, phantom, tmp_path):
    browserNode = resolveInput(sequence).browserNode
    play(browserNode, 2)
    segment()
    ui.plotButton.click()
    proxyNode = browserNode.GetProxyNode(outputs()[0])

    edit(proxyNode, "inner", phantom[0][2].image, (slice(0, 8), slice(0, 64), slice(0, 64)))
    wait(lambda: ui.volumesTable.item(2, 2).text() == "2359.3", "the new volume")  # all 8 x 64 x 64 voxels of 72 mm3
    edit(proxyNode, "inner", phantom[0][2].image, CORRECTION)
    play(browserNode, 0)
    qt.QFileDialog.chosen = str(tmp_path / "volumes.csv")
    ui.exportButton.click()

    assert ui.volumesTable.item(2, 2).text() == "14.4"
    assert (tmp_path / "volumes.csv").read_text(encoding="utf-8").splitlines()[3].split(",")[2] == "14.400"
    tableNode = outputs()[0].GetNodeReference("CLSTMSegment.volumesTable")
    assert slicer.util.arrayFromTableColumn(tableNode, "Inner")[2] == pytest.approx(14.4)
    assert f"Inner: {max(slicer.util.arrayFromTableColumn(tableNode, 'Inner')):.1f} ml" in ui.summaryLabel.text
    assert shownChart().GetYAxisRange()[1] < 2000


def test_display_settings_apply_to_the_result_of_the_next_run(sequence, ui, segment):
    browserNode = resolveInput(sequence).browserNode
    choose(ui.framesComboBox, "current")
    segment()
    ui.outlineCheckBox.checked = True
    ui.opacitySlider.value = 20
    ui.show3DButton.click()

    segment()

    displayNode = browserNode.GetProxyNode(outputs()[1]).GetDisplayNode()
    assert not displayNode.GetVisibility2DFill()
    assert displayNode.GetOpacity2DFill() == pytest.approx(0.2)
    assert displayNode.GetVisibility3D()
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    assert outputs()[1].GetNthDataNode(0).GetSegmentation().ContainsRepresentation(surface)


def test_results_of_an_output_that_is_removed_are_shown_no_more(sequence, ui, segment):
    segment()

    slicer.mrmlScene.RemoveNode(outputs()[0])

    assert ui.volumesTable.rowCount == 0
    assert not ui.plotButton.enabled


def test_drawing_in_a_frame_that_a_run_of_the_console_has_not_reached_is_said_not_to_be_kept(
    sequence, ui, fakes, bundle, phantom, monkeypatch
):
    def makeFake(module, folder, arguments=()):
        fakes.append(FakeWorker(module, folder, arguments))
        return fakes[-1]

    monkeypatch.setattr("CLSTMSegmentLib.panel.console_logic.makeWorkerAt", lambda *_: makeFake)
    run = CLSTMSegment.CLSTMSegmentLogic().process(sequence, model=bundle, device="cpu")
    report(fakes[-1], segmentedFrames(sequence, phantom, range(2)))
    wait(lambda: len(run.curve.frames) == 2, "two frames")
    (outputNode,) = outputs()
    browserNode = resolveInput(sequence).browserNode
    ui.inputSelector.setCurrentNode(sequence)  # the panel looks at the scene

    for state in ("running", "cancelled"):
        play(browserNode, 4)
        proxyNode = browserNode.GetProxyNode(outputNode)
        proxyNode.GetSegmentation().AddEmptySegment("mine", "Mine")

        expected = {"running": "Frame 4 is not segmented yet: what you draw in it now is not kept."}
        assert expected.get(state, "Frame 4 was not segmented: what you draw in it is kept") in ui.statusLabel.text
        assert outputNode.GetNumberOfDataNodes() == (2 if state == "running" else 3)
        run.cancel()
