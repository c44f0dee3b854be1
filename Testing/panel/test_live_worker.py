"""Live segmentation by a real worker, from the panel and from a script."""

import time

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import read_bundle
from CLSTMSegmentLib.scene.images import imageFromVolume
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.labelmaps import labelsOf
from CLSTMSegmentLib.worker.process_ids import kill
from conftest import smallModel
from host import qt
from scene.conftest import addSequence

import CLSTMSegment
from panel.conftest import jobFolders, wait
from panel.test_live import segmentations, setImage, start


def test_killed_worker_is_said_and_live_can_start_again(widget, volumeNode, workers):
    ui = widget.ui
    start(ui, volumeNode)
    wait(lambda: "1 frames segmented" in ui.liveStatusLabel.text, "the first frame")

    kill(workers[-1].process_id)
    wait(lambda: ui.liveButton.text == "Start", "the end")

    assert "the worker was killed" in ui.liveStatusLabel.text
    assert jobFolders() == set()
    assert ui.liveButton.enabled


def test_each_way_to_change_an_image_reaches_a_real_worker(widget, scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    volumeNode, ui = source.proxyNode, widget.ui
    start(ui, volumeNode)

    def fromScript():
        setImage(volumeNode, 7)

    def inPlace():
        slicer.util.arrayFromVolume(volumeNode)[:] = 3
        slicer.util.arrayFromVolumeModified(volumeNode)

    def newImage():
        image = vtk.vtkImageData()
        image.DeepCopy(volumeNode.GetImageData())
        volumeNode.SetAndObserveImageData(image)

    def asOpenIGTLink():
        wasModifying = volumeNode.StartModify()
        volumeNode.GetImageData().Modified()
        volumeNode.Modified()
        volumeNode.EndModify(wasModifying)

    def otherFrame():
        source.browserNode.SetSelectedItemNumber(3)

    for count, change in enumerate((lambda: None, fromScript, inPlace, newImage, asOpenIGTLink, otherFrame), start=1):
        change()
        expected = f"{count} frames segmented, 0 skipped"
        wait(lambda expected=expected: expected in ui.liveStatusLabel.text, change.__name__)

    assert len(segmentations()) == 1
    ui.liveButton.click()


def test_played_sequence_is_segmented_and_recorded_without_a_stop_of_the_event_loop(widget, scene, phantom):
    """Frames arrive every 100 ms; a 10 ms timer counts how often the event loop turns."""
    source = resolveInput(addSequence(scene, phantom[0]))
    browserNode, ui, ticks, played = source.browserNode, widget.ui, [], []
    start(ui, source.proxyNode)
    wait(lambda: "1 frames segmented" in ui.liveStatusLabel.text, "the first frame")
    ui.recordButton.click()

    counter, player = qt.QTimer(), qt.QTimer()
    counter.interval, player.interval = 10, 100
    counter.connect("timeout()", lambda: ticks.append(time.perf_counter()))
    # as the Sequences module plays
    player.connect("timeout()", lambda: played.append(browserNode.SelectNextItem()))
    for timer in (counter, player):
        timer.start()
    wait(lambda: len(played) >= 20, "20 frames")
    player.stop()
    counter.stop()
    wait(lambda: newestIsShown(ui, source.proxyNode), "the last frame")
    ui.recordButton.click()

    assert len(ticks) > 3 * len(played)
    recorded = [n for n in slicer.util.getNodesByClass("vtkMRMLSequenceNode") if "recorded" in n.GetName()]
    images, labels = recorded
    count = images.GetNumberOfDataNodes()
    assert count >= 2
    values = [images.GetNthIndexValue(n) for n in range(count)]
    assert values == [labels.GetNthIndexValue(n) for n in range(labels.GetNumberOfDataNodes())]
    assert sorted(set(map(int, values))) == list(map(int, values))
    recordedBrowser = resolveInput(images).browserNode
    assert recordedBrowser.IsSynchronizedSequenceNode(labels)
    assert f"The recording is in {recordedBrowser.GetName()}." in ui.liveStatusLabel.text
    shown = imageFromVolume(images.GetNthDataNode(count - 1))
    newest = imageFromVolume(source.proxyNode)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(shown), sitk.GetArrayViewFromImage(newest))
    ui.liveButton.click()


def newestIsShown(ui, volumeNode):
    """Return whether the image in the volume was handed over, and all frames that were are segmented."""
    (folder,) = jobFolders()
    count = len((folder / "frames.jsonl").read_text(encoding="utf-8").splitlines())
    same = (folder / "frame.raw").read_bytes() == slicer.util.arrayFromVolume(volumeNode).tobytes()
    return same and f"{count} frames segmented" in ui.liveStatusLabel.text


def test_script_segments_live_and_gets_the_labels_of_a_stream(scene, phantom, bundle, volumeNode):
    logic, seen = CLSTMSegment.CLSTMSegmentLogic(), []
    live = logic.live(volumeNode, model=bundle, device="cpu", onChanged=lambda live: seen.append(live.state))
    stream = Segmenter(read_bundle(bundle), RunSettings(device="cpu")).open_stream()

    for number in range(2):
        slicer.util.updateVolumeFromArray(volumeNode, sitk.GetArrayFromImage(phantom[0][number].image))
        wait(lambda number=number: live.segmented == number + 1 or live.state != "running", "a frame")
        expected = stream.push(imageFromVolume(volumeNode)).labels
        labels = labelsOf(live.output.node, smallModel().segments, expected, "frame")
        np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(expected))
        counts = np.bincount(sitk.GetArrayViewFromImage(expected).ravel(), minlength=3)
        assert live.ml == pytest.approx(tuple(counts[1:] * np.prod(expected.GetSpacing()) / 1000))
    assert live.networkLatency.newest <= live.latency.newest
    live.stop()

    assert seen[-1] == "stopped"
    assert set(seen[:-1]) == {"running"}
    assert jobFolders() == set()


def test_script_is_told_at_once_what_cannot_be_segmented_live(scene, volumeNode, bundle):
    logic = CLSTMSegment.CLSTMSegmentLogic()
    with pytest.raises(InputError, match="unknown settings tiles"):
        logic.live(volumeNode, model=bundle, tiles=3)
    with pytest.raises(InputError, match="no volume in the scene"):
        logic.live(scene.AddNewNodeByClass("vtkMRMLTextNode"), model=bundle)
    assert jobFolders() == set()
