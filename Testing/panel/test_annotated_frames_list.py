"""The list of annotated frames: which boxes stay checked."""

import pytest
from CLSTMSegmentLib.panel.annotated_frames_list import AnnotatedFramesList
from CLSTMSegmentLib.scene.annotations import newAnnotation
from CLSTMSegmentLib.scene.inputs import resolveInput
from host import qt
from scene.conftest import addSequence
from scene.test_annotations import blocks, draw


@pytest.fixture
def shown(scene, fakePanel, phantom):
    """The list, with the boxes of the frames 1 and 4 of an annotation, that of frame 4 checked; and its two nodes."""
    sequenceNode = addSequence(scene, phantom[0])
    annotationNode = newAnnotation(resolveInput(sequenceNode), "Annotation")
    for number in (1, 4):
        draw(annotationNode, number, {"Valve": blocks(phantom[0][number])[0]}, phantom[0][number])
    frames = AnnotatedFramesList(fakePanel)
    frames.show(annotationNode, sequenceNode)
    fakePanel.annotatedFramesList.item(1).setCheckState(qt.Qt.CheckState.Checked)
    assert frames.marks([1, 4]) == {1: "drawn", 4: "whole"}
    return frames, annotationNode, sequenceNode


def test_box_of_a_frame_stays_checked_when_frames_before_it_are_drawn_or_removed(shown, phantom):
    frames, annotationNode, sequenceNode = shown

    draw(annotationNode, 0, {"Valve": blocks(phantom[0][0])[0]}, phantom[0][0])
    frames.show(annotationNode, sequenceNode)
    assert frames.marks([0, 1, 4]) == {0: "drawn", 1: "drawn", 4: "whole"}

    sequenceNode.RemoveDataNodeAtValue(phantom[0][2].index_value)
    frames.show(annotationNode, sequenceNode)
    assert frames.marks([0, 1, 3]) == {0: "drawn", 1: "drawn", 3: "whole"}


@pytest.mark.parametrize("other", ["annotation", "sequence"])
def test_no_box_stays_checked_for_another_annotation_or_sequence(shown, scene, phantom, other):
    frames, annotationNode, sequenceNode = shown
    if other == "annotation":
        annotationNode = newAnnotation(resolveInput(sequenceNode), "Other")
        for number in (1, 4):
            draw(annotationNode, number, {"Valve": blocks(phantom[0][number])[0]}, phantom[0][number])
    else:
        sequenceNode = addSequence(scene, phantom[0], "Other")

    frames.show(annotationNode, sequenceNode)

    assert frames.marks([1, 4]) == {1: "drawn", 4: "drawn"}


def test_no_box_stays_checked_for_the_patient_of_the_next_scene(scene, fakeWidget, phantom):
    ui, nodeIDs = fakeWidget.ui, []
    for patient in range(2):
        sequenceNode = addSequence(scene, phantom[0])
        ui.inputSelector.setCurrentNode(sequenceNode)
        annotationNode = newAnnotation(resolveInput(sequenceNode), "Annotation")
        draw(annotationNode, 1, {"Valve": blocks(phantom[0][1])[0]}, phantom[0][1])
        ui.annotationSelector.setCurrentNode(annotationNode)
        ui.teachCollapsibleButton.collapsed = False
        nodeIDs.append((sequenceNode.GetID(), annotationNode.GetID()))
        box = ui.annotatedFramesList.item(0)
        assert box.checkState() == qt.Qt.CheckState.Unchecked
        if patient == 0:
            box.setCheckState(qt.Qt.CheckState.Checked)
            ui.teachCollapsibleButton.collapsed = True
            scene.Clear(0)

    assert nodeIDs[0] == nodeIDs[1]  # both patients have nodes of the same IDs
