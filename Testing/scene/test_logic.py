"""The module's logic as a user calls it in the Python console, and the module's self-test."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import Cancelled, InputError
from CLSTMSegmentLib.core.progress import TeachingProgress
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.scene.annotations import newAnnotation, readAnnotations
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import SequenceFrames, resolveInput
from hook_phantom import SMALL, hook_sequence

from scene.conftest import addSequence
from scene.segmentations import positionsOfLabel, positionsOfSegment, samePositions
from scene.test_annotations import draw


@pytest.fixture
def logic(scene):
    """The module's logic, as `CLSTMSegment.CLSTMSegmentLogic()` in the console."""
    import CLSTMSegment

    return CLSTMSegment.CLSTMSegmentLogic()


@pytest.fixture
def roiNode(scene, proxyNode):
    """A ROI in the middle of the image."""
    bounds = np.zeros(6)
    proxyNode.GetRASBounds(bounds)
    roiNode = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roiNode.SetCenter(bounds.reshape(3, 2).mean(1))
    roiNode.SetSize(40, 40, 40)
    return roiNode


def nodesOf(scene):
    """Return the id of every node of a scene with the time of its last change."""
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return [(node.GetID(), node.GetMTime()) for node in nodes]


def firstVolume(tableNode):
    return tableNode.GetTable().GetValue(0, 1).ToDouble()


def test_sequence_is_segmented_into_a_new_synchronised_sequence_with_its_table(
    sequenceNode, browserNode, logic, bundle
):
    progress = []

    outputNode = logic.segment(sequenceNode, model=bundle, device="cpu", progress=progress.append)

    assert outputNode.GetNumberOfDataNodes() == 6
    assert browserNode.IsSynchronizedSequenceNode(outputNode)
    assert logic.volumesTableNode.GetNumberOfRows() == 6
    assert logic.unfinished is None
    assert logic.report.device == "cpu"
    assert len(progress) >= 6


def test_curve_and_flags_of_the_run_are_there(sequenceNode, logic, bundle):
    assert logic.flags == []

    logic.segment(sequenceNode, model=bundle, frames=[0, 1], device="cpu")

    names = [segment.name for segment in load_model(bundle).segments]
    assert logic.curve.numbers == [0, 1]
    assert firstVolume(logic.volumesTableNode) == logic.curve.volumes(0)[0]
    assert logic.flags == logic.curve.flags
    assert logic.flags
    assert {flag.segment for flag in logic.flags} <= {*names, "image"}


def test_frames_and_roi_restrict_the_run(proxyNode, roiNode, logic, bundle, phantom):
    allNode = logic.segment(proxyNode, model=bundle, frames=[1, 3], device="cpu")
    allVolume = firstVolume(logic.volumesTableNode)
    roiOutputNode = logic.segment(proxyNode, model=bundle, frames=[1, 3], roi=roiNode, device="cpu")

    for outputNode in (allNode, roiOutputNode):
        assert [outputNode.GetNthIndexValue(n) for n in range(2)] == [phantom[0][n].index_value for n in (1, 3)]
    assert roiOutputNode is not allNode
    assert firstVolume(logic.volumesTableNode) < allVolume


@pytest.mark.parametrize(
    ("frames", "numbers"),
    [("all", range(6)), (None, range(6)), ("1:6:2", [1, 3, 5]), (range(2, 4), [2, 3]), (np.array([0, 4]), [0, 4])],
)
def test_frames_are_a_text_or_numbers(sequenceNode, logic, bundle, frames, numbers):
    logic.segment(sequenceNode, model=bundle, frames=frames, device="cpu")

    assert logic.curve.numbers == list(numbers)


CENTER = (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "settings",
    [
        {"tile": (8, 32, 32)},
        {"tile": (8, 32, 32), "overlap": 0.6},
        {"state_rule": "reset"},
        {"state_rule": "window:2"},
        {"warm_up_frames": 2},
        {"region": Region(CENTER, (60.0, 60.0, 60.0))},
    ],
    ids=str,
)
def test_setting_reaches_the_engine(sequenceNode, logic, bundle, settings):
    frames = SequenceFrames(sequenceNode)
    engine = Segmenter(load_model(bundle), RunSettings(str(bundle), device="cpu", **settings))
    expected = [frame.labels for frame in engine.segment(frames)]
    usual = [frame.labels for frame in Segmenter(load_model(bundle), RunSettings(device="cpu")).segment(frames)]

    outputNode = logic.segment(sequenceNode, model=bundle, device="cpu", **settings)

    for number, labels in enumerate(expected):
        for value, segmentID in enumerate(("inner", "outer"), start=1):
            found = positionsOfSegment(outputNode.GetNthDataNode(number), segmentID)
            assert samePositions(found, positionsOfLabel(labels, value))
    assert any(sitk.Hash(one) != sitk.Hash(other) for one, other in zip(expected, usual, strict=True))
    assert (logic.report.tile, logic.report.tiles_per_frame) == (engine.report.tile, engine.report.tiles_per_frame)


