"""The rules of what a run leaves in a scene, on real MRML: index, segments, browser, place, replacement, storage."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.segment import Segment
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.scene.headless import writeSequence
from CLSTMSegmentLib.scene.images import LPS_FROM_RAS, volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.outputs import SegmentationOutput, checkOutput
from CLSTMSegmentLib.scene.volumes_plot import markFrame, volumesChart
from conftest import smallModel
from host import application

from scene.conftest import addSequence, play

MODEL = smallModel(
    segments=(
        Segment(
            "inner",
            "Inner",
            (1.0, 0.0, 0.0),
            {
                "category": ["SCT", "123037004", "Anatomical Structure"],
                "type": ["SCT", "87878005", "Left ventricle"],
            },
        ),
        Segment("outer", "Outer ü", (0.0, 1.0, 0.0)),
    )
)


@pytest.fixture
def sequenceNode(scene, phantom):
    return addSequence(scene, phantom[0])


def finished(sequenceNode, phantom, numbers=None):
    """An output with the phantom's true labels as the result."""
    output = SegmentationOutput(MODEL, resolveInput(sequenceNode))
    for number in range(len(phantom[0])) if numbers is None else numbers:
        output.add(SegmentedFrame(number, sequenceNode.GetNthIndexValue(number), phantom[1][number]))
    return output


def labelsOf(segmentationNode, segmentId):
    """A segment's voxels, by their RAS place."""
    labelmap = slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, labelmap)
    extent = labelmap.GetExtent()
    shape = [extent[2 * a + 1] - extent[2 * a] + 1 for a in (2, 1, 0)]
    if 0 in shape:
        return np.zeros((0, 3))
    values = vtk.util.numpy_support.vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(shape)
    indices = np.argwhere(values > 0)[:, ::-1] + np.array(extent[::2])
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    homogeneous = np.c_[indices, np.ones(len(indices))] @ slicer.util.arrayFromVTKMatrix(matrix).T
    return homogeneous[:, :3]


def placesOf(labels, value):
    """The same for a label of an image."""
    indices = np.argwhere(sitk.GetArrayViewFromImage(labels) == value)[:, ::-1]
    steps = np.array(labels.GetDirection()).reshape(3, 3) * labels.GetSpacing()
    return (indices @ steps.T + labels.GetOrigin()) @ LPS_FROM_RAS


def samePlaces(a, b):
    return a.shape == b.shape and np.allclose(a[np.lexsort(a.round(3).T)], b[np.lexsort(b.round(3).T)], atol=1e-3)


def test_index_is_copied_verbatim(scene, phantom):
    values = ["0", "0.10", "0.1000001", "1e1", "20.", "30"]
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequenceNode.SetIndexName("time")
    sequenceNode.SetIndexUnit("ms")
    sequenceNode.SetNumericIndexValueTolerance(1e-9)  # with the default, 0.10 and 0.1000001 are one
    for frame, value in zip(phantom[0], values, strict=True):
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), value)
    result = finished(sequenceNode, phantom).publish()
    assert [result.GetNthIndexValue(n) for n in range(6)] == values
    assert (result.GetIndexName(), result.GetIndexUnit()) == ("time", "ms")
    assert result.GetIndexType() == sequenceNode.GetIndexType()


def test_text_index_is_copied_verbatim(scene, phantom):
    sequenceNode = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Phases")
    sequenceNode.SetIndexTypeFromString("text")
    for frame, value in zip(phantom[0], ["early diastole", "b", "a", "z z", "é", "end"], strict=True):
        sequenceNode.SetDataNodeAtValue(volumeFromImage(frame.image), value)
    result = finished(sequenceNode, phantom).publish()
    assert result.GetIndexTypeAsString() == "text"
    for number in range(6):
        assert result.GetNthIndexValue(number) == sequenceNode.GetNthIndexValue(number)


