"""Live segmentation: images arrive in a volume, the newest goes to a worker, and all ends are clean."""

import gc
import time
import weakref

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.panel import live_console
from CLSTMSegmentLib.panel.live_segmentation import LiveSegmentation
from CLSTMSegmentLib.scene.images import imageFromVolume
from CLSTMSegmentLib.scene.labelmaps import labelsOf
from CLSTMSegmentLib.worker.events import Failed, FrameRefused, LiveFrameDone, Note, Started, event_from_line
from CLSTMSegmentLib.worker.worker_process import LIVE
from conftest import smallModel
from host import qt

from CLSTMSegment import CLSTMSegmentLogic
from panel.conftest import FakeWorker, jobFolders

WHOLE = ((0, 8), (0, 64), (0, 64))


def setImage(volumeNode, value):
    """Put an image of one value into a volume, as a script does."""
    slicer.util.updateVolumeFromArray(volumeNode, np.full((8, 64, 64), value, np.int16))


def turn():
    """Let the event loop turn until all timers had their time."""
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        qt.application().processEvents()
        time.sleep(0.005)


def start(ui, volumeNode):
    """Choose a volume, and press Start."""
    ui.liveSelector.setCurrentNode(volumeNode)
    ui.liveButton.click()
    assert ui.liveButton.text == "Stop", ui.liveStatusLabel.text


def received(worker):
    """Return the numbers of the frames that a fake worker has got, and the first voxel of the newest."""
    path = worker.folder.path / "frames.jsonl"
    count = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    return count, int(np.fromfile(worker.folder.path / "frame.raw", np.int16)[0]) if count else None


def answer(worker, number, label=1):
    """Let a fake worker answer a frame: all of it is one label."""
    worker.folder.write_result(LiveFrameDone(number, WHOLE, (1.25, 7.5), 0.01), np.full((8, 64, 64), label, np.uint8))
    worker.reported += worker.folder.new_events()
    turn()


def segmentations():
    """Return the segmentations in the scene."""
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


@pytest.fixture
def live(fakePanel, fakes, volumeNode):
    """The widgets of a panel whose live segmentation has got the first image; its worker is a fake."""
    setImage(volumeNode, 1)
    start(fakePanel, volumeNode)
    fakes[-1].reported.append(Started("cpu"))
    turn()
    assert fakes[-1].module == LIVE
    assert received(fakes[-1]) == (1, 1)
    return fakePanel


def test_newest_frame_wins_and_the_skipped_ones_are_counted(live, fakes, volumeNode):
    for value in (2, 3, 4):
        setImage(volumeNode, value)
        turn()
    assert received(fakes[-1]) == (1, 1)

    answer(fakes[-1], 0)

    assert received(fakes[-1]) == (2, 4)
    assert "1 frames segmented, 2 skipped" in live.liveStatusLabel.text
    assert live.liveVolumesLabel.text == "Inner: 1.2 ml\nOuter: 7.5 ml"


def test_all_frames_are_shown_in_one_segmentation_beside_the_volume(live, fakes, volumeNode, scene):
    answer(fakes[-1], 0, label=1)
    (node,) = segmentations()
    node.GetDisplayNode().SetSegmentVisibility("outer", False)
    setImage(volumeNode, 2)
    turn()
    transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    volumeNode.SetAndObserveTransformNodeID(transformNode.GetID())

    answer(fakes[-1], 1, label=2)

    assert segmentations() == [node]
    assert [node.GetSegmentation().GetNthSegment(n).GetName() for n in range(2)] == ["Inner", "Outer"]
    labels = labelsOf(node, smallModel().segments, imageFromVolume(volumeNode), "frame")
    assert (sitk.GetArrayViewFromImage(labels) == 2).all()
    assert not node.GetDisplayNode().GetSegmentVisibility("outer")
    assert node.GetTransformNodeID() == transformNode.GetID()


def test_segments_are_known_by_the_names_that_the_user_sees(live, fakes, volumeNode):
    # given a result of which the user has exchanged the names, because each had that of the other
    answer(fakes[-1], 0)
    setImage(volumeNode, 2)
    turn()
    segmentation = segmentations()[0].GetSegmentation()
    segmentation.GetSegment("inner").SetName("Outer")
    segmentation.GetSegment("outer").SetName("Inner")

    # when
    answer(fakes[-1], 1, label=1)

    # then
    assert [segmentation.GetSegment(name).GetLabelValue() for name in ("outer", "inner")] == [1, 2]
    assert live.liveVolumesLabel.text == "Inner: 1.2 ml\nOuter: 7.5 ml"


