"""A single volume as the input: the result is a segmentation node beside it."""

import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.scene.images import imageFromVolume, volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.made_frames import drawnFrames
from CLSTMSegmentLib.scene.regions import roiAround
from CLSTMSegmentLib.scene.single_output import SingleOutput

import CLSTMSegment
from scene.segmentations import MODEL, positionsOfLabel, positionsOfSegment, samePositions, segmentedFrames
from scene.test_edited_frames import CORRECTION, edit, voxelsOf


@pytest.fixture
def volumeNode(scene, phantom):
    """The first frame of the phantom as a volume under a transform, in a folder of the subject hierarchy."""
    node = scene.AddNode(volumeFromImage(phantom[0][0].image))
    node.SetName("CT")
    transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformNodeID(transformNode.GetID())
    return node


@pytest.fixture
def logic(scene):
    return CLSTMSegment.CLSTMSegmentLogic()


def nodeIDs(scene):
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def test_volume_becomes_an_input_without_a_copy_of_its_voxels(volumeNode, phantom):
    source = resolveInput(volumeNode)

    assert source.isSingle
    assert source.node is volumeNode
    (frame,) = [source.sequenceNode.GetNthDataNode(0)]
    assert frame.GetImageData() is volumeNode.GetImageData()
    assert sitk.Hash(imageFromVolume(frame)) == sitk.Hash(phantom[0][0].image)
    assert imageFromVolume(frame).GetDirection() == pytest.approx(phantom[0][0].image.GetDirection())
    assert source.sequenceNode.GetScene() is None


def test_segmentation_is_that_of_the_engine_and_lies_beside_the_volume(scene, volumeNode, logic, bundle, phantom):
    (expected,) = Segmenter(load_model(bundle), RunSettings(device="cpu")).segment([phantom[0][0]])

    node = logic.segment(volumeNode, model=bundle, device="cpu")

    assert node.IsA("vtkMRMLSegmentationNode")
    assert node.GetScene() is scene
    assert node.GetName() == "CT Small"
    for value, segmentID in enumerate(("inner", "outer"), start=1):
        assert samePositions(positionsOfSegment(node, segmentID), positionsOfLabel(expected.labels, value))
    assert node.GetTransformNodeID() == volumeNode.GetTransformNodeID()
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is volumeNode
    assert node.GetDisplayNode() is not None
    assert logic.volumesTableNode.GetNumberOfRows() == 1
    assert logic.curve.numbers == [0]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 0


def test_existing_segmentation_is_replaced(scene, volumeNode, logic, bundle):
    outputNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    outputNode.GetSegmentation().AddEmptySegment("old", "Old")

    node = logic.segment(volumeNode, model=bundle, output=outputNode, device="cpu")

    assert node is outputNode
    assert node.GetName() == "Mine"
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_sequence_as_the_output_of_a_volume_is_refused(scene, volumeNode, logic, bundle):
    outputNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Frames")

    with pytest.raises(InputError, match="'Frames' is not a segmentation"):
        logic.segment(volumeNode, model=bundle, output=outputNode, device="cpu")


def test_segmentation_as_the_output_of_a_sequence_is_refused(sequenceNode, scene, logic, bundle):
    outputNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")

    with pytest.raises(InputError, match="'Mine' is not a sequence"):
        logic.segment(sequenceNode, model=bundle, output=outputNode, device="cpu")


def test_region_around_a_volume_is_in_its_scene(scene, volumeNode):
    roiNode = roiAround(resolveInput(volumeNode))

    assert roiNode.GetScene() is scene
    assert roiNode.GetTransformNodeID() == volumeNode.GetTransformNodeID()


def test_withdrawn_output_leaves_only_the_nodes_that_were_there_before(scene, sequenceNode, volumeNode, phantom):
    output = SingleOutput(MODEL, resolveInput(volumeNode))
    output.add(segmentedFrames(sequenceNode, phantom, [0])[0])
    before = nodeIDs(scene)
    output.publish()
    output.publish()

    output.withdraw()

    kept = {scene.GetNodeByID(i).GetClassName() for i in nodeIDs(scene) - before}
    assert kept <= {"vtkMRMLColorTableNode", "vtkMRMLSubjectHierarchyNode"}
    output.withdraw()  # a second time, it does nothing


def test_published_output_is_removed_when_it_replaces_another(scene, sequenceNode, volumeNode, phantom):
    outputNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    output = SingleOutput(MODEL, resolveInput(volumeNode))
    output.add(segmentedFrames(sequenceNode, phantom, [0])[0])
    output.publish()

    assert output.publish(outputNode) is outputNode

    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_existing_output_gets_the_transform_of_the_volume(scene, volumeNode, logic, bundle):
    outputNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Old")
    outputNode.CreateDefaultDisplayNodes()

    assert logic.segment(volumeNode, model=bundle, output=outputNode, device="cpu") is outputNode

    assert outputNode.GetTransformNodeID() == volumeNode.GetTransformNodeID()


def test_what_the_user_draws_in_a_published_output_stays_when_it_replaces_another(
    scene, sequenceNode, volumeNode, phantom
):
    output, earlier = SingleOutput(MODEL, resolveInput(volumeNode)), SingleOutput(MODEL, resolveInput(volumeNode))
    for one in (output, earlier):
        one.add(segmentedFrames(sequenceNode, phantom)[0])
    existingNode = earlier.publish()
    shownNode = output.publish()
    shownNode.GetSegmentation().GetSegment("outer").SetName("Wall")
    edit(shownNode, "inner", phantom[0][0].image, CORRECTION)

    output.publish(existingNode)
    output.measureAgain(0)

    assert voxelsOf(existingNode, "inner") == 200
    assert existingNode.GetSegmentation().GetSegment("outer").GetName() == "Wall"
    assert output.curve.frames[0].ml[0] == pytest.approx(14.4)
    assert drawnFrames(existingNode) == ["0"]