def test_every_frame_has_every_segment_alike_and_in_order_empty_ones_too(sequenceNode, phantom):
    output = SegmentationOutput(MODEL, resolveInput(sequenceNode))
    empty = sitk.Image(phantom[1][0].GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(phantom[1][0])
    inner = sitk.Cast(phantom[1][1] == 1, sitk.sitkUInt8)
    for number, labels in enumerate([phantom[1][0], inner, empty]):
        output.add(SegmentedFrame(number, sequenceNode.GetNthIndexValue(number), labels))
    result = output.publish()
    for number in range(3):
        segmentation = result.GetNthDataNode(number).GetSegmentation()
        assert list(segmentation.GetSegmentIDs()) == ["inner", "outer"]
        segments = [segmentation.GetNthSegment(n) for n in range(2)]
        assert [s.GetName() for s in segments] == ["Inner", "Outer ü"]
        assert [s.GetColor() for s in segments] == [(1, 0, 0), (0, 1, 0)]
        tag = vtk.mutable("")
        assert segments[0].GetTag(segments[0].GetTerminologyEntryTagName(), tag)
        assert "SCT^87878005^Left ventricle" in str(tag)
    assert len(labelsOf(result.GetNthDataNode(1), "outer")) == 0
    assert len(labelsOf(result.GetNthDataNode(2), "inner")) == 0


def test_labels_lie_where_the_image_lies_with_it_as_reference_geometry(sequenceNode, phantom):
    result = finished(sequenceNode, phantom).publish()
    for number in (0, 3):
        node = result.GetNthDataNode(number)
        for value, segmentId in enumerate(("inner", "outer"), start=1):
            assert samePlaces(labelsOf(node, segmentId), placesOf(phantom[1][number], value))
        converter = slicer.vtkSegmentationConverter
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


def test_only_binary_labelmaps_are_made(sequenceNode, phantom):
    result = finished(sequenceNode, phantom).publish()
    for node in (result.GetNthDataNode(0), resolveInput(sequenceNode).browserNode.GetProxyNode(result)):
        segmentation = node.GetSegmentation()
        assert segmentation.GetSourceRepresentationName() == "Binary labelmap"
        assert not segmentation.ContainsRepresentation("Closed surface")


def test_output_plays_in_step_with_the_image(sequenceNode, phantom):
    browserNode = resolveInput(sequenceNode).browserNode
    result = finished(sequenceNode, phantom).publish()
    assert browserNode.IsSynchronizedSequenceNode(result)
    proxyNode = browserNode.GetProxyNode(result)
    for item in (4, 0, 2):
        play(browserNode, item)
        assert samePlaces(labelsOf(proxyNode, "inner"), placesOf(phantom[1][item], 1))


def test_frames_that_were_not_segmented_show_nothing_and_do_not_become_items(sequenceNode, phantom):
    browserNode = resolveInput(sequenceNode).browserNode
    result = finished(sequenceNode, phantom, [0, 2, 4]).publish()
    for item in range(6):
        play(browserNode, item)
        shown = labelsOf(browserNode.GetProxyNode(result), "inner")
        assert samePlaces(shown, placesOf(phantom[1][item], 1)) if item % 2 == 0 else len(shown) == 0
    assert result.GetNumberOfDataNodes() == 3
    assert browserNode.GetNumberOfItems() == 6


def test_proxy_lies_under_the_transform_and_in_the_folder_of_the_images_proxy(scene, sequenceNode, phantom):
    source = resolveInput(sequenceNode)
    transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    source.proxyNode.SetAndObserveTransformNodeID(transformNode.GetID())
    hierarchyNode = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchyNode.CreateFolderItem(hierarchyNode.GetSceneItemID(), "Patient")
    hierarchyNode.SetItemParent(hierarchyNode.CreateItem(folder, source.proxyNode), folder)
    result = finished(sequenceNode, phantom).publish()
    proxyNode = source.browserNode.GetProxyNode(result)
    play(source.browserNode, 3)
    assert proxyNode.GetTransformNodeID() == transformNode.GetID()
    assert hierarchyNode.GetItemParent(hierarchyNode.GetItemByDataNode(proxyNode)) == folder
    assert proxyNode.GetNodeReference(proxyNode.GetReferenceImageGeometryReferenceRole()) is source.proxyNode


def test_browser_views_other_sequences_and_undo_stay_as_they_were(scene, sequenceNode, phantom):
    browserNode = resolveInput(sequenceNode).browserNode
    other = addSequence(scene, phantom[0], "Other", browser=False)
    browserNode.AddSynchronizedSequenceNode(other)
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
            "other": browserNode.IsSynchronizedSequenceNode(other),
            "otherProxy": browserNode.GetProxyNode(other).GetName(),
            "master": browserNode.GetMasterSequenceNode().GetName(),
            "background": compositeNode.GetBackgroundVolumeID(),
            "fieldOfView": sliceNode.GetFieldOfView(),
            "camera": cameraNode.GetPosition(),
            "undo": scene.GetNumberOfUndoLevels(),
            "input": [sequenceNode.GetNthDataNode(n).GetImageData().GetMTime() for n in range(6)],
        }

    before = state()
    finished(sequenceNode, phantom).publish()
    assert state() == before