def test_segments_that_the_user_removed_and_added_in_another_order_are_shown_by_their_names(live, fakes, volumeNode):
    answer(fakes[-1], 0)
    setImage(volumeNode, 2)
    turn()
    (node,) = segmentations()
    node.GetSegmentation().RemoveAllSegments()
    node.GetSegmentation().AddEmptySegment("Segment_1", "Outer")
    node.GetSegmentation().AddEmptySegment("Segment_2", "Inner")

    answer(fakes[-1], 1, label=2)

    labels = labelsOf(node, smallModel().segments, imageFromVolume(volumeNode), "frame")
    assert (sitk.GetArrayViewFromImage(labels) == 2).all()


def test_names_and_colours_of_the_user_are_shown_and_recorded(live, fakes, volumeNode):
    # given a frame that is recorded before the names change
    live.recordButton.click()
    for number in range(2):
        answer(fakes[-1], number)
        setImage(volumeNode, 2 + number)
        turn()
    segment = segmentations()[0].GetSegmentation().GetSegment("outer")

    # when
    segment.SetName("Myocardium")
    segment.SetColor(0.2, 0.4, 0.6)
    answer(fakes[-1], 2)
    shown = live.liveVolumesLabel.text
    live.recordButton.click()

    # then
    assert shown == "Inner: 1.2 ml\nMyocardium: 7.5 ml"
    sequences = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    (labels,) = (node for node in sequences if node.GetNthDataNode(0).IsA("vtkMRMLSegmentationNode"))
    assert labels.GetNumberOfDataNodes() == 2
    for number in range(2):
        recorded = labels.GetNthDataNode(number).GetSegmentation().GetSegment("outer")
        assert (recorded.GetName(), recorded.GetColor()) == ("Myocardium", (0.2, 0.4, 0.6))
    (tableNode,) = slicer.util.getNodesByClass("vtkMRMLTableNode")
    assert list(slicer.util.arrayFromTableColumn(tableNode, "Myocardium")) == [7.5, 7.5]


def test_segments_of_one_name_are_said_and_the_next_frame_is_shown_once_they_differ(live, fakes, volumeNode):
    answer(fakes[-1], 0)
    (node,) = segmentations()
    outer = node.GetSegmentation().GetSegment("outer")
    outer.SetName("Inner")
    outer.SetLabelValue(1)  # both are drawn
    setImage(volumeNode, 2)
    turn()
    answer(fakes[-1], 1)

    assert "two of its segments have the same name 'Inner': rename one of them" in live.liveStatusLabel.text

    outer.SetName("Outer")
    setImage(volumeNode, 3)
    turn()
    answer(fakes[-1], 2, label=2)

    assert outer.GetLabelValue() == 2
    assert "rename" not in live.liveStatusLabel.text


def test_frame_on_another_grid_is_shown_on_its_own(live, fakes, volumeNode):
    answer(fakes[-1], 0)
    volumeNode.SetSpacing(1.0, 2.0, 3.0)
    turn()

    answer(fakes[-1], 1)

    (node,) = segmentations()
    labels = labelsOf(node, smallModel().segments, imageFromVolume(volumeNode), "frame")
    assert (sitk.GetArrayViewFromImage(labels) == 1).all()


def test_start_again_goes_on_in_the_same_node_unless_the_user_has_edited_it(live, fakes, volumeNode):
    answer(fakes[-1], 0)
    for edited in (False, True):
        live.liveButton.click()
        if edited:
            segment = segmentations()[0].GetSegmentation().GetSegment("inner")
            segment.GetRepresentation("Binary labelmap").Modified()
        live.liveButton.click()
        fakes[-1].reported.append(Started("cpu"))
        turn()
        answer(fakes[-1], 0)
        assert len(segmentations()) == 1 + edited


