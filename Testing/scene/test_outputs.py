"""What a run adds to a scene, on real MRML: index, segments, browser, proxy, and the replacement of an output."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.output_choice import checkOutputFor
from CLSTMSegmentLib.scene.outputs import SegmentationOutput
from CLSTMSegmentLib.scene.volumes_plot import markFrame, volumesChart

from scene.conftest import addSequence, play
from scene.segmentations import (
    MODEL,
    finishedOutput,
    positionsOfLabel,
    positionsOfSegment,
    samePositions,
    segmentedFrames,
)


def test_index_is_copied_verbatim(scene, phantom):
    values = ["0", "0.10", "0.1000001", "1e1", "20.", "30"]
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequenceNode.SetIndexName("time")
    sequenceNode.SetIndexUnit("ms")
    sequenceNode.SetNumericIndexValueTolerance(1e-9)  # with the default, 0.10 and 0.1000001 are one
    for frame, value in zip(phantom[0], values, strict=True):
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), value)

    outputNode = finishedOutput(sequenceNode, phantom).publish()

    assert [outputNode.GetNthIndexValue(n) for n in range(6)] == values
    assert (outputNode.GetIndexName(), outputNode.GetIndexUnit()) == ("time", "ms")
    assert outputNode.GetIndexType() == sequenceNode.GetIndexType()


def test_frames_nearer_than_the_tolerance_of_their_sequence_stay_apart(scene, phantom):
    values = ["0.001", "0.0014", "0.002", "0.003", "0.004", "0.005"]
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequenceNode.SetNumericIndexValueTolerance(0)
    for frame, value in zip(phantom[0], values, strict=True):
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), value)
    sequenceNode.SetNumericIndexValueTolerance(0.001)  # the default of Slicer

    outputNode = finishedOutput(sequenceNode, phantom).publish()

    assert [outputNode.GetNthIndexValue(n) for n in range(outputNode.GetNumberOfDataNodes())] == values


def test_text_index_is_copied_verbatim(scene, phantom):
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Phases")
    sequenceNode.SetIndexTypeFromString("text")
    for frame, value in zip(phantom[0], ["early diastole", "b", "a", "z z", "é", "end"], strict=True):
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), value)

    outputNode = finishedOutput(sequenceNode, phantom).publish()

    assert outputNode.GetIndexTypeAsString() == "text"
    for number in range(6):
        assert outputNode.GetNthIndexValue(number) == sequenceNode.GetNthIndexValue(number)


def test_every_frame_has_the_same_segments_in_the_same_order_the_empty_ones_too(sequenceNode, source, phantom):
    empty = sitk.Image(phantom[1][0].GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(phantom[1][0])
    inner = sitk.Cast(phantom[1][1] == 1, sitk.sitkUInt8)
    output = SegmentationOutput(MODEL, source)

    for number, labels in enumerate([phantom[1][0], inner, empty]):
        output.add(SegmentedFrame(number, sequenceNode.GetNthIndexValue(number), labels))
    outputNode = output.publish()

    for number in range(3):
        segmentation = outputNode.GetNthDataNode(number).GetSegmentation()
        assert list(segmentation.GetSegmentIDs()) == ["inner", "outer"]
        segments = [segmentation.GetNthSegment(n) for n in range(2)]
        assert [segment.GetName() for segment in segments] == ["Inner", "Outer ü"]
        assert [segment.GetColor() for segment in segments] == [(1, 0, 0), (0, 1, 0)]
        tag = vtk.mutable("")
        assert segments[0].GetTag(segments[0].GetTerminologyEntryTagName(), tag)
        assert "SCT^87878005^Left ventricle" in str(tag)
    assert len(positionsOfSegment(outputNode.GetNthDataNode(1), "outer")) == 0
    assert len(positionsOfSegment(outputNode.GetNthDataNode(2), "inner")) == 0


def test_labels_have_the_position_of_the_image_which_is_their_reference_geometry(sequenceNode, phantom):
    outputNode = finishedOutput(sequenceNode, phantom).publish()

    converter = slicer.vtkSegmentationConverter
    for number in (0, 3):
        node = outputNode.GetNthDataNode(number)
        for value, segmentID in enumerate(("inner", "outer"), start=1):
            found = positionsOfSegment(node, segmentID)
            assert samePositions(found, positionsOfLabel(phantom[1][number], value))
        geometry = slicer.vtkOrientedImageData()
        converter.DeserializeImageGeometry(
            node.GetSegmentation().GetConversionParameter(converter.GetReferenceImageGeometryParameterName()),
            geometry,
            False,
        )
        volumeNode = sequenceNode.GetNthDataNode(number)
        np.testing.assert_allclose(geometry.GetSpacing(), volumeNode.GetSpacing())
        np.testing.assert_allclose(geometry.GetOrigin(), volumeNode.GetOrigin(), atol=1e-4)
        assert geometry.GetDimensions() == volumeNode.GetImageData().GetDimensions()


def test_only_binary_labelmaps_are_made(sequenceNode, browserNode, phantom):
    outputNode = finishedOutput(sequenceNode, phantom).publish()

    for node in (outputNode.GetNthDataNode(0), browserNode.GetProxyNode(outputNode)):
        segmentation = node.GetSegmentation()
        assert segmentation.GetSourceRepresentationName() == "Binary labelmap"
        assert not segmentation.ContainsRepresentation("Closed surface")


def test_output_plays_in_step_with_the_image(sequenceNode, browserNode, phantom):
    outputNode = finishedOutput(sequenceNode, phantom).publish()

    assert browserNode.IsSynchronizedSequenceNode(outputNode)
    proxyNode = browserNode.GetProxyNode(outputNode)
    for item in (4, 0, 2):
        play(browserNode, item)
        assert samePositions(positionsOfSegment(proxyNode, "inner"), positionsOfLabel(phantom[1][item], 1))


def test_frames_that_were_not_segmented_show_nothing_and_do_not_become_items(sequenceNode, browserNode, phantom):
    outputNode = finishedOutput(sequenceNode, phantom, [0, 2, 4]).publish()

    for item in range(6):
        play(browserNode, item)
        shown = positionsOfSegment(browserNode.GetProxyNode(outputNode), "inner")
        if item % 2 == 0:
            assert samePositions(shown, positionsOfLabel(phantom[1][item], 1))
        else:
            assert len(shown) == 0
    assert outputNode.GetNumberOfDataNodes() == 3
    assert browserNode.GetNumberOfItems() == 6


def test_proxy_has_the_transform_and_the_folder_of_the_images_proxy(
    scene, sequenceNode, browserNode, proxyNode, phantom
):
    transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    proxyNode.SetAndObserveTransformNodeID(transformNode.GetID())
    hierarchyNode = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchyNode.CreateFolderItem(hierarchyNode.GetSceneItemID(), "Patient")
    hierarchyNode.SetItemParent(hierarchyNode.CreateItem(folder, proxyNode), folder)

    outputNode = finishedOutput(sequenceNode, phantom).publish()
    play(browserNode, 3)

    outputProxyNode = browserNode.GetProxyNode(outputNode)
    assert outputProxyNode.GetTransformNodeID() == transformNode.GetID()
    assert hierarchyNode.GetItemParent(hierarchyNode.GetItemByDataNode(outputProxyNode)) == folder
    assert outputProxyNode.GetNodeReference(outputProxyNode.GetReferenceImageGeometryReferenceRole()) is proxyNode


def test_browser_views_other_sequences_and_undo_stay_as_they_were(scene, sequenceNode, browserNode, phantom):
    otherSequenceNode = addSequence(scene, phantom[0], "Other", browser=False)
    browserNode.AddSynchronizedSequenceNode(otherSequenceNode)
    play(browserNode, 4)
    browserNode.SetPlaybackActive(True)
    compositeNode = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    compositeNode.SetBackgroundVolumeID(browserNode.GetProxyNode(sequenceNode).GetID())
    sliceNode = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    sliceNode.SetFieldOfView(100, 80, 1)
    cameraNode = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    scene.SetUndoOn()
    scene.SaveStateForUndo()

    def state():
        return {
            "item": browserNode.GetSelectedItemNumber(),
            "playing": browserNode.GetPlaybackActive(),
            "other": browserNode.IsSynchronizedSequenceNode(otherSequenceNode),
            "otherProxy": browserNode.GetProxyNode(otherSequenceNode).GetName(),
            "master": browserNode.GetMasterSequenceNode().GetName(),
            "background": compositeNode.GetBackgroundVolumeID(),
            "fieldOfView": sliceNode.GetFieldOfView(),
            "camera": cameraNode.GetPosition(),
            "undo": scene.GetNumberOfUndoLevels(),
            "input": [sequenceNode.GetNthDataNode(n).GetImageData().GetMTime() for n in range(6)],
        }

    before = state()
    finishedOutput(sequenceNode, phantom).publish()

    assert state() == before


def test_existing_output_is_replaced_only_when_published(sequenceNode, browserNode, phantom):
    outputNode = finishedOutput(sequenceNode, phantom, [0, 1, 2]).publish()
    outputNode.SetName("Mine")
    proxyNode = browserNode.GetProxyNode(outputNode)
    tableNode = outputNode.GetNodeReference("CLSTMSegment.volumesTable")

    again = finishedOutput(sequenceNode, phantom)
    framesBefore = outputNode.GetNumberOfDataNodes()
    publishedNode = again.publish(outputNode)

    assert framesBefore == 3
    assert publishedNode is outputNode
    assert outputNode.GetNumberOfDataNodes() == 6
    assert outputNode.GetName() == "Mine"
    assert browserNode.GetProxyNode(outputNode) is proxyNode
    assert again.tableNode is tableNode
    assert tableNode.GetNumberOfRows() == 6
    play(browserNode, 5)
    assert samePositions(positionsOfSegment(proxyNode, "inner"), positionsOfLabel(phantom[1][5], 1))


def test_node_that_is_no_segmentation_sequence_is_refused_as_output(scene, sequenceNode, source, phantom):
    otherSequenceNode = addSequence(scene, phantom[0], "Other")
    nodeOutsideTheScene = slicer.vtkMRMLSequenceNode()

    for node, message in (
        (source.proxyNode, "not a sequence"),
        (sequenceNode, "the input itself"),
        (otherSequenceNode, "contains nodes that are not segmentations"),
        (nodeOutsideTheScene, "not in the scene"),
    ):
        with pytest.raises(InputError, match=message):
            checkOutputFor(node, source)


def test_frame_of_a_result_that_is_shown_is_refused_as_output_of_a_volume(scene, sequenceNode, source, phantom):
    resultNode = finishedOutput(sequenceNode, phantom).publish()
    volumeNode = scene.AddNode(volumeFromImage(phantom[0][0].image))

    with pytest.raises(InputError, match="shows a frame of a sequence, and is no output"):
        checkOutputFor(source.browserNode.GetProxyNode(resultNode), resolveInput(volumeNode))


def test_empty_sequence_is_accepted_as_output(scene, source):
    checkOutputFor(scene.AddNewNodeByClass("vtkMRMLSequenceNode"), source)


def test_without_a_browser_only_the_sequence_is_added(scene, phantom):
    sequenceNode = addSequence(scene, phantom[0], browser=False)

    outputNode = finishedOutput(sequenceNode, phantom).publish()

    assert outputNode.GetScene() is scene
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_frames_added_after_publishing_are_shown_at_once(scene, sequenceNode, source, browserNode, phantom):
    browserNode.SetSelectedItemNumber(2)
    first, *others = segmentedFrames(sequenceNode, phantom)
    output = SegmentationOutput(MODEL, source)
    output.add(first)
    outputNode = output.publish()

    for count, frame in enumerate(others, start=2):
        output.add(frame)
        assert outputNode.GetNumberOfDataNodes() == count
        assert output.tableNode.GetNumberOfRows() == count

    assert browserNode.GetSelectedItemNumber() == 2
    proxyNode = browserNode.GetProxyNode(outputNode)
    assert proxyNode.GetSegmentation().GetNumberOfSegments() == 2
    expected = outputNode.GetNthDataNode(2).GetSegmentation().GetNthSegment(0)
    assert proxyNode.GetSegmentation().GetNthSegment(0).GetName() == expected.GetName()
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def nodeIDs(scene):
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def test_withdrawn_output_leaves_only_the_nodes_that_were_there_before(scene, sequenceNode, phantom):
    before = nodeIDs(scene)
    output = finishedOutput(sequenceNode, phantom, [0, 1])
    output.publish()
    chartNode = volumesChart(output.tableNode, output.curve, MODEL.title)
    markFrame(chartNode, output.curve, 1)

    output.withdraw()

    after = nodeIDs(scene)
    assert {scene.GetNodeByID(i).GetClassName() for i in after - before} <= {"vtkMRMLColorTableNode"}
    assert before <= after
    output.withdraw()  # a second time, it does nothing


def test_output_whose_browser_was_removed_is_withdrawn_and_can_replace_another(
    scene, sequenceNode, browserNode, phantom
):
    oldNode = finishedOutput(sequenceNode, phantom, [0]).publish()
    discarded, replacing = finishedOutput(sequenceNode, phantom), finishedOutput(sequenceNode, phantom)
    added = [output.publish() for output in (discarded, replacing)]
    added += [browserNode.GetProxyNode(node) for node in added]
    added += [discarded.tableNode, replacing.tableNode]
    scene.RemoveNode(browserNode)

    discarded.withdraw()
    replacing.publish(oldNode)

    assert [node.GetScene() for node in added] == [None] * 6
    assert oldNode.GetNumberOfDataNodes() == 6


def test_published_output_is_removed_when_it_replaces_another(scene, sequenceNode, source, phantom):
    oldNode = finishedOutput(sequenceNode, phantom, [0]).publish()
    output = SegmentationOutput(MODEL, source)
    for frame in segmentedFrames(sequenceNode, phantom, [0, 1]):
        output.add(frame)
        output.publish()
    newNode = output.sequenceNode

    publishedNode = output.publish(oldNode)

    assert publishedNode is oldNode
    assert oldNode.GetNumberOfDataNodes() == 2
    assert output.sequenceNode is oldNode
    assert newNode.GetScene() is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