def test_ram_limit_reaches_the_engine(sequenceNode, logic, bundle):
    logic.segment(sequenceNode, model=bundle, frames=[0], device="cpu", ram_gb=0.001)

    assert any("the RAM limit of 0.001 GB is low" in warning for warning in logic.report.warnings)


def test_cancelled_run_changes_nothing_and_offers_the_finished_frames(scene, sequenceNode, logic, bundle):
    oldNode = logic.segment(sequenceNode, model=bundle, frames=[0], device="cpu")
    before, answers = nodesOf(scene), iter([False, False, True])

    with pytest.raises(Cancelled):
        logic.segment(sequenceNode, model=bundle, output=oldNode, device="cpu", cancelled=lambda: next(answers))

    assert nodesOf(scene) == before
    keptNode = logic.unfinished.publish()
    assert keptNode is not oldNode
    assert keptNode.GetNumberOfDataNodes() == 2
    assert oldNode.GetNumberOfDataNodes() == 1


def test_existing_output_is_replaced_by_a_finished_run(sequenceNode, logic, bundle):
    oldNode = logic.segment(sequenceNode, model=bundle, frames=[0], device="cpu")

    outputNode = logic.segment(sequenceNode, model=bundle, output=oldNode, device="cpu")

    assert outputNode is oldNode
    assert oldNode.GetNumberOfDataNodes() == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "no-such-model"}, "no model 'no-such-model'"),
        ({"frames": [6]}, "the sequence has frames 0 to 5"),
        ({"frames": []}, "give a slice such as 0:20:2 or a list"),
        ({"device": "cuda:99"}, "cannot be used"),
        ({"precision": "float8"}, "unknown precision 'float8'"),
        ({"overlap": 1.5}, "overlap must be at least 0"),
        ({"tiles": (8, 32, 32)}, "unknown settings tiles: use device, frames, overlap, .*, tile, warm_up_frames"),
    ],
)
def test_wrong_setting_leaves_the_scene_as_it_was(scene, sequenceNode, logic, bundle, settings, message):
    before = nodesOf(scene)

    with pytest.raises(InputError, match=message):
        logic.segment(sequenceNode, **{"model": bundle, "device": "cpu"} | settings)

    assert nodesOf(scene) == before


@pytest.mark.parametrize(("parameter", "message"), [("output", "the input itself"), ("roi", "not a markups ROI")])
def test_wrong_node_leaves_the_scene_as_it_was(scene, sequenceNode, logic, bundle, parameter, message):
    before = nodesOf(scene)

    with pytest.raises(InputError, match=message):
        logic.segment(sequenceNode, model=bundle, device="cpu", **{parameter: sequenceNode})

    assert nodesOf(scene) == before


def test_frame_without_image_data_leaves_the_scene_as_it_was(scene, sequenceNode, logic, bundle):
    sequenceNode.GetNthDataNode(1).SetAndObserveImageData(None)
    before = nodesOf(scene)

    with pytest.raises(InputError, match=r"frame 1 \(133\.333\) of sequence 'Cine' has no image data"):
        logic.segment(sequenceNode, model=bundle, device="cpu")

    assert nodesOf(scene) == before


def test_voxels_that_are_not_finite_are_warned_about(scene, logic, bundle, phantom, caplog):
    sequenceNode = addSequence(scene, phantom[0][:2])
    values = slicer.util.arrayFromVolume(sequenceNode.GetNthDataNode(1)).astype(np.float32)
    values[2, 3, 4] = np.nan
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(phantom[0][1].image)
    sequenceNode.SetDataNodeAtValue(volumeFromImage(image), sequenceNode.GetNthIndexValue(1))

    logic.segment(sequenceNode, model=bundle, device="cpu")

    assert "frame 1 (133.333): 1 voxels are not finite" in caplog.text


def test_self_test_of_the_module_passes(scene, bundled):
    import CLSTMSegment

    class Parent:
        path = CLSTMSegment.__file__

    module = CLSTMSegment.CLSTMSegment(Parent())

    assert module.parent.title
    module.runTest()


@pytest.fixture
def hookSequenceNode(scene):
    """A sequence with a moving hook, which no model knows."""
    return addSequence(scene, hook_sequence(3, 6, *SMALL)[0])


@pytest.fixture
def annotationNode(hookSequenceNode):
    """An annotation of this sequence in which the hook is drawn in the frames 0 and 4."""
    frames, truth = hook_sequence(3, 6, *SMALL)
    annotationNode = newAnnotation(resolveInput(hookSequenceNode), "Drawn")
    for number in (0, 4):
        draw(annotationNode, number, {"Hook": sitk.GetArrayViewFromImage(truth[number]) == 1}, frames[number])
    return annotationNode