def test_image_that_cannot_be_segmented_is_said_and_the_next_one_is_segmented(live, fakes, volumeNode):
    answer(fakes[-1], 0)

    colors = vtk.vtkImageData()
    colors.SetDimensions(64, 64, 8)
    colors.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    volumeNode.SetAndObserveImageData(colors)
    turn()
    assert "is a colour (vector) volume" in live.liveStatusLabel.text
    damaged, scalars = vtk.vtkImageData(), vtk.vtkShortArray()
    damaged.SetDimensions(64, 64, 8)
    scalars.SetNumberOfTuples(100)
    damaged.GetPointData().SetScalars(scalars)
    volumeNode.SetAndObserveImageData(damaged)
    turn()
    assert "does not have the voxels of its size 64 x 64 x 8" in live.liveStatusLabel.text
    volumeNode.SetAndObserveImageData(None)
    turn()
    volumeNode.SetAndObserveImageData(vtk.vtkImageData())
    setImage(volumeNode, 5)
    turn()
    assert received(fakes[-1]) == (2, 5)

    fakes[-1].reported.append(FrameRefused(1, "this frame has no size"))
    turn()
    assert "this frame has no size" in live.liveStatusLabel.text
    setImage(volumeNode, 6)
    turn()
    answer(fakes[-1], 2)
    assert live.liveStatusLabel.text.startswith("Live, on cpu.")


def test_region_of_interest_follows_what_is_seen_in_the_scene(fakePanel, fakes, volumeNode, scene):
    setImage(volumeNode, 1)
    transformNode = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volumeNode.SetAndObserveTransformNodeID(transformNode.GetID())
    roiNode = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roiNode.SetSize(20, 20, 20)
    fakePanel.roiSelector.setCurrentNode(roiNode)
    start(fakePanel, volumeNode)
    fakes[-1].reported.append(Started("cpu"))
    turn()
    answer(fakes[-1], 0)

    transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(translation(10)))
    setImage(volumeNode, 2)
    turn()
    answer(fakes[-1], 1)
    roiNode.SetSize(0, 0, 0)
    setImage(volumeNode, 3)
    turn()
    assert "the region of interest has no volume" in fakePanel.liveStatusLabel.text
    scene.RemoveNode(roiNode)
    setImage(volumeNode, 4)
    turn()

    path = fakes[-1].folder.path / "frames.jsonl"
    regions = [event_from_line(line).region for line in path.read_bytes().splitlines()]
    assert [region.center[0] for region in regions] == pytest.approx([0, 10, 10])  # in LPS


def translation(toTheRight):
    """Return the matrix of a translation along R."""
    matrix = np.eye(4)
    matrix[0, 3] = toTheRight
    return matrix


def test_warnings_of_the_stream_are_shown(live, fakes):
    fakes[-1].reported.append(Note("the geometry of the frames changes"))
    answer(fakes[-1], 0)

    assert "Warning: the geometry of the frames changes" in live.liveStatusLabel.text


def test_volume_without_an_image_is_waited_for_and_a_colour_one_is_refused(scene, fakePanel, fakes):
    volumeNode = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scanner")
    start(fakePanel, volumeNode)
    fakes[-1].reported.append(Started("cpu"))
    turn()
    assert "Waiting for images" in fakePanel.liveStatusLabel.text
    setImage(volumeNode, 9)
    turn()
    assert received(fakes[-1]) == (1, 9)
    fakePanel.liveButton.click()

    colors = vtk.vtkImageData()
    colors.SetDimensions(4, 4, 4)
    colors.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colorNode = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Video")
    colorNode.SetAndObserveImageData(colors)
    fakePanel.liveSelector.setCurrentNode(colorNode)
    assert not fakePanel.liveButton.enabled
    assert "colour" in fakePanel.liveButton.toolTip


def removeInput(ui, worker):
    slicer.mrmlScene.RemoveNode(ui.liveSelector.currentNode())


def removeOutput(ui, worker):
    slicer.mrmlScene.RemoveNode(segmentations()[0])


ENDS = {
    "Stop": (lambda ui, worker: ui.liveButton.click(), "Stopped."),
    "input removed": (removeInput, "The input was removed"),
    "output removed": (removeOutput, "The output was removed"),
    "worker failed": (lambda ui, worker: worker.reported.append(Failed("no memory", "line 1")), "no memory"),
}


