"""Frames that a program made are told apart from those that the user drew or corrected, for good."""

import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.core.structure import SegmentSet
from CLSTMSegmentLib.core.volume_curve import IMAGE, Flag
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.panel.run_requests import PropagationRequest, RunRequest
from CLSTMSegmentLib.scene.annotations import annotatedFrames, readAnnotations, readPropagated
from CLSTMSegmentLib.scene.frame_reviews import BAD, GOOD, reviewFrame
from CLSTMSegmentLib.scene.headless import writeSequence
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.scene.outputs import SegmentationOutput
from CLSTMSegmentLib.scene.segmentation_nodes import segmentationNode
from conftest import smallModel
from host import application

from scene.conftest import play
from scene.segmentations import finishedOutput
from scene.test_edited_frames import edit

CORRECTED = 3

CORNER = (slice(0, 1), slice(0, 4), slice(0, 4))
"""Voxels in which the phantom has no segment."""


@pytest.fixture
def outputNode(sequenceNode, phantom):
    """The result of a model in all frames, in the scene."""
    return finishedOutput(sequenceNode, phantom).publish()


def correct(outputNode, browserNode, phantom, number=CORRECTED):
    """Draw in a frame of a result as the user does: in the segmentation that shows it."""
    play(browserNode, number)
    edit(browserNode.GetProxyNode(outputNode), "inner", phantom[0][number].image, CORNER)
    play(browserNode, 0)


def drawn(frame):
    """Return a segmentation of a frame as the user draws it."""
    return segmentationNode(frame.labels, smallModel())


def propagated(source, phantom, flagged=(), annotated=(0,)):
    """Return a result of a propagation, in the scene."""
    output = SegmentationOutput(SegmentSet("propagated", smallModel().segments), source)
    for number, frame in enumerate(phantom[0]):
        flags = [Flag(number, IMAGE, "it is doubtful")] if number in flagged else []
        labels = SegmentedFrame(number, frame.index_value, phantom[1][number])
        output.addPropagated(labels, flags, drawn(labels) if number in annotated else None)
    return output.publish()


def test_no_frame_of_a_result_is_annotated_however_often_it_is_played(outputNode, browserNode):
    for item in (2, 5, 0, 3):
        play(browserNode, item)

    assert annotatedFrames(outputNode) == []


def test_corrected_frames_of_a_result_are_its_annotated_frames(outputNode, source, browserNode, phantom):
    correct(outputNode, browserNode, phantom)

    _segments, annotations = readAnnotations(outputNode, source)

    assert annotatedFrames(outputNode) == [CORRECTED]
    assert list(annotations) == [CORRECTED]


def test_corrected_frames_are_known_in_a_scene_that_was_saved_and_loaded(
    scene, outputNode, sequenceNode, browserNode, phantom, tmp_path
):
    name = outputNode.GetName()
    correct(outputNode, browserNode, phantom)

    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(1)
    slicer.mrmlScene = reloaded = application.newScene()
    assert reloaded.ReadFromMRB(str(tmp_path / "scene.mrb"))

    assert annotatedFrames(reloaded.GetFirstNodeByName(name)) == [CORRECTED]


def test_corrected_frames_are_known_in_a_result_that_was_saved_alone(scene, outputNode, browserNode, phantom, tmp_path):
    correct(outputNode, browserNode, phantom)
    writeSequence(outputNode, tmp_path / "result.seq.mrb")
    storageNode = scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
    storageNode.SetFileName(str(tmp_path / "result.seq.mrb"))

    reloaded = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    assert storageNode.ReadData(reloaded)

    assert annotatedFrames(reloaded) == [CORRECTED]


def test_annotated_and_corrected_frames_of_a_propagation_are_annotated(source, browserNode, phantom):
    outputNode = propagated(source, phantom, annotated=(0, 2))

    correct(outputNode, browserNode, phantom)

    assert annotatedFrames(outputNode) == [0, 2, CORRECTED]


