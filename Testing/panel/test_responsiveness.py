"""The panel never makes the user wait."""

import subprocess
import sys
import time
from itertools import pairwise

import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.panel.node_selectors import hideUnfitNodes
from CLSTMSegmentLib.scene import browsers
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom
from CLSTMSegmentLib.worker.events import Done
from host import qt
from PySide6.QtCore import QEventLoop, Qt
from PySide6.QtGui import QGuiApplication
from scene.conftest import addSequence
from scene.segmentations import segmentedFrames
from scene.test_annotations import draw

from panel.conftest import outputs, wait


def test_panel_never_stands_still_during_a_run_on_the_demo(widget):
    """Between ticks of a 10 ms timer, the panel computes only shortly, and never waits for something.

    What it computes is measured in time of the processor, which other programs do not prolong.
    """
    sequenceNode = addHeartPhantom(slicer.mrmlScene, seed=4, frames=6)
    widget.ui.inputSelector.setCurrentNode(sequenceNode)
    ticks = []
    timer = qt.QTimer()
    timer.interval = 10
    timer.connect("timeout()", lambda: ticks.append((time.thread_time(), time.perf_counter())))
    timer.start()

    widget.ui.applyButton.click()
    while widget.ui.cancelButton.enabled:
        qt.application().processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    timer.stop()

    computed, passed = (max(after[n] - before[n] for before, after in pairwise(ticks)) for n in range(2))
    print(f"longest gap: {1000 * computed:.0f} ms of computing, {1000 * passed:.0f} ms in all")
    assert computed < 0.5
    assert passed < 3


def test_describing_models_and_writing_results_does_not_import_torch():
    """Importing torch takes seconds, in which the panel would stand still."""
    code = (
        "import sys; import CLSTMSegmentLib.scene.outputs, CLSTMSegmentLib.worker.worker_process\n"
        "import CLSTMSegmentLib.worker.job_folder, CLSTMSegmentLib.teaching.training_set\n"
        "from CLSTMSegmentLib.model.bundle import bundled_models, load_model\n"
        "assert [load_model(name) for name in bundled_models()]\n"
        "assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def finishedRun(sequence, fakePanel, fakes, phantom):
    """The widgets of a panel after a run on six frames; their segments are the true ones."""
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakePanel.applyButton.click()
    (worker,) = fakes
    for frame in segmentedFrames(sequence, phantom):
        worker.folder.write_result(frame)
    worker.reported += [*worker.folder.new_events(), Done(report=RunReport("cpu"))]
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")
    return fakePanel


def framesWithSurfaces():
    """Return the numbers of the frames of the result that have surfaces."""
    (outputNode,) = outputs()
    segmentations = [outputNode.GetNthDataNode(n).GetSegmentation() for n in range(outputNode.GetNumberOfDataNodes())]
    return [n for n, one in enumerate(segmentations) if one.ContainsRepresentation("Closed surface")]


def test_surfaces_are_made_while_slicer_reacts_to_the_user_and_the_progress_is_shown(sequence, finishedRun):
    ui, seen, texts = finishedRun, set(), set()

    ui.show3DButton.click()
    proxyNode = resolveInput(sequence).browserNode.GetProxyNode(outputs()[0])
    assert proxyNode.GetSegmentation().ContainsRepresentation("Closed surface")
    assert len(framesWithSurfaces()) < 6

    def done():
        seen.add(len(framesWithSurfaces()))
        texts.add(ui.statusLabel.text)
        return ui.statusLabel.text == "The surfaces of 6 frames are made."

    wait(done, "all surfaces")
    assert framesWithSurfaces() == list(range(6))
    assert len(seen) > 3
    assert "Making surfaces: frame 4 of 6" in texts


def test_no_further_surfaces_are_made_once_they_are_hidden(finishedRun):
    finishedRun.show3DButton.click()
    finishedRun.show3DButton.click()
    made = framesWithSurfaces()

    for _ in range(20):
        qt.application().processEvents()

    assert framesWithSurfaces() == made
    assert len(made) < 6


def test_closing_the_scene_ends_the_making_of_surfaces(finishedRun):
    finishedRun.show3DButton.click()

    slicer.mrmlScene.Clear(0)
    for _ in range(20):
        qt.application().processEvents()

    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_writing_the_images_of_a_teaching_job_shows_a_busy_cursor_and_its_progress(sequence, fakePanel, phantom):
    ui, seen = fakePanel, []
    ui.teachCollapsibleButton.collapsed = False
    ui.inputSelector.setCurrentNode(sequence)
    ui.newAnnotationButton.click()
    draw(
        ui.annotationSelector.currentNode(), 0, {"Valve": sitk.GetArrayViewFromImage(phantom[1][0]) == 1}, phantom[0][0]
    )
    ui.teachMinutesSpinBox.value = 0.2  # a change of any setting updates the panel
    ui.teachNameLineEdit.text = "Busy"
    watch = qt.QTimer()
    watch.interval = 0
    watch.connect("timeout()", lambda: seen.append((ui.teachStatusLabel.text, QGuiApplication.overrideCursor())))
    watch.start()

    ui.teachButton.click()
    watch.stop()

    busy = {text for text, cursor in seen if cursor is not None and cursor.shape() == Qt.CursorShape.WaitCursor}
    assert any(text.startswith("Preparing the images: ") and text.endswith(" of 10") for text in busy)
    assert QGuiApplication.overrideCursor() is None


def test_new_annotation_does_not_copy_the_voxels_of_the_frames(scene, fakePanel, monkeypatch):
    image = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    sequenceNode = addSequence(scene, [Frame(image, str(n)) for n in range(3)], name="Small")
    fakePanel.teachCollapsibleButton.collapsed = False
    fakePanel.inputSelector.setCurrentNode(sequenceNode)
    copies = []
    monkeypatch.setattr("CLSTMSegmentLib.scene.annotations.imageFromVolume", copies.append)

    fakePanel.newAnnotationButton.click()

    assert fakePanel.annotationSelector.currentNode().GetNumberOfDataNodes() == 3
    assert copies == []


def test_update_asks_each_browser_once_whatever_the_number_of_volumes(scene, fakePanel, phantom, monkeypatch):
    sequenceNode = addSequence(scene, phantom[0])
    for frame in phantom[0] * 3:
        scene.AddNode(volumeFromImage(frame.image))
    asked, ask = [], browsers._browsers
    monkeypatch.setattr(browsers, "_browsers", lambda scene: asked.append(scene) or ask(scene))

    hideUnfitNodes(fakePanel, single=False)

    assert len(asked) == 1
    hidden = fakePanel.inputSelector.sortFilterProxyModel().hiddenNodeIDs
    assert hidden == [resolveInput(sequenceNode).proxyNode.GetID()]