@pytest.mark.parametrize("end", ENDS)
def test_end_is_said_and_leaves_nothing_but_the_labels_and_the_recording(live, fakes, volumeNode, end, monkeypatch):
    created = []
    monkeypatch.setattr(LiveSegmentation, "record", remembering(LiveSegmentation.record, created))
    live.recordButton.click()
    answer(fakes[-1], 0)
    setImage(volumeNode, 2)
    turn()
    answer(fakes[-1], 1)

    ENDS[end][0](live, fakes[-1])
    turn()

    assert live.liveStatusLabel.text.startswith(ENDS[end][1])
    assert "The recording is in Scanner recorded browser." in live.liveStatusLabel.text
    assert not fakes[-1].running
    assert jobFolders() == set()
    assert live.liveButton.text == "Start"
    assert not live.recordButton.enabled
    assert not live.recordButton.checked
    fakes.clear()
    assert gone(created)


@pytest.mark.parametrize("end", ["scene closed", "module closed"])
def test_closing_the_scene_or_the_module_ends_it(fakeWidget, fakes, volumeNode, end, monkeypatch):
    created = []
    monkeypatch.setattr(LiveSegmentation, "record", remembering(LiveSegmentation.record, created))
    ui = fakeWidget.ui
    start(ui, volumeNode)
    fakes[-1].reported.append(Started("cpu"))
    turn()
    ui.recordButton.click()
    answer(fakes[-1], 0)

    if end == "scene closed":
        slicer.mrmlScene.Clear(0)
    else:
        fakeWidget.panel.close()
    turn()

    assert not fakes[-1].running
    assert jobFolders() == set()
    assert ui.liveStatusLabel.text == ""
    assert ui.liveButton.text == "Start"
    if end == "scene closed":
        assert segmentations() == []
    fakes.clear()
    assert gone(created)


def test_run_into_the_segmentation_in_which_live_goes_on_is_refused(live, fakes, volumeNode):
    answer(fakes[-1], 0)
    (node,) = segmentations()
    live.inputSelector.setCurrentNode(volumeNode)
    live.outputSelector.setCurrentNode(node)
    count = len(fakes)

    live.applyButton.click()

    text = f"live segmentation goes on in output '{node.GetName()}': stop it, or choose another output"
    assert text in live.statusLabel.text
    assert len(fakes) == count
    live.liveButton.click()
    live.applyButton.click()
    assert len(fakes) == count + 1
    live.cancelButton.click()


def test_recording_of_a_script_does_not_come_into_the_next_scene(scene, fakes, volumeNode, bundle, monkeypatch):
    def makeWorker(module, folder, arguments=()):
        fakes.append(FakeWorker(module, folder, arguments))
        return fakes[-1]

    monkeypatch.setattr(live_console, "makeLocalWorker", lambda: makeWorker)
    setImage(volumeNode, 1)
    states = []
    live = CLSTMSegmentLogic().live(volumeNode, model=bundle, onChanged=lambda live: states.append(live.state))
    live.record(True)
    fakes[-1].reported.append(Started("cpu"))
    turn()
    answer(fakes[-1], 0)
    assert live.recorded == 1

    scene.Clear(0)
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Next patient")
    turn()

    assert (live.state, live.message) == ("stopped", "The scene was closed: live segmentation has stopped.")
    assert states[-1] == "stopped"
    assert live.recorded is None
    assert not scene.GetFirstNodeByClass("vtkMRMLSequenceNode")
    assert not scene.GetFirstNodeByClass("vtkMRMLTableNode")


def remembering(method, created):
    """Return a method that also remembers weakly whose it was."""

    def call(self, *arguments):
        created.append(weakref.ref(self))
        return method(self, *arguments)

    return call


def gone(created):
    """Return whether nothing keeps the live segmentations alive; there were some."""
    gc.collect()
    return bool(created) and all(one() is None for one in created)


def test_without_torch_the_user_is_asked_and_nothing_starts(fakePanel, fakes, volumeNode, monkeypatch):
    asked = []
    monkeypatch.setattr("CLSTMSegmentLib.panel.dependencies.missingPackages", lambda need: ["safetensors>=0.4"])
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title=None: asked.append(text))
    fakePanel.liveSelector.setCurrentNode(volumeNode)

    fakePanel.liveButton.click()

    assert len(asked) == 1
    assert fakes == []
    assert fakePanel.liveButton.text == "Start"
