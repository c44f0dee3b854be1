"""What the user edits in the frame that is shown: it stays, and the volumes follow."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.core.volume_curve import Flag
from CLSTMSegmentLib.scene.images import orientedImage, volumeFromImage
from CLSTMSegmentLib.scene.labelmaps import labelsOf
from CLSTMSegmentLib.scene.outputs import SegmentationOutput

from scene.conftest import play
from scene.segmentations import MODEL, finishedOutput, positionsOfSegment, segmentedFrames

CORRECTION = (slice(3, 5), slice(20, 30), slice(20, 30))
"""200 voxels in the middle of the image."""


@pytest.fixture
def running(sequenceNode, source, phantom):
    """The output of a run that has finished the frames 0 to 2, and the frames that are still to come."""
    output = SegmentationOutput(MODEL, source)
    frames = segmentedFrames(sequenceNode, phantom)
    for frame in frames[:3]:
        output.add(frame)
        output.publish()
    return output, frames[3:]


def edit(segmentationNode, segmentID, image, voxels):
    """Do what Segment Editor does at the end of a stroke: the segment is these voxels of an image now."""
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    array[voxels] = 1
    labels = sitk.GetImageFromArray(array)
    labels.CopyInformation(image)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(orientedImage(labels), segmentationNode, segmentID)


def voxelsOf(segmentationNode, segmentID):
    return len(positionsOfSegment(segmentationNode, segmentID))


def test_correction_stays_when_the_next_frames_arrive_and_when_other_frames_are_shown(running, browserNode, phantom):
    output, frames = running
    proxyNode = browserNode.GetProxyNode(output.sequenceNode)

    edit(proxyNode, "inner", phantom[0][0].image, CORRECTION)
    for frame in frames:
        output.add(frame)
    play(browserNode, 4)
    play(browserNode, 0)

    assert voxelsOf(proxyNode, "inner") == 200
    assert voxelsOf(output.sequenceNode.GetNthDataNode(0), "inner") == 200
    expected = (sitk.GetArrayViewFromImage(phantom[1][4]) == 1).sum()
    assert voxelsOf(output.sequenceNode.GetNthDataNode(4), "inner") == expected


def test_visibility_and_opacity_of_segments_stay(running, browserNode):
    output, frames = running
    displayNode = browserNode.GetProxyNode(output.sequenceNode).GetDisplayNode()

    displayNode.SetSegmentVisibility("inner", False)
    displayNode.SetSegmentOpacity2DFill("outer", 0.3)
    for frame in frames:
        output.add(frame)
    play(browserNode, 4)

    assert not displayNode.GetSegmentVisibility("inner")
    assert displayNode.GetSegmentOpacity2DFill("outer") == pytest.approx(0.3)


def test_correction_stays_when_the_frames_replace_an_older_output(running, sequenceNode, browserNode, phantom):
    output, frames = running
    oldNode = finishedOutput(sequenceNode, phantom, [0]).publish()
    edit(browserNode.GetProxyNode(output.sequenceNode), "inner", phantom[0][0].image, CORRECTION)
    for frame in frames:
        output.add(frame)

    output.publish(oldNode)

    assert output.sequenceNode is oldNode
    assert voxelsOf(oldNode.GetNthDataNode(0), "inner") == 200
    edit(browserNode.GetProxyNode(oldNode), "outer", phantom[0][0].image, CORRECTION)
    play(browserNode, 3)
    assert voxelsOf(oldNode.GetNthDataNode(0), "outer") == 200


def test_volumes_flags_and_table_follow_a_correction(source, sequenceNode, browserNode, phantom):
    output = SegmentationOutput(MODEL, source)
    first = segmentedFrames(sequenceNode, phantom, [0])[0]
    output.add(SegmentedFrame(0, first.index_value, first.labels, ("brightness",)))
    output.publish()
    outer = output.curve.volumes(1)[0]
    assert not output.measureAgain(0)

    edit(browserNode.GetProxyNode(output.sequenceNode), "inner", phantom[0][0].image, (slice(3, 5), slice(0, 10)))

    assert output.measureAgain(0)
    voxel_ml = np.prod(phantom[0][0].image.GetSpacing()) / 1000
    assert output.curve.volumes(0) == [pytest.approx(2 * 10 * 64 * voxel_ml)]
    assert output.tableNode.GetTable().GetValue(0, 1).ToDouble() == pytest.approx(output.curve.volumes(0)[0])
    assert Flag(0, "Inner", "touches the border of the image") in output.curve.flags
    assert Flag(0, "image", "unlike the training in brightness") in output.curve.flags
    assert output.curve.volumes(1) == pytest.approx([outer])
    assert not output.measureAgain(0)


def test_overlapping_segments_are_measured_each_by_itself_and_a_removed_one_is_empty(running, browserNode, phantom):
    output, _frames = running
    proxyNode = browserNode.GetProxyNode(output.sequenceNode)
    voxel_ml = np.prod(phantom[0][0].image.GetSpacing()) / 1000

    for segmentID in ("inner", "outer"):
        edit(proxyNode, segmentID, phantom[0][0].image, CORRECTION)
    assert output.measureAgain(0)
    assert output.curve.frames[0].ml == pytest.approx((200 * voxel_ml, 200 * voxel_ml))
    proxyNode.GetSegmentation().RemoveSegment("inner")
    assert output.measureAgain(0)

    assert output.curve.frames[0].ml == pytest.approx((0, 200 * voxel_ml))
    assert Flag(0, "Inner", "empty") in output.curve.flags


def test_renamed_segments_are_measured_and_exported_by_the_names_that_the_user_sees(running, browserNode, phantom):
    output, _frames = running
    node = browserNode.GetProxyNode(output.sequenceNode)
    inner, outer = (node.GetSegmentation().GetSegment(segmentID) for segmentID in ("inner", "outer"))
    before = output.curve.frames[0].ml

    outer.SetName("Inner")
    with pytest.raises(InputError, match=r"frame 0 \(.*\): two of its segments have the same name 'Inner'"):
        output.measureAgain(0)
    inner.SetName("Outer ü")  # now both names are swapped
    assert output.measureAgain(0)

    assert output.curve.frames[0].ml == pytest.approx(before[::-1])
    exported = sitk.GetArrayFromImage(labelsOf(node, MODEL.segments, phantom[0][0].image, "frame 0"))
    expected = sitk.GetArrayFromImage(phantom[1][0])
    np.testing.assert_array_equal(exported, np.choose(expected, (0, 2, 1)))
    inner.SetName("Left ventricle")
    outer.SetName("Outer ü")
    assert output.measureAgain(0)
    assert output.curve.frames[0].ml == pytest.approx(before)  # no segment is called Inner: it is known by its ID


def test_segment_that_is_renamed_in_all_frames_has_its_new_name_in_the_table_and_in_the_flags(running):
    output, frames = running
    nodes = [output.sequenceNode.GetNthDataNode(number) for number in range(3)]
    nodes[0].GetSegmentation().RemoveSegment("outer")
    output.measureAgain(0)

    for number in (0, 1):
        nodes[number].GetSegmentation().GetSegment("inner").SetName("Cavity")
        output.measureAgain(number)
    assert output.tableNode.GetColumnName(1) == "Inner"  # that is its name in frame 2 still
    nodes[2].GetSegmentation().GetSegment("inner").SetName("Cavity")
    nodes[2].GetSegmentation().GetSegment("outer").SetName("Wall")
    nodes[1].GetSegmentation().GetSegment("outer").SetName("Wall")
    output.measureAgain(1)
    output.measureAgain(2)

    names = [output.tableNode.GetColumnName(column) for column in range(3)]
    assert names == ["time", "Cavity", "Wall"]
    assert Flag(0, "Wall", "empty") in output.curve.flags
    output.add(frames[0])  # which has the names of the model
    assert [segment.name for segment in output.curve.segments] == ["Inner", "Outer ü"]


def test_name_that_no_segment_can_have_is_not_taken_over(running):
    output, _frames = running

    for number in range(3):
        output.sequenceNode.GetNthDataNode(number).GetSegmentation().GetSegment("inner").SetName("frame")
        assert output.measureAgain(number)

    assert output.tableNode.GetColumnName(1) == "Inner"


def test_frame_that_was_not_segmented_is_never_measured(running):
    output, _frames = running

    assert not output.measureAgain(5)


@pytest.mark.parametrize("size", [[8, 64, 4], [64, 64, 4]])
def test_frame_is_measured_as_it_is_drawn_though_the_user_has_chosen_a_smaller_grid(
    scene, sequenceNode, browserNode, phantom, size
):
    output = finishedOutput(sequenceNode, phantom)
    proxyNode = browserNode.GetProxyNode(output.publish())
    image = phantom[0][0].image
    small = scene.AddNode(volumeFromImage(sitk.RegionOfInterest(image, size, [0, 0, 0])))
    proxyNode.SetReferenceImageGeometryParameterFromVolumeNode(small)

    edit(proxyNode, "inner", image, CORRECTION)

    assert output.measureAgain(0)
    assert output.curve.volumes(0)[0] == pytest.approx(14.4)
    assert not [flag for flag in output.curve.frame_flags if (flag.frame, flag.segment) == (0, "Inner")]


def test_frame_that_was_sheared_and_scaled_by_a_hardened_transform_has_the_volume_of_its_voxels(sequenceNode, phantom):
    output = finishedOutput(sequenceNode, phantom)
    outputNode = output.publish()
    before = output.curve.frames[1].ml[0]
    transform = vtk.vtkTransform()
    transform.Concatenate([1, 0.5, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    transform.Scale(1.1, 1.2, 1.5)

    outputNode.GetNthDataNode(1).ApplyTransform(transform)
    output.measureAgain(1)

    assert output.curve.frames[1].ml[0] == pytest.approx(1.1 * 1.2 * 1.5 * before, rel=1e-4)
