"""A run of the panel with a fake worker: what the worker gets, and what the panel makes of its events."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.progress import Progress
from CLSTMSegmentLib.core.sequence import SegmentedFrame, SequenceIndex
from CLSTMSegmentLib.core.volume_curve import FrameVolumes, VolumeCurve
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.panel.results_section import summary
from CLSTMSegmentLib.worker.events import Done, Failed, Note, Started
from CLSTMSegmentLib.worker.worker_process import SEGMENT
from conftest import smallModel
from host import qt

from panel.conftest import choose, jobFolders, modelsFolder, nodeIDs, outputs, report, unfinishedFramesAreOffered, wait


@pytest.fixture
def fakeRun(sequence, fakePanel, fakes):
    """Press Segment in a panel with the 6-frame phantom; returns the fake worker that the run got."""
    fakePanel.inputSelector.setCurrentNode(sequence)

    def begin():
        fakePanel.applyButton.click()
        return fakes[-1]

    return begin


def labels(phantom, number, inner):
    """Return the labels of a frame in which `inner` voxels, away from the border, are the first segment."""
    array = np.zeros(phantom[0][number].image.GetSize()[::-1], np.uint8)
    array[4, 20:40, 20:40].flat[:inner] = 1
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(phantom[0][number].image)
    return image


def finish(worker, phantom, volumes):
    """Let the fake worker report finished frames with these numbers of voxels in the first segment."""
    values = [frame.index_value for frame in phantom[0]]
    report(worker, [SegmentedFrame(n, values[n], labels(phantom, n, voxels)) for n, voxels in enumerate(volumes)])


def test_worker_gets_the_settings_of_all_widgets(fakePanel, fakeRun):
    choose(fakePanel.framesComboBox, "range")
    fakePanel.firstFrameSpinBox.value, fakePanel.lastFrameSpinBox.value, fakePanel.frameStepSpinBox.value = 1, 5, 2
    choose(fakePanel.precisionComboBox, "bfloat16")
    fakePanel.tileLineEdit.text = "8,32,32"
    fakePanel.overlapSpinBox.value = 0.5
    fakePanel.ramSpinBox.value = 1.5
    choose(fakePanel.stateComboBox, "window")
    fakePanel.windowSpinBox.value = 3
    fakePanel.warmUpFramesSpinBox.value = 2

    worker = fakeRun()

    assert worker.module == SEGMENT
    assert worker.folder.settings() == RunSettings(
        str(modelsFolder() / "small"),
        frames="1:6:2",
        device="cpu",
        precision="bfloat16",
        tile=(8, 32, 32),
        overlap=0.5,
        ram_gb=1.5,
        state_rule="window:3",
        warm_up_frames=2,
    )


def test_worker_gets_the_defaults_of_the_model_where_nothing_is_changed(sequence, fakeRun):
    worker = fakeRun()

    assert worker.folder.settings() == RunSettings(str(modelsFolder() / "small"), device="cpu")
    assert worker.folder.index_values() == [sequence.GetNthIndexValue(n) for n in range(6)]


@pytest.mark.parametrize("rule", ["carry", "reset"])
def test_worker_gets_the_state_rule(rule, fakePanel, fakeRun):
    choose(fakePanel.stateComboBox, rule)

    worker = fakeRun()

    assert worker.folder.settings().state_rule == rule
    assert not fakePanel.windowSpinBox.isVisibleTo(fakePanel.windowSpinBox.parentWidget())


def test_worker_gets_the_region_and_the_current_frame(fakePanel, fakeRun):
    choose(fakePanel.framesComboBox, "current")
    fakePanel.createRoiButton.click()
    fakePanel.roiSelector.currentNode().SetSize(30, 40, 50)

    settings = fakeRun().folder.settings()

    assert settings.frames == "0"
    assert settings.region.size == pytest.approx((30, 40, 50))


def test_worker_gets_all_frames_one_after_the_other(fakeRun, phantom):
    worker = fakeRun()

    wait(lambda: all(worker.folder.has_frame(number) for number in range(6)), "all frames")

    for number in range(6):
        found = sitk.GetArrayFromImage(worker.folder.read_frame(number))
        np.testing.assert_array_equal(found, sitk.GetArrayFromImage(phantom[0][number].image))


def test_progress_is_shown_with_the_time_left(fakePanel, fakeRun):
    worker = fakeRun()
    assert fakePanel.statusLabel.text == "Starting..."

    worker.reported += [Started("cuda:0"), Note("a remark"), Progress(2, 6, 1, 4, 12.4)]
    wait(lambda: "tile" in fakePanel.statusLabel.text, "the progress")

    assert fakePanel.statusLabel.text == "frame 2 of 6, tile 1 of 4, 12 s left"
    assert fakePanel.logText.plainText == "running on cuda:0\na remark"


def test_finished_run_shows_volumes_flags_and_the_report(fakePanel, fakeRun, phantom):
    worker = fakeRun()
    folders = jobFolders()
    report = RunReport("cpu", "float32", (8, 64, 64), 2, {"read": 0.5, "network": 1.0}, ["a warning"])

    finish(worker, phantom, [100, 98, 10, 100, 0, 100])
    worker.reported.append(Done(report=report))
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")

    texts = [fakePanel.flagsList.item(row).text() for row in range(fakePanel.flagsList.count)]
    assert "frame 4: Inner: empty" in texts
    assert any(text.startswith("frame 2: Inner: volume jumps by") for text in texts)
    assert "frame 0: Outer: empty" in texts
    assert fakePanel.summaryLabel.text == "Inner: 7.2 ml (frame 0) to 0.0 ml (frame 4)"
    assert fakePanel.statusLabel.text == "Done: 6 frames."
    assert fakePanel.logText.plainText == "a warning\n1.5 s on cpu in float32, 2 tiles of 8 x 64 x 64 a frame"
    assert not worker.running
    assert worker.folder.path in folders
    assert worker.folder.path not in jobFolders()


def test_failed_run_shows_its_message_and_offers_the_finished_frames(fakePanel, fakeRun, phantom):
    worker, before = fakeRun(), nodeIDs()

    finish(worker, phantom, [100, 98])
    worker.reported.append(Failed("the disk is full", "lines of code"))
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")

    assert fakePanel.statusLabel.text == "the disk is full"
    assert fakePanel.logText.plainText == "lines of code\nthe disk is full"
    assert unfinishedFramesAreOffered(fakePanel)
    fakePanel.discardButton.click()
    assert nodeIDs() == before


def test_report_about_a_failed_run_has_its_texts_and_no_image(fakePanel, fakeRun, phantom, tmp_path):
    worker = fakeRun()
    wait(lambda: worker.folder.has_frame(5), "all frames")
    (worker.folder.path / "worker.log").write_text("Fatal Python error", encoding="utf-8")
    finish(worker, phantom, [100])
    worker.reported.append(Failed("the disk is full"))
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")
    qt.QFileDialog.chosen = str(tmp_path / "report.zip")

    fakePanel.saveReportButton.click()

    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        texts = {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    assert set(texts) == {"system.txt", "log.txt", "events.jsonl", "worker.log", "settings.json"}
    assert "torch 2" in texts["system.txt"]
    assert "the disk is full" in texts["log.txt"]
    assert "FrameDone" in texts["events.jsonl"]
    assert texts["worker.log"] == "Fatal Python error"
    assert "It holds no image" in fakePanel.statusLabel.text


def test_result_that_cannot_be_read_ends_the_run(fakePanel, fakeRun, phantom):
    worker = fakeRun()

    finish(worker, phantom, [100])
    for path in (worker.folder.path / "results").iterdir():
        path.write_bytes(b"NRRD0004\n")
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")

    assert "0.nrrd cannot be read" in fakePanel.statusLabel.text
    assert not worker.running


def test_frame_that_cannot_be_handed_over_ends_the_run_and_is_named(fakePanel, fakeRun):
    worker = fakeRun()

    worker.folder.remove()  # as when the disk is full
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")

    assert "frame 0 cannot be written" in fakePanel.statusLabel.text
    assert not worker.running


def test_cancelled_run_ends_its_worker_at_once(fakePanel, fakeRun):
    worker = fakeRun()

    fakePanel.cancelButton.click()

    assert not worker.running
    assert worker.folder.path not in jobFolders()
    assert fakePanel.statusLabel.text == "Cancelled."


def test_next_run_starts_only_after_the_first_one(fakePanel, fakeRun, fakes, phantom):
    first = fakeRun()
    fakeRun()
    assert fakes == [first]

    finish(first, phantom, [100] * 6)
    first.reported.append(Done(report=RunReport("cpu")))
    wait(lambda: len(fakes) == 2, "the second run")

    assert not first.running
    assert fakes[1].running
    fakePanel.cancelButton.click()


@pytest.mark.parametrize(
    ("number", "index_value", "change", "message"),
    [
        (99, "0", lambda one: one, "which it was not given"),
        (1, "another", lambda one: one, "which it was not given"),
        (1, None, lambda one: one[1:, :, :], "have another geometry"),
        (1, None, lambda one: sitk.Cast(one, sitk.sitkFloat32), "gave no labels for frame 1"),
        (1, None, lambda one: one * 7, "labels that are no segments"),
    ],
)
def test_frame_that_the_input_does_not_have_ends_the_run(
    number, index_value, change, message, fakePanel, fakeRun, phantom
):
    worker = fakeRun()
    wait(lambda: len(list(worker.folder.path.glob("frames/*.nrrd"))) == 6, "the frames")
    value = phantom[0][1].index_value if index_value is None else index_value

    worker.folder.write_result(SegmentedFrame(number, value, change(labels(phantom, 1, 100))))
    worker.reported += worker.folder.new_events()
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")

    assert message in fakePanel.statusLabel.text


def test_run_whose_worker_did_not_send_all_frames_has_failed(fakePanel, fakeRun, phantom):
    worker = fakeRun()
    finish(worker, phantom, [100] * 3)
    worker.reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")

    assert "without all frames" in fakePanel.statusLabel.text


def test_run_that_cannot_start_is_told(fakePanel, fakeRun, fakes, monkeypatch):
    def cannotStart(*arguments, **keywords):
        raise OSError("no space left on device")

    monkeypatch.setattr("CLSTMSegmentLib.worker.job_folder.JobFolder.make", cannotStart)
    fakePanel.applyButton.click()

    assert fakePanel.statusLabel.text == "The run cannot start: no space left on device"
    assert fakes == []
    assert outputs() == []


def test_scene_event_looks_at_one_frame_at_most(sequence, fakePanel, monkeypatch):
    looks = []
    monkeypatch.setattr("CLSTMSegmentLib.panel.segment_panel.resolveInput", lambda node: looks.append(node))
    monkeypatch.setattr("CLSTMSegmentLib.panel.parameter_node.regionOfRun", lambda *nodes: looks.append(nodes))
    fakePanel.inputSelector.setCurrentNode(sequence)

    sequence.GetScene().AddNewNodeByClass("vtkMRMLTextNode")
    fakePanel.overlapSpinBox.value = 0.5

    assert fakePanel.applyButton.enabled
    assert looks == []


def test_summary_gives_an_ejection_fraction_of_an_ejecting_chamber_alone():
    inner, outer = smallModel().segments
    curve = VolumeCurve((replace(inner, ejecting_chamber=True), outer), SequenceIndex(["0", "1", "2"]))
    for number, ml in enumerate([(100.0, 80.0), (40.0, 60.0), (90.0, 70.0)]):
        curve.add(FrameVolumes(number, str(number), ml))

    assert summary(curve).splitlines() == [
        "Inner: 100.0 ml (frame 0) to 40.0 ml (frame 1), ejection fraction 60 %",
        "Outer: 80.0 ml (frame 0) to 60.0 ml (frame 1)",
    ]
