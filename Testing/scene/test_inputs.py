"""Inputs: a sequence, its proxy or its browser; every other node is refused by name."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import SequenceFrames, resolveInput
from CLSTMSegmentLib.scene.regions import regionFromROI, regionOfRun, roiAround

from scene.conftest import addSequence, play


def test_sequence_proxy_and_browser_mean_the_same(sequenceNode):
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
    otherSequenceNode = addSequence(scene, phantom[0], "Other")
    sequenceNode = addSequence(scene, phantom[0])

    resolveInput(otherSequenceNode).browserNode.AddSynchronizedSequenceNode(sequenceNode)

    assert resolveInput(sequenceNode).browserNode.GetMasterSequenceNode() is sequenceNode


@pytest.mark.parametrize("seen", ["active volume", "slice view"])
def test_of_two_browsers_of_a_sequence_the_one_is_meant_that_the_user_looks_at(scene, sequenceNode, seen):
    first = resolveInput(sequenceNode).browserNode
    second = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Second")
    second.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    play(second, 4)
    assert resolveInput(sequenceNode).browserNode is first

    if seen == "active volume":
        slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(second.GetProxyNode(sequenceNode).GetID())
    else:
        view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        view.SetBackgroundVolumeID(second.GetProxyNode(sequenceNode).GetID())

    assert resolveInput(sequenceNode).browserNode is second
    assert resolveInput(sequenceNode).shownFrame == 4


def test_frames_are_the_volumes_with_their_geometry_and_index_value(sequenceNode, phantom):
    frames = SequenceFrames(sequenceNode)

    assert len(frames) == len(phantom[0])
    for read, given in zip(frames, phantom[0], strict=True):
        assert read.index_value == given.index_value
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(read.image), sitk.GetArrayViewFromImage(given.image))
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(read.image, geometry)(), getattr(given.image, geometry)(), atol=1e-9)


def test_index_of_the_frames_is_that_of_the_sequence(sequenceNode, phantom):
    values = [frame.index_value for frame in phantom[0]]

    assert SequenceFrames(sequenceNode).index == SequenceIndex(values, "time", "ms", "numeric")


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


def sequenceWithoutATime(scene):
    node = sequenceWithAnEmptyFrame(scene)
    node.UpdateIndexValue("40", "nan")
    return node


def volumeOutsideAnySequence(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Odd")


def labelmapOutsideAnySequence(scene):
    return scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Odd")


def browserOfNothing(scene):
    return scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Odd")


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda _: None, "no input"),
        (emptySequence, "'Odd' has no frames"),
        (sequenceOfModels, r"frame 0 \(0\) of sequence 'Odd' is a Model node"),
        (sequenceOfColours, "colour"),
        (sequenceWithAnEmptyFrame, r"frame 0 \(40\) of sequence 'Odd' has no image data"),
        (sequenceWithoutATime, r"frame 0 \(nan\) of sequence 'Odd' has an index value that is no number"),
        (volumeOutsideAnySequence, "volume 'Odd' has no image data"),
        (labelmapOutsideAnySequence, "'Odd' is neither a sequence nor a scalar volume"),
        (browserOfNothing, "'Odd' plays no sequence"),
    ],
)
def test_input_that_cannot_be_segmented_is_named(scene, add, message):
    node = add(scene)

    with pytest.raises(InputError, match=message):
        resolveInput(node)


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
SHEAR = [[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_roi_becomes_a_box_in_the_coordinates_of_the_frames(scene, proxyNode):
    roiNode = addROI(scene, (10, 20, 30), (4, 6, 8))

    region = regionFromROI(roiNode, proxyNode)

    np.testing.assert_allclose(region.center, (-10, -20, 30), atol=1e-9)
    np.testing.assert_allclose(sorted(region.size), (4, 6, 8), atol=1e-9)
    np.testing.assert_allclose(np.ptp(region.corners(), axis=0), (4, 6, 8), atol=1e-9)


def test_transform_of_the_roi_moves_the_box(scene, proxyNode):
    roiNode = addROI(scene, (10, 20, 30), (4, 6, 8))
    roiNode.SetAndObserveTransformNodeID(addTransform(scene, QUARTER_TURN).GetID())

    region = regionFromROI(roiNode, proxyNode)

    np.testing.assert_allclose(region.center, (15, -10, 30), atol=1e-9)  # RAS (-20 + 5, 10, 30)
    np.testing.assert_allclose(np.ptp(region.corners(), axis=0), (6, 4, 8), atol=1e-9)


def test_transform_of_roi_and_image_together_leaves_the_box_where_it_is(scene, proxyNode):
    roiNode, transformNode = addROI(scene, (10, 20, 30), (4, 6, 8)), addTransform(scene, QUARTER_TURN)
    roiNode.SetAndObserveTransformNodeID(transformNode.GetID())
    proxyNode.SetAndObserveTransformNodeID(transformNode.GetID())

    region = regionFromROI(roiNode, proxyNode)

    np.testing.assert_allclose(region.center, (-10, -20, 30), atol=1e-9)


def test_node_that_is_no_roi_is_refused(proxyNode):
    with pytest.raises(InputError, match="not a markups ROI"):
        regionFromROI(proxyNode, proxyNode)


def test_roi_without_volume_is_refused(scene, proxyNode):
    roiNode = addROI(scene, (0, 0, 0), (4, 0, 8))

    with pytest.raises(InputError, match="no volume"):
        regionFromROI(roiNode, proxyNode)


def test_sheared_roi_is_refused(scene, proxyNode):
    roiNode = addROI(scene, (0, 0, 0), (4, 6, 8))
    roiNode.SetAndObserveTransformNodeID(addTransform(scene, SHEAR).GetID())

    with pytest.raises(InputError, match="sheared"):
        regionFromROI(roiNode, proxyNode)


def test_roi_under_a_nonlinear_transform_is_refused(scene, proxyNode):
    roiNode = addROI(scene, (0, 0, 0), (4, 6, 8))
    transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transformNode.SetAndObserveTransformFromParent(vtk.vtkThinPlateSplineTransform())
    roiNode.SetAndObserveTransformNodeID(transformNode.GetID())

    with pytest.raises(InputError, match="nonlinear"):
        regionFromROI(roiNode, proxyNode)


def test_new_roi_encloses_the_first_frame_and_moves_with_the_proxy(scene, source, proxyNode, phantom):
    proxyNode.SetAndObserveTransformNodeID(addTransform(scene, QUARTER_TURN).GetID())

    roiNode = roiAround(source)

    region, image = regionFromROI(roiNode, proxyNode), phantom[0][0].image
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    np.testing.assert_allclose(region.center, middle, atol=1e-6)
    np.testing.assert_allclose(region.size, np.multiply(image.GetSize(), image.GetSpacing()), atol=1e-6)
    assert roiNode.GetTransformNodeID() == proxyNode.GetTransformNodeID()


@pytest.fixture
def slowSource(scene, sequenceNode, browserNode, phantom):
    """A sequence that has every other frame of the master sequence of the browser that plays it."""
    slowNode = addSequence(scene, phantom[0][::2], "Slow", browser=False)
    browserNode.AddSynchronizedSequenceNode(slowNode)
    play(browserNode, 0)
    return resolveInput(slowNode)


def test_frames_of_an_input_that_is_not_the_master_are_found_by_their_index_values(slowSource, browserNode):
    slowSource.showFrame(1)

    assert browserNode.GetSelectedItemNumber() == 2
    assert slowSource.shownFrame == 1
    play(browserNode, 3)  # between two frames, the earlier one is shown
    assert slowSource.shownFrame == 1


def test_frame_between_two_items_of_the_master_is_shown_with_the_first_item_after_it(scene, browserNode, phantom):
    middleNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Between")
    for value, frame in zip(("0", "50", "450"), phantom[0], strict=False):
        middleNode.SetDataNodeAtValue(volumeFromImage(frame.image), value)
    browserNode.AddSynchronizedSequenceNode(middleNode)
    source = resolveInput(middleNode)

    source.showFrame(1)

    assert source.shownFrame == 1


def test_no_frame_is_shown_without_a_browser(scene, phantom):
    source = resolveInput(addSequence(scene, phantom[0], browser=False))

    source.showFrame(2)

    assert source.shownFrame is None


def test_roi_that_is_not_under_the_transforms_of_the_frames_is_refused(scene, source, browserNode, proxyNode):
    motion = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Motion")
    for number in range(6):
        motion.SetDataNodeAtValue(slicer.vtkMRMLLinearTransformNode(), source.sequenceNode.GetNthIndexValue(number))
    browserNode.AddSynchronizedSequenceNode(motion)
    play(browserNode)
    transformNode, roiNode = browserNode.GetProxyNode(motion), addROI(scene, (0, 0, 0), (4, 6, 8))
    proxyNode.SetAndObserveTransformNodeID(transformNode.GetID())

    with pytest.raises(InputError, match="'Motion' differs from frame to frame, so that ROI 'Box'"):
        regionOfRun(roiNode, source)
    roiNode.SetAndObserveTransformNodeID(transformNode.GetID())

    assert regionOfRun(roiNode, source) == regionFromROI(roiNode, proxyNode)


def test_roi_that_moves_from_frame_to_frame_is_refused(scene, source, browserNode):
    boxes = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Boxes")
    for number in range(6):
        box = slicer.vtkMRMLMarkupsROINode()
        box.SetSize(4, 6, 8)
        boxes.SetDataNodeAtValue(box, source.sequenceNode.GetNthIndexValue(number))
    browserNode.AddSynchronizedSequenceNode(boxes)
    play(browserNode)

    with pytest.raises(InputError, match="differs from frame to frame, so that ROI"):
        regionOfRun(browserNode.GetProxyNode(boxes), source)


def test_volume_to_which_another_module_refers_from_a_browser_is_an_input(scene, browserNode, phantom):
    volumeNode = scene.AddNode(volumeFromImage(phantom[0][0].image))
    browserNode.SetNodeReferenceID("OtherModule.volume", volumeNode.GetID())

    assert resolveInput(volumeNode).isSingle


def test_numbers_as_only_python_reads_them_are_texts():
    for value in ("1_0", "\u0661"):
        assert not SequenceIndex(["0", value]).is_numeric
    assert SequenceIndex(["0", "-1e3", "0.5"]).is_numeric