def test_annotated_frames_teach_a_model_that_the_logic_runs(
    hookSequenceNode, annotationNode, logic, few_steps, tmp_path
):
    progress = []

    folder = logic.teach(
        hookSequenceNode,
        annotationNode,
        "hook",
        tmp_path,
        minutes=0.1,
        device="cpu",
        marks={0: "whole"},
        ejecting_chambers=["Hook"],
        progress=progress.append,
    )

    assert folder == tmp_path / "hook"
    assert [path.name for path in tmp_path.iterdir()] == ["hook"]
    assert progress
    assert all(isinstance(step, TeachingProgress) for step in progress)
    assert logic.teachResult.folder == folder
    outputNode = logic.segment(hookSequenceNode, model=str(folder), frames=[2], device="cpu")
    assert outputNode.GetNthDataNode(0).GetSegmentation().GetNthSegment(0).GetName() == "Hook"
    assert [segment.ejecting_chamber for segment in logic.curve.segments] == [True]


def test_annotated_frames_are_propagated_to_all_frames(hookSequenceNode, annotationNode, logic):
    truth = hook_sequence(3, 6, *SMALL)[1]
    progress = []

    outputNode = logic.propagate(hookSequenceNode, annotationNode, cyclic=True, progress=progress.append)

    assert outputNode.GetNumberOfDataNodes() == hookSequenceNode.GetNumberOfDataNodes()
    assert outputNode.GetNthDataNode(2).GetSegmentation().GetNthSegment(0).GetName() == "Hook"
    voxel_ml = np.prod(truth[0].GetSpacing()) / 1000
    drawn = [logic.curve.volumes(0)[number] for number in (0, 4)]
    assert drawn == pytest.approx([(sitk.GetArrayFromImage(truth[n]) == 1).sum() * voxel_ml for n in (0, 4)])
    assert logic.volumesTableNode.GetNumberOfRows() == 6
    assert progress[-1].frame == 6


def test_propagation_replaces_its_annotation_whose_drawn_frames_stay(hookSequenceNode, annotationNode, logic):
    before = readAnnotations(annotationNode, resolveInput(hookSequenceNode))[1]

    outputNode = logic.propagate(hookSequenceNode, annotationNode, output=annotationNode)

    assert outputNode is annotationNode
    after = readAnnotations(annotationNode, resolveInput(hookSequenceNode))[1]
    assert list(after) == [0, 4]
    for number in after:
        np.testing.assert_array_equal(*(sitk.GetArrayFromImage(one[number]) for one in (before, after)))


@pytest.mark.slow
@pytest.mark.parametrize("learn", [True, False])
def test_model_is_taught_from_propagated_frames_too(scene, logic, few_steps, tmp_path, learn):
    frames, truth = heart_sequence(5, frames=6, shape=(8, 48, 48), spacing=(8.0, 4.0, 4.0))
    sequenceNode = addSequence(scene, frames)
    annotationNode = newAnnotation(resolveInput(sequenceNode), "Drawn")
    draw(annotationNode, 0, {"Cavity": sitk.GetArrayViewFromImage(truth[0]) == 1}, frames[0])
    outputNode = logic.propagate(sequenceNode, annotationNode, cyclic=True)
    settings = {"learn_from_propagated": True} if learn else {}

    folder = logic.teach(sequenceNode, outputNode, "cavity", tmp_path, minutes=0.05, device="cpu", **settings)

    propagated = ", and 5 frames to which they were propagated"
    assert load_model(folder).training["taught_from"] == f"1 annotated frame{propagated if learn else ''}"


def test_propagation_of_nothing_leaves_the_scene_as_it_was(scene, hookSequenceNode, logic):
    annotationNode = newAnnotation(resolveInput(hookSequenceNode), "Empty")
    before = scene.GetNumberOfNodes()

    with pytest.raises(InputError, match="nothing is drawn"):
        logic.propagate(hookSequenceNode, annotationNode)

    assert scene.GetNumberOfNodes() == before


def test_annotation_without_a_drawn_segment_teaches_nothing(hookSequenceNode, logic, tmp_path):
    annotationNode = newAnnotation(resolveInput(hookSequenceNode), "Empty")

    with pytest.raises(InputError, match="nothing is drawn"):
        logic.teach(hookSequenceNode, annotationNode, "empty", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_name_of_a_model_that_exists_is_refused_before_images_are_written(
    hookSequenceNode, annotationNode, logic, tmp_path
):
    (tmp_path / "hook").mkdir()

    with pytest.raises(InputError, match="there is a model 'hook'"):
        logic.teach(hookSequenceNode, annotationNode, "hook", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["hook"]


def test_unknown_setting_of_a_teaching_job_is_refused_with_the_known_ones(
    hookSequenceNode, annotationNode, logic, tmp_path
):
    with pytest.raises(InputError, match=r"unknown settings hours: use device, .*, marks, minutes"):
        logic.teach(hookSequenceNode, annotationNode, "hook", tmp_path, hours=1)
