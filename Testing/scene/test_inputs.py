"""What may be given as input: sequence, proxy or browser; and what is refused, with the scene as it was."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.scene.inputs import SequenceFrames, regionFromROI, resolveInput

from scene.conftest import addSequence


def test_sequence_proxy_and_browser_mean_the_same(scene, phantom):
    sequenceNode = addSequence(scene, phantom[0])
    source = resolveInput(sequenceNode)
    assert source.sequenceNode is sequenceNode
    assert source.browserNode.GetMasterSequenceNode() is sequenceNode
    assert source.proxyNode.IsA("vtkMRMLScalarVolumeNode")
    assert resolveInput(source.proxyNode) == source
    assert resolveInput(source.browserNode) == source


def test_sequence_without_a_browser_is_an_input_too(scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0], browser=False))
    assert source.browserNode is None
    assert source.proxyNode is None


def test_browser_of_which_the_sequence_is_master_is_preferred(scene, phantom):
    other = addSequence(scene, phantom[0], "Other")
    sequenceNode = addSequence(scene, phantom[0])
    resolveInput(other).browserNode.AddSynchronizedSequenceNode(sequenceNode)
    assert resolveInput(sequenceNode).browserNode.GetMasterSequenceNode() is sequenceNode


def test_frames_are_the_volumes_with_their_place_and_index_value(scene, phantom):
    frames = SequenceFrames(addSequence(scene, phantom[0]))
    assert len(frames) == len(phantom[0])
    for read, given in zip(frames, phantom[0], strict=True):
        assert read.index_value == given.index_value
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image), sitk.GetArrayViewFromImage(given.image))
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(read.image, geometry)(), getattr(given.image, geometry)(), atol=1e-9)


def emptySequence(scene):
    return scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Odd")


def sequenceOfModels(scene):
    node = emptySequence(scene)
    node.SetDataNodeAtValue(slicer.vtkMRMLModelNode(), "0")
    return node


def sequenceOfColours(scene):
    node = emptySequence(scene)
    volumeNode, imageData = slicer.vtkMRMLVectorVolumeNode(), vtk.vtkImageData()
    imageData.SetDimensions(4, 4, 4)
    imageData.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    volumeNode.SetAndObserveImageData(imageData)
    node.SetDataNodeAtValue(volumeNode, "0")
    return node


def sequenceWithAnEmptyFrame(scene):
    node = emptySequence(scene)
    node.SetDataNodeAtValue(slicer.vtkMRMLScalarVolumeNode(), "40")
    return node


def volumeOutsideAnySequence(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Odd")


def browserOfNothing(scene):
    return scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Odd")


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda _: None, "no input"),
        (emptySequence, "'Odd' has no frames"),
        (sequenceOfModels, r"frame 0 \(0\) of sequence 'Odd' holds Model"),
        (sequenceOfColours, "colour"),
        (sequenceWithAnEmptyFrame, r"frame 0 \(40\) of sequence 'Odd' has no image data"),
        (volumeOutsideAnySequence, "'Odd' is not a sequence nor the proxy of one"),
        (browserOfNothing, "'Odd' plays no sequence"),
    ],
)
def test_input_that_cannot_be_segmented_is_named(scene, add, message):
    with pytest.raises(InputError, match=message):
        resolveInput(add(scene))


def addROI(scene, center, size):
    roiNode = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    roiNode.SetCenter(center)
    roiNode.SetSize(size)
    return roiNode


def addTransform(scene, rows):
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([value for row in rows for value in row])
    transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode", "Moved")
    transformNode.SetMatrixTransformToParent(matrix)
    return transformNode


QUARTER_TURN = [[0, -1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_roi_becomes_a_box_in_the_space_of_the_frames(scene, phantom):
    proxyNode = resolveInput(addSequence(scene, phantom[0])).proxyNode
    roiNode = addROI(scene, (10, 20, 30), (4, 6, 8))
    region = regionFromROI(roiNode, proxyNode)
    np.testing.assert_allclose(region.center, (-10, -20, 30), atol=1e-9)
    np.testing.assert_allclose(sorted(region.size), (4, 6, 8), atol=1e-9)
    np.testing.assert_allclose(np.ptp(region.corners(), axis=0), (4, 6, 8), atol=1e-9)
    transformNode = addTransform(scene, QUARTER_TURN)
    roiNode.SetAndObserveTransformNodeID(transformNode.GetID())
    turned = regionFromROI(roiNode, proxyNode)
    np.testing.assert_allclose(turned.center, (15, -10, 30), atol=1e-9)  # RAS (-20 + 5, 10, 30)
    np.testing.assert_allclose(np.ptp(turned.corners(), axis=0), (6, 4, 8), atol=1e-9)
    proxyNode.SetAndObserveTransformNodeID(transformNode.GetID())
    np.testing.assert_allclose(regionFromROI(roiNode, proxyNode).center, (-10, -20, 30), atol=1e-9)


def test_roi_that_is_no_box_is_refused(scene, phantom):
    proxyNode = resolveInput(addSequence(scene, phantom[0])).proxyNode
    with pytest.raises(InputError, match="not a markups ROI"):
        regionFromROI(proxyNode, proxyNode)
    with pytest.raises(InputError, match="no volume"):
        regionFromROI(addROI(scene, (0, 0, 0), (4, 0, 8)), proxyNode)
    roiNode = addROI(scene, (0, 0, 0), (4, 6, 8))
    roiNode.SetAndObserveTransformNodeID(
        addTransform(scene, [[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).GetID()
    )
    with pytest.raises(InputError, match="sheared"):
        regionFromROI(roiNode, proxyNode)
    bent = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    bent.SetAndObserveTransformFromParent(vtk.vtkThinPlateSplineTransform())
    roiNode.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(InputError, match="nonlinear"):
        regionFromROI(roiNode, proxyNode)
