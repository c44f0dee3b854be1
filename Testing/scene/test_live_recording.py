"""Live input and recording: what of the node is a frame, and two sequences that play together after saving."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.boxes import bounding_box
from CLSTMSegmentLib.core.volume_curve import FrameVolumes
from CLSTMSegmentLib.scene.images import imageFromVolume, volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.labelmaps import labelsOf
from CLSTMSegmentLib.scene.live_input import LiveInput
from CLSTMSegmentLib.scene.live_recording import LiveRecording, copyOf
from conftest import smallModel
from host import application

from scene.conftest import play


@pytest.fixture
def volumeNode(scene, phantom):
    """A volume under a transform."""
    node = scene.AddNode(volumeFromImage(phantom[0][0].image))
    node.SetName("Scanner")
    node.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLTransformNode").GetID())
    return node


def recorded(volumeNode, model, phantom):
    """Return a recording of three images of the phantom with their true labels."""
    recording = LiveRecording(model, volumeNode)
    for number, value in enumerate(("12", "115", "231")):
        image, labels = phantom[0][number].image, sitk.GetArrayFromImage(phantom[1][number])
        slicer.util.updateVolumeFromArray(volumeNode, sitk.GetArrayFromImage(image))
        box = bounding_box(labels)
        part = labels[tuple(slice(*ends) for ends in box)]
        recording.add(copyOf(volumeNode), part, box, FrameVolumes(10 + number, value, (1.0, float(number))))
        slicer.util.updateVolumeFromArray(volumeNode, np.zeros(labels.shape, np.int16))  # the next image arrives
    return recording


def test_recording_is_saved_and_reloaded_and_plays_in_step(scene, volumeNode, model, phantom, tmp_path):
    browserNode = recorded(volumeNode, model, phantom).publish(None)
    assert browserNode.GetProxyNode(browserNode.GetMasterSequenceNode()).GetTransformNodeID() == (
        volumeNode.GetTransformNodeID()
    )

    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(1)
    slicer.mrmlScene = reloaded = application.newScene()
    assert reloaded.ReadFromMRB(str(tmp_path / "scene.mrb"))

    images = reloaded.GetFirstNodeByName("Scanner recorded")
    (labels,) = (n for n in slicer.util.getNodesByClass("vtkMRMLSequenceNode") if n is not images)
    for node in (images, labels):
        assert [node.GetNthIndexValue(n) for n in range(3)] == ["12", "115", "231"]
        assert (node.GetIndexName(), node.GetIndexUnit()) == ("time", "ms")
    source = resolveInput(images)
    for item in (2, 0):
        play(source.browserNode, item)
        image = imageFromVolume(source.proxyNode)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(phantom[0][item].image))
        shown = labelsOf(source.browserNode.GetProxyNode(labels), smallModel().segments, image, "frame")
        np.testing.assert_array_equal(sitk.GetArrayFromImage(shown), sitk.GetArrayFromImage(phantom[1][item]))


def test_recording_has_a_table_of_its_volumes(scene, volumeNode, model, phantom):
    recorded(volumeNode, model, phantom).publish(None)

    (tableNode,) = slicer.util.getNodesByClass("vtkMRMLTableNode")
    assert list(slicer.util.arrayFromTableColumn(tableNode, "time")) == [12, 115, 231]
    assert list(slicer.util.arrayFromTableColumn(tableNode, "Outer")) == [0, 1, 2]


def test_recording_without_a_frame_changes_nothing(scene, volumeNode, model):
    before = scene.GetNumberOfNodes()

    assert LiveRecording(model, volumeNode).publish(None) is None

    assert scene.GetNumberOfNodes() == before


def test_recording_whose_input_was_removed_is_kept(scene, volumeNode, model, phantom):
    recording = recorded(volumeNode, model, phantom)
    scene.RemoveNode(volumeNode)

    assert recording.publish(None).GetNumberOfItems() == 3


def test_only_a_change_of_the_image_or_its_place_is_a_new_frame(volumeNode):
    source = LiveInput(volumeNode)
    assert source.hasNewFrame()
    assert not source.hasNewFrame()

    volumeNode.SetName("Renamed")
    volumeNode.SetAndObserveTransformNodeID(None)
    volumeNode.CreateDefaultDisplayNodes()
    assert not source.hasNewFrame()

    for change in (
        lambda: volumeNode.SetOrigin(1.0, 2.0, 3.0),
        lambda: slicer.util.arrayFromVolumeModified(volumeNode),
        lambda: volumeNode.GetImageData().Modified(),
        lambda: slicer.util.updateVolumeFromArray(volumeNode, np.zeros((4, 5, 6), np.uint8)),
    ):
        change()
        assert source.hasNewFrame()
        assert not source.hasNewFrame()
