"""The module's logic as a user calls it in the Python console, and the module's own self-test."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.segmenter import Cancelled
from CLSTMSegmentLib.scene.annotations import newAnnotation
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import resolveInput
from hook_phantom import SMALL, hook_sequence

from scene.conftest import addSequence
from scene.test_annotations import draw


@pytest.fixture
def logic(scene):
    import CLSTMSegment

    return CLSTMSegment.CLSTMSegmentLogic()


def nodesOf(scene):
    """Every node of a scene with the time of its last change."""
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return [(node.GetID(), node.GetMTime()) for node in nodes]


def test_sequence_is_segmented_into_a_new_synchronised_sequence_with_its_table(scene, logic, bundle, phantom):
    sequenceNode = addSequence(scene, phantom[0])
    ticks = []
    result = logic.segment(sequenceNode, model=bundle, device="cpu", progress=ticks.append)
    assert result.GetNumberOfDataNodes() == 6
    assert resolveInput(sequenceNode).browserNode.IsSynchronizedSequenceNode(result)
    assert logic.volumesTableNode.GetNumberOfRows() == 6
    assert logic.unfinished is None
    assert logic.report.device == "cpu"
    assert len(ticks) >= 6


def test_frames_and_roi_restrict_the_run(scene, logic, bundle, phantom):
    sequenceNode = addSequence(scene, phantom[0])
    proxyNode = resolveInput(sequenceNode).proxyNode
    bounds = np.zeros(6)
    proxyNode.GetRASBounds(bounds)
    roiNode = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roiNode.SetCenter(bounds.reshape(3, 2).mean(1))
    roiNode.SetSize(40, 40, 40)
    whole = logic.segment(proxyNode, model=bundle, frames=[1, 3], device="cpu")
    wholeVolume = logic.volumesTableNode.GetTable().GetValue(0, 1).ToDouble()
    part = logic.segment(proxyNode, model=bundle, frames=[1, 3], roi=roiNode, device="cpu")
    for result in (whole, part):
        assert [result.GetNthIndexValue(n) for n in range(2)] == [phantom[0][n].index_value for n in (1, 3)]
    assert part is not whole
    assert logic.volumesTableNode.GetTable().GetValue(0, 1).ToDouble() < wholeVolume


def test_cancelled_run_changes_nothing_and_offers_the_finished_frames(scene, logic, bundle, phantom):
    sequenceNode = addSequence(scene, phantom[0])
    old = logic.segment(sequenceNode, model=bundle, frames=[0], device="cpu")
    before, answers = nodesOf(scene), iter([False, False, True])
    with pytest.raises(Cancelled):
        logic.segment(sequenceNode, model=bundle, output=old, device="cpu", cancelled=lambda: next(answers))
    assert nodesOf(scene) == before
    kept = logic.unfinished.publish()
    assert kept is not old
    assert kept.GetNumberOfDataNodes() == 2
    assert old.GetNumberOfDataNodes() == 1


def test_existing_output_is_replaced_by_a_finished_run(scene, logic, bundle, phantom):
    sequenceNode = addSequence(scene, phantom[0])
    old = logic.segment(sequenceNode, model=bundle, frames=[0], device="cpu")
    assert logic.segment(sequenceNode, model=bundle, output=old, device="cpu") is old
    assert old.GetNumberOfDataNodes() == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no-such-model"}, "no model 'no-such-model'"),
        ({"frames": [6]}, "no such frames"),
        ({"device": "cuda:99"}, "cannot be used"),
        ({"outputIsInput": True}, "the input itself"),
        ({"roiIsInput": True}, "not a markups ROI"),
        ({"frameIsBroken": True}, r"frame 1 \(133\.333\) of sequence 'Cine' has no image data"),
    ],
)
def test_wrong_input_leaves_the_scene_as_it_was(scene, logic, bundle, phantom, options, message):
    options = {"model": bundle, "device": "cpu"} | options
    sequenceNode = addSequence(scene, phantom[0])
    if options.pop("outputIsInput", False):
        options["output"] = sequenceNode
    if options.pop("roiIsInput", False):
        options["roi"] = sequenceNode
    if options.pop("frameIsBroken", False):
        sequenceNode.GetNthDataNode(1).SetAndObserveImageData(None)
    before = nodesOf(scene)
    with pytest.raises(InputError, match=message):
        logic.segment(sequenceNode, **options)
    assert nodesOf(scene) == before


def test_voxels_that_are_not_numbers_are_warned_about(scene, logic, bundle, phantom, caplog):
    sequenceNode = addSequence(scene, phantom[0][:2])
    volumeNode = sequenceNode.GetNthDataNode(1)
    image = phantom[0][1].image
    values = slicer.util.arrayFromVolume(volumeNode).astype(np.float32)
    values[2, 3, 4] = np.nan
    broken = sitk.GetImageFromArray(values)
    broken.CopyInformation(image)
    sequenceNode.SetDataNodeAtValue(volumeFromImage(broken), sequenceNode.GetNthIndexValue(1))
    logic.segment(sequenceNode, model=bundle, device="cpu")
    assert "frame 1 (133.333): 1 voxels are not finite" in caplog.text


def test_modules_own_self_test_passes(scene, bundled):
    import CLSTMSegment

    class Parent:
        pass

    module = CLSTMSegment.CLSTMSegment(Parent())
    assert module.parent.title
    module.runTest()


def test_sample_data_are_offered_and_the_phantom_needs_no_download(scene):
    from host import SampleData

    import CLSTMSegment

    CLSTMSegment.registerSampleData()
    sequenceNode = SampleData.downloadSample("CLSTMSegmentPhantomHeart")
    assert sequenceNode.GetNumberOfDataNodes() == 20
    assert resolveInput(sequenceNode).proxyNode is not None
    for source in SampleData.sources.values():
        assert source["category"] == "CLSTMSegment"
        assert Path(source["thumbnailFileName"]).is_file()


def test_what_is_drawn_in_some_frames_becomes_a_model_that_the_logic_runs(scene, logic, tmp_path):
    frames, truth = hook_sequence(3, 6, *SMALL)
    sequenceNode = addSequence(scene, frames)
    annotationNode = newAnnotation(resolveInput(sequenceNode), "Drawn")
    for number in (0, 4):
        draw(annotationNode, number, {"Hook": sitk.GetArrayViewFromImage(truth[number]) == 1}, frames[number])
    said = []
    folder = logic.teach(
        sequenceNode,
        annotationNode,
        "hook",
        tmp_path,
        minutes=0.1,
        device="cpu",
        marks={0: "whole"},
        say=lambda event, **details: said.append(event),
    )
    assert folder == tmp_path / "hook"
    assert "progress" in said
    assert [path.name for path in tmp_path.iterdir()] == ["hook"]
    result = logic.segment(sequenceNode, model=str(folder), frames=[2], device="cpu")
    assert result.GetNthDataNode(0).GetSegmentation().GetNthSegment(0).GetName() == "Hook"
    with pytest.raises(InputError, match="drawn"):
        logic.teach(sequenceNode, newAnnotation(resolveInput(sequenceNode), "Empty"), "empty", tmp_path)