def test_existing_output_is_replaced_only_when_published(sequenceNode, phantom):
    browserNode = resolveInput(sequenceNode).browserNode
    first = finished(sequenceNode, phantom, [0, 1, 2]).publish()
    first.SetName("Mine")
    proxyNode = browserNode.GetProxyNode(first)
    tableNode = first.GetNodeReference("CLSTMSegment.volumesTable")
    again = finished(sequenceNode, phantom)
    assert first.GetNumberOfDataNodes() == 3
    assert again.publish(first) is first
    assert first.GetNumberOfDataNodes() == 6
    assert first.GetName() == "Mine"
    assert browserNode.GetProxyNode(first) is proxyNode
    assert again.tableNode is tableNode
    assert tableNode.GetNumberOfRows() == 6
    play(browserNode, 5)
    assert samePlaces(labelsOf(proxyNode, "inner"), placesOf(phantom[1][5], 1))


def test_output_that_is_no_segmentation_sequence_is_refused(scene, sequenceNode, phantom):
    source = resolveInput(sequenceNode)
    other = addSequence(scene, phantom[0], "Other")
    elsewhere = slicer.vtkMRMLSequenceNode()
    for node, message in (
        (source.proxyNode, "not a sequence"),
        (sequenceNode, "the input itself"),
        (other, "does not hold segmentations"),
        (elsewhere, "not in the scene"),
    ):
        with pytest.raises(InputError, match=message):
            checkOutput(node, source)
    checkOutput(scene.AddNewNodeByClass("vtkMRMLSequenceNode"), source)


def test_without_a_browser_the_sequence_alone_is_added(scene, phantom):
    result = finished(addSequence(scene, phantom[0], browser=False), phantom).publish()
    assert result.GetScene() is scene
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_table_holds_the_volumes_over_the_index(sequenceNode, phantom):
    output = finished(sequenceNode, phantom)
    output.publish()
    table = output.tableNode.GetTable()
    assert [table.GetColumnName(n) for n in range(3)] == ["time", "Inner", "Outer ü"]
    assert output.tableNode.GetColumnUnitLabel("time") == "ms"
    assert output.tableNode.GetColumnUnitLabel("Inner") == "ml"
    for number, labels in enumerate(phantom[1]):
        assert table.GetValue(number, 0).ToDouble() == float(sequenceNode.GetNthIndexValue(number))
        ml = (sitk.GetArrayViewFromImage(labels) == 1).sum() * np.prod(labels.GetSpacing()) / 1000
        assert table.GetValue(number, 1).ToDouble() == pytest.approx(ml)


def checkReloaded(scene, resultName, sequenceName, phantom):
    """The browser still plays image and segmentation in step."""
    result, sequenceNode = scene.GetFirstNodeByName(resultName), scene.GetFirstNodeByName(sequenceName)
    assert [result.GetNthIndexValue(n) for n in range(6)] == [f.index_value for f in phantom[0]]
    browserNode = resolveInput(sequenceNode).browserNode
    assert browserNode.IsSynchronizedSequenceNode(result)
    for item in (5, 1):
        play(browserNode, item)
        proxyNode = browserNode.GetProxyNode(result)
        assert list(proxyNode.GetSegmentation().GetSegmentIDs()) == ["inner", "outer"]
        for value, segmentId in enumerate(("inner", "outer"), start=1):
            assert samePlaces(labelsOf(proxyNode, segmentId), placesOf(phantom[1][item], value))


