"""The export of a result as DICOM SEG objects from the panel."""

import importlib.metadata
import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.sequence import Frame, SegmentedFrame
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.segmentation_nodes import terminologyEntry
from CLSTMSegmentLib.worker.events import Done
from dicom_files import write_series
from host import qt
from pydicom import dcmread
from scene.conftest import addSequence, secondBrowser
from scene.segmentations import segmentedFrames
from scene.test_edited_frames import CORRECTION, edit

from panel.conftest import fakeRun, outputs, report, wait

FRAMES = (0, 2)


@pytest.fixture
def database(monkeypatch):
    """The DICOM database of Slicer, as a dictionary of files by the UID of their instance."""
    files = {}
    monkeypatch.setattr(
        slicer, "dicomDatabase", SimpleNamespace(fileForInstance=lambda uid: files.get(uid, "")), raising=False
    )
    return files


@pytest.fixture
def imported(scene, phantom, tmp_path, database):
    """Frames of the phantom as Slicer loads them from DICOM: each knows its images, not in their order."""
    frames = [Frame(sitk.Cast(phantom[0][n].image, sitk.sitkInt16), phantom[0][n].index_value) for n in FRAMES]
    write_series(tmp_path / "series", frames)
    instances = [[] for _ in frames]
    for path in sorted((tmp_path / "series").iterdir()):
        images = dcmread(path, stop_before_pixels=True)
        database[images.SOPInstanceUID] = str(path)
        instances[int(images.InstanceNumber) - 1].append(images.SOPInstanceUID)
    sequenceNode = addSequence(scene, frames, browser=False)
    for number, uids in enumerate(instances):
        sequenceNode.GetNthDataNode(number).SetAttribute("DICOM.instanceUIDs", " ".join(uids))
    return sequenceNode


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the user chooses."""
    path = tmp_path / "chosen"
    path.mkdir()
    monkeypatch.setattr(qt.QFileDialog, "chosen", str(path))
    return path


def segment(ui, fakes, sequenceNode, phantom):
    """Segment the two frames, as the true labels say."""
    ui.inputSelector.setCurrentNode(sequenceNode)
    labels = {value: phantom[1][number] for value, number in enumerate(FRAMES)}
    frames = [SegmentedFrame(n, sequenceNode.GetNthIndexValue(n), labels[n]) for n in labels]
    fakeRun(ui, fakes, frames)


def voxelsOf(path, number):
    """Return how many voxels of a DICOM SEG object belong to a segment."""
    dataset = dcmread(path)
    masks = dataset.pixel_array
    segments = [
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for group in dataset.PerFrameFunctionalGroupsSequence
    ]
    return sum(int(mask.sum()) for mask, which in zip(masks, segments, strict=True) if which == number)


def test_each_frame_becomes_an_object_on_the_images_that_it_was_loaded_from(
    imported, fakePanel, fakes, phantom, folder, database
):
    segment(fakePanel, fakes, imported, phantom)

    fakePanel.exportDicomButton.click()

    assert fakePanel.statusLabel.text == f"The DICOM SEG objects are in {folder / 'Cine DICOM SEG'}."
    files = sorted((folder / "Cine DICOM SEG").iterdir())
    assert [file.name for file in files] == ["frame-0000.dcm", "frame-0001.dcm"]
    for file, number in zip(files, FRAMES, strict=True):
        truth = sitk.GetArrayViewFromImage(phantom[1][number])
        assert [voxelsOf(file, n) for n in (1, 2)] == [np.count_nonzero(truth == n) for n in (1, 2)]
        named = dcmread(file).ReferencedSeriesSequence[0].ReferencedInstanceSequence
        frame = imported.GetNthDataNode(FRAMES.index(number))
        assert {one.ReferencedSOPInstanceUID for one in named} <= set(frame.GetAttribute("DICOM.instanceUIDs").split())


def test_what_the_user_has_removed_from_a_frame_is_not_exported(imported, fakePanel, fakes, phantom, folder):
    segment(fakePanel, fakes, imported, phantom)
    outputs()[0].GetNthDataNode(1).GetSegmentation().RemoveSegment("inner")

    fakePanel.exportDicomButton.click()

    assert voxelsOf(folder / "Cine DICOM SEG" / "frame-0000.dcm", 1) > 0
    assert voxelsOf(folder / "Cine DICOM SEG" / "frame-0001.dcm", 1) == 0


def test_frame_is_exported_as_the_user_has_left_it_in_a_second_browser(imported, fakePanel, fakes, phantom, folder):
    segment(fakePanel, fakes, imported, phantom)
    secondBrowser(imported, outputs()[0], 1).GetSegmentation().RemoveSegment("inner")

    fakePanel.exportDicomButton.click()

    assert voxelsOf(folder / "Cine DICOM SEG" / "frame-0001.dcm", 1) == 0


@pytest.mark.parametrize("name", ["../x", "/absolute", "a/b", "a\\b", "..", 100 * "心"])
def test_objects_are_written_in_the_chosen_folder_whatever_the_input_is_called(
    imported, fakePanel, fakes, phantom, folder, name
):
    imported.SetName(name)
    segment(fakePanel, fakes, imported, phantom)

    fakePanel.exportDicomButton.click()

    (written,) = folder.iterdir()
    assert len(list(written.iterdir())) == len(FRAMES)
    assert written.name.endswith(" DICOM SEG")


def test_segments_are_exported_with_the_names_and_codes_that_the_user_has_given_them(
    imported, fakePanel, fakes, phantom, folder
):
    segment(fakePanel, fakes, imported, phantom)
    artery = {"category": ["SCT", "123037004", "Anatomical Structure"], "type": ["SCT", "51114001", "Artery"]}
    for number in range(len(FRAMES)):
        inner = outputs()[0].GetNthDataNode(number).GetSegmentation().GetSegment("inner")
        inner.SetName("Aorta")
        inner.SetTag(
            inner.GetTerminologyEntryTagName(), terminologyEntry(Segment("a", "Aorta", (1.0, 0.0, 0.0), artery))
        )

    fakePanel.exportDicomButton.click()

    for file in (folder / "Cine DICOM SEG").iterdir():
        first = dcmread(file).SegmentSequence[0]
        assert first.SegmentLabel == "Aorta"
        assert first.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Artery"


def test_segment_with_different_names_in_different_frames_is_not_exported(imported, fakePanel, fakes, phantom, folder):
    segment(fakePanel, fakes, imported, phantom)
    outputs()[0].GetNthDataNode(1).GetSegmentation().GetSegment("inner").SetName("Aorta")

    fakePanel.exportDicomButton.click()

    assert "a segment is called 'Inner' in frame 0 (" in fakePanel.statusLabel.text
    assert "and 'Aorta' in frame 1 (" in fakePanel.statusLabel.text
    assert list(folder.iterdir()) == []


def test_single_volume_from_dicom_is_exported_too(scene, imported, fakePanel, fakes, phantom, folder):
    volumeNode = scene.AddNode(volumeFromImage(sitk.Cast(phantom[0][0].image, sitk.sitkInt16)))
    volumeNode.SetName("CT")
    volumeNode.SetAttribute("DICOM.instanceUIDs", imported.GetNthDataNode(0).GetAttribute("DICOM.instanceUIDs"))
    fakePanel.inputSelector.setCurrentNode(volumeNode)
    fakePanel.applyButton.click()
    report(fakes[-1], [SegmentedFrame(0, "0", phantom[1][0])])
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not fakePanel.cancelButton.enabled, "the end of the run")

    fakePanel.exportDicomButton.click()

    assert voxelsOf(folder / "CT DICOM SEG" / "frame-0000.dcm", 2) > 0


def test_result_that_cannot_be_exported_says_why_and_writes_nothing(
    imported, fakePanel, fakes, phantom, folder, database
):
    segment(fakePanel, fakes, imported, phantom)
    voxels = slicer.util.arrayFromVolume(imported.GetNthDataNode(1))

    def refusal():
        fakePanel.statusLabel.text = ""
        fakePanel.exportDicomButton.click()
        return fakePanel.statusLabel.text

    node = outputs()[0].GetNthDataNode(1)
    node.GetSegmentation().AddEmptySegment("scar", "Scar")
    edit(node, "scar", phantom[0][FRAMES[1]].image, CORRECTION)
    assert "segment 'Scar' is none of the segments of the result, so that it would be missing" in refusal()
    node.GetSegmentation().RemoveSegment("scar")
    voxels += 100
    assert refusal().startswith(f"frame 1 ({imported.GetNthIndexValue(1)}) is not what its DICOM images show")
    voxels -= 100
    (folder / "Cine DICOM SEG").mkdir()
    assert "exists already" in refusal()
    (folder / "Cine DICOM SEG").rmdir()
    database.clear()
    assert "not in the DICOM database of Slicer: import them again" in refusal()
    imported.GetNthDataNode(0).RemoveAttribute("DICOM.instanceUIDs")
    assert "no link to DICOM images" in refusal()
    assert list(folder.iterdir()) == []


def test_input_that_is_not_from_dicom_is_told(sequence, fakePanel, fakes, phantom):
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakeRun(fakePanel, fakes, segmentedFrames(sequence, phantom, [0]))

    fakePanel.exportDicomButton.click()

    assert "load it with the DICOM module" in fakePanel.statusLabel.text


@pytest.mark.parametrize("version", [None, "0.22.0"])
def test_slicer_without_a_highdicom_that_is_new_enough_is_told(
    imported, fakePanel, fakes, phantom, folder, monkeypatch, version
):
    segment(fakePanel, fakes, imported, phantom)
    spec, versionOf = importlib.util.find_spec, importlib.metadata.version
    if version is None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec(name) if name != "highdicom" else None)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version if name == "highdicom" else versionOf(name))

    fakePanel.exportDicomButton.click()

    assert "DICOM SEG needs Slicer 5.12 or later" in fakePanel.statusLabel.text
    assert list(folder.iterdir()) == []
