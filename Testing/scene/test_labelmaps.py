"""Labelmaps of a result: cropped to what is there, and nevertheless on the grid of the whole frame."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.scene.outputs import SegmentationOutput
from CLSTMSegmentLib.scene.segmentation_nodes import segmentationNode
from host import application
from vtk.util.numpy_support import vtk_to_numpy

from scene.segmentations import MODEL, finishedOutput, positionsOfLabel, positionsOfSegment, samePositions


def labelmapOf(node, number=0):
    """Return the labelmap in which a segment is stored."""
    return node.GetSegmentation().GetNthSegment(number).GetRepresentation("Binary labelmap")


def exported(node):
    """Return a segmentation as a label volume on its reference geometry, as the Segmentations module exports it."""
    scene = slicer.mrmlScene
    if node.GetScene() is None:
        scene.AddNode(node)
    labelmapNode = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert slicer.vtkSlicerSegmentationsModuleLogic.ExportAllSegmentsToLabelmapNode(
        node, labelmapNode, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    )
    return labelmapNode


def assertExportedAs(node, labels):
    """Check that a segmentation is exported with the grid and the voxels of labels."""
    labelmapNode = exported(node)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(labelmapNode), sitk.GetArrayViewFromImage(labels))
    np.testing.assert_allclose(labelmapNode.GetSpacing(), labels.GetSpacing())
    np.testing.assert_allclose(labelmapNode.GetOrigin(), np.array(labels.GetOrigin()) * (-1, -1, 1), atol=1e-4)


def test_labelmap_is_cropped_to_the_segments_and_shared_by_them(scene, phantom):
    labels = phantom[1][0]
    node = segmentationNode(labels, MODEL)

    labelmap = labelmapOf(node)

    box = [(int(w.min()), int(w.max())) for w in np.nonzero(sitk.GetArrayViewFromImage(labels))]
    assert labelmap.GetExtent() == (*box[2], *box[1], *box[0])
    assert labelmap is labelmapOf(node, 1)
    for value, segmentID in enumerate(("inner", "outer"), start=1):
        assert samePositions(positionsOfSegment(node, segmentID), positionsOfLabel(labels, value))


def test_export_has_the_grid_of_the_frame(scene, phantom):
    assertExportedAs(segmentationNode(phantom[1][0], MODEL), phantom[1][0])


@pytest.fixture
def outputWithEmptyFrames(sequenceNode, source, phantom):
    """A published output of a whole frame, of one with a single voxel, and of an empty one; and their labels."""
    labels = [phantom[1][0]]
    for voxels in (1, 0):
        array = np.zeros(phantom[1][0].GetSize()[::-1], np.uint8)
        array[3, 20, 30] = 2 * voxels
        labels.append(sitk.GetImageFromArray(array))
        labels[-1].CopyInformation(phantom[1][0])
    output = SegmentationOutput(MODEL, source)
    for number, one in enumerate(labels):
        output.add(SegmentedFrame(number, sequenceNode.GetNthIndexValue(number), one))
    return output.publish(), labels


def test_empty_frame_needs_no_memory_and_has_all_segments(outputWithEmptyFrames):
    node = outputWithEmptyFrames[0].GetNthDataNode(2)

    assert labelmapOf(node).GetNumberOfPoints() == 0
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]


def test_saved_and_reloaded_frames_are_exported_with_the_grid_of_the_frame(scene, outputWithEmptyFrames, tmp_path):
    outputNode, labels = outputWithEmptyFrames
    name = outputNode.GetName()

    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(1)
    slicer.mrmlScene = reloaded = application.newScene()
    assert reloaded.ReadFromMRB(str(tmp_path / "scene.mrb"))

    outputNode = reloaded.GetFirstNodeByName(name)
    assert outputNode.GetNumberOfDataNodes() == 3
    for number, one in enumerate(labels):
        node = outputNode.GetNthDataNode(number)
        assert list(node.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
        for value, segmentID in enumerate(("inner", "outer"), start=1):
            assert samePositions(positionsOfSegment(node, segmentID), positionsOfLabel(one, value))
        if number < 2:
            assertExportedAs(node, one)


def test_empty_frame_can_be_drawn_in_anywhere(outputWithEmptyFrames, source):
    """As the Segment Editor does: the labelmap of the segment grows to where something is drawn."""
    node = outputWithEmptyFrames[0].GetNthDataNode(2)
    drawn = slicer.vtkOrientedImageData()
    drawn.DeepCopy(labelmapOf(outputWithEmptyFrames[0].GetNthDataNode(1)))
    vtk_to_numpy(drawn.GetPointData().GetScalars())[:] = 1

    assert slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        drawn, node, "inner", slicer.vtkSlicerSegmentationsModuleLogic.MODE_REPLACE
    )

    assert len(positionsOfSegment(node, "inner")) == 1


def test_volumes_of_a_cropped_result_are_those_of_the_labels(sequenceNode, phantom):
    output = finishedOutput(sequenceNode, phantom)

    for number, labels in enumerate(phantom[1]):
        voxels = (sitk.GetArrayViewFromImage(labels) == 1).sum()
        assert output.curve.volumes(0)[number] == pytest.approx(voxels * np.prod(labels.GetSpacing()) / 1000)