def test_frames_of_a_propagation_are_taught_unless_they_are_flagged_or_bad(source, phantom):
    outputNode = propagated(source, phantom, flagged=(1, 2))
    values = [frame.index_value for frame in phantom[0]]
    reviewFrame(outputNode, values[2], GOOD)
    reviewFrame(outputNode, values[4], BAD)
    segments, _annotations = readAnnotations(outputNode, source)

    found = readPropagated(outputNode, source, segments)

    assert list(found) == [2, 3, 5]
    for number, labels in found.items():
        assert (sitk.GetArrayFromImage(labels) == sitk.GetArrayFromImage(phantom[1][number])).all()


def test_nothing_is_taught_from_the_frames_of_a_model(outputNode, source, browserNode, phantom):
    correct(outputNode, browserNode, phantom)
    segments, _annotations = readAnnotations(outputNode, source)

    assert readPropagated(outputNode, source, segments) == {}


def test_what_was_kept_about_frames_goes_with_them_into_an_existing_output(source, phantom, outputNode):
    output = SegmentationOutput(SegmentSet("propagated", smallModel().segments), source)
    for number, frame in enumerate(phantom[0]):
        labels = SegmentedFrame(number, frame.index_value, phantom[1][number])
        output.addPropagated(labels, [], drawn(labels) if number == 1 else None)

    output.publish(outputNode)

    assert annotatedFrames(outputNode) == [1]


def test_damaged_attribute_makes_all_frames_the_users_own(outputNode):
    for number, text in enumerate(["3", "{}", "[1", '["model"]', "", '["drawn", "", []]']):
        outputNode.GetNthDataNode(number).SetAttribute("CLSTMSegment.made", text)

    assert annotatedFrames(outputNode) == list(range(6))


def test_segments_that_overlap_are_refused(outputNode, source, browserNode, phantom):
    play(browserNode, CORRECTED)
    proxyNode = browserNode.GetProxyNode(outputNode)
    for segmentID in ("inner", "outer"):
        edit(proxyNode, segmentID, phantom[0][CORRECTED].image, CORNER)

    with pytest.raises(InputError, match=f"frame {CORRECTED} .*overlaps another one"):
        readAnnotations(outputNode, source)


def test_annotation_beside_the_image_is_refused(scene, source, outputNode, browserNode, phantom):
    correct(outputNode, browserNode, phantom)
    node = outputNode.GetNthDataNode(CORRECTED)
    labelmap = node.GetSegmentation().GetSegment("inner").GetRepresentation("Binary labelmap")
    origin = labelmap.GetOrigin()
    labelmap.SetOrigin(origin[0] + 5000, *origin[1:])

    with pytest.raises(InputError, match="lies beside the image"):
        readAnnotations(outputNode, resolveInput(source.sequenceNode))


@pytest.mark.parametrize("kind", ["run", "propagation", "propagation of itself"])
@pytest.mark.parametrize(
    "change",
    [
        lambda shown, image: edit(shown, "inner", image, CORNER),
        lambda shown, _image: shown.GetSegmentation().GetSegment("inner").SetName("Left atrium"),
        lambda shown, _image: shown.GetSegmentation().GetSegment("empty").SetName("Left atrium"),
        lambda shown, _image: shown.GetSegmentation().GetSegment("inner").SetColor(0.0, 0.0, 1.0),
    ],
    ids=["drawn", "renamed", "empty segment renamed", "coloured"],
)
def test_output_that_the_user_changes_during_a_run_is_in_use(source, outputNode, phantom, change, kind):
    outputNode.GetNthDataNode(CORRECTED).GetSegmentation().AddEmptySegment("empty", "Empty")
    correct(outputNode, source.browserNode, phantom, 0)
    if kind == "run":
        request = RunRequest(source, smallModel(), RunSettings(), outputNode)
    else:
        ofItself = kind == "propagation of itself"
        annotationNode = outputNode if ofItself else finishedOutput(source.sequenceNode, phantom, [0]).publish()
        correct(annotationNode, source.browserNode, phantom, 0)
        request = PropagationRequest.read(source, annotationNode, False, outputNode)
    assert not request.outputIsInUse

    play(source.browserNode, CORRECTED)
    assert not request.outputIsInUse
    change(source.browserNode.GetProxyNode(outputNode), phantom[0][CORRECTED].image)
    play(source.browserNode, 0)

    assert request.outputIsInUse