def test_scene_bundle_is_saved_and_reloaded_and_plays(scene, sequenceNode, phantom, tmp_path):
    result = finished(sequenceNode, phantom).publish()
    names = result.GetName(), sequenceNode.GetName()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(1)
    slicer.mrmlScene = reloaded = application.newScene()
    assert reloaded.ReadFromMRB(str(tmp_path / "scene.mrb"))
    checkReloaded(reloaded, *names, phantom)


def test_segmentation_sequence_file_is_saved_and_reloaded_and_plays(scene, sequenceNode, phantom, tmp_path):
    path = Path(tmp_path) / "segmentation ü.seq.mrb"
    writeSequence(finished(sequenceNode, phantom).sequenceNode, path)
    result = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Reloaded")
    storageNode = scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
    storageNode.SetFileName(str(path))
    assert storageNode.ReadData(result)
    resolveInput(sequenceNode).browserNode.AddSynchronizedSequenceNode(result)
    checkReloaded(scene, result.GetName(), sequenceNode.GetName(), phantom)


def test_frames_added_after_publishing_show_at_once(scene, model, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    source.browserNode.SetSelectedItemNumber(2)
    output = SegmentationOutput(model, source)
    results = list(Segmenter(model, "cpu").segment(phantom[0]))
    output.add(results[0])
    sequenceNode = output.publish()
    for number, result in enumerate(results[1:], start=2):
        output.add(result)
        assert sequenceNode.GetNumberOfDataNodes() == number
        assert output.tableNode.GetNumberOfRows() == number
    assert source.browserNode.GetSelectedItemNumber() == 2
    proxyNode = source.browserNode.GetProxyNode(sequenceNode)
    assert proxyNode.GetSegmentation().GetNumberOfSegments() == 2
    expected = sequenceNode.GetNthDataNode(2).GetSegmentation().GetNthSegment(0)
    assert proxyNode.GetSegmentation().GetNthSegment(0).GetName() == expected.GetName()
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_withdrawn_output_leaves_the_nodes_that_were_there(scene, model, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    before = {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
    output = SegmentationOutput(model, source)
    for result in Segmenter(model, "cpu").segment(phantom[0], [0, 1]):
        output.add(result)
    output.publish()
    markFrame(volumesChart(output.tableNode, model), output.tableNode, "40")
    output.withdraw()
    after = {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
    assert {scene.GetNodeByID(i).GetClassName() for i in after - before} <= {"vtkMRMLColorTableNode"}
    assert before <= after
    output.withdraw()  # nothing is left to do


def test_output_that_was_shown_meanwhile_goes_when_it_replaces_another(scene, model, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    results = list(Segmenter(model, "cpu").segment(phantom[0], [0, 1]))
    old = SegmentationOutput(model, source)
    old.add(results[0])
    oldNode = old.publish()
    new = SegmentationOutput(model, source)
    for result in results:
        new.add(result)
        new.publish()
    assert new.publish(oldNode) is oldNode
    assert oldNode.GetNumberOfDataNodes() == 2
    assert new.sequenceNode.GetScene() is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_chart_has_a_curve_a_segment_over_time_with_units(scene, model, phantom):
    source = resolveInput(addSequence(scene, phantom[0]))
    output = SegmentationOutput(model, source)
    for result in Segmenter(model, "cpu").segment(phantom[0], [0, 1]):
        output.add(result)
    output.publish()
    chartNode = volumesChart(output.tableNode, model)
    assert volumesChart(output.tableNode, model) is chartNode
    assert chartNode.GetXAxisTitle() == "time [ms]"
    assert chartNode.GetYAxisTitle() == "volume [ml]"
    assert chartNode.GetNumberOfPlotSeriesNodes() == 2
    seriesNode = chartNode.GetNthPlotSeriesNode(1)
    assert (seriesNode.GetXColumnName(), seriesNode.GetYColumnName()) == ("time", "Outer")
    assert seriesNode.GetTableNode() is output.tableNode
