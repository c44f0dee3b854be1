"""The panel on real MRML and real Qt, offscreen, with the worker a real process."""

import tempfile
import time
from pathlib import Path

import pytest
import slicer
from CLSTMSegmentLib.scene.inputs import holds, resolveInput
from host import application, qt
from scene.conftest import addSequence, scene  # noqa: F401

PATIENCE_S = 120


@pytest.fixture
def sequence(scene, phantom):  # noqa: F811
    """A 6-frame phantom that the user is looking at."""
    sequenceNode = addSequence(scene, phantom[0])
    selectionNode = slicer.app.applicationLogic().GetSelectionNode()
    selectionNode.SetActiveVolumeID(resolveInput(sequenceNode).proxyNode.GetID())
    return sequenceNode


@pytest.fixture
def widget(scene, bundle):  # noqa: F811
    """The module's widget as Slicer shows it, with the small model among the user's."""
    from CLSTMSegmentLib.panel.model_choice import addModel

    import CLSTMSegment

    parent = application.parentWidget()
    shown = CLSTMSegment.CLSTMSegmentWidget(parent)
    folder = application.settingsFolder() / "CLSTMSegment" / "Models"
    if not (folder / "small").exists():
        addModel(bundle / "model.json", folder)
    shown.setup()
    shown.enter()
    shown.ui.modelComboBox.currentIndex = shown.ui.modelComboBox.findText("Small")
    shown.ui.deviceComboBox.currentIndex = shown.ui.deviceComboBox.findData("cpu")
    yield shown
    shown.cleanup()
    parent.deleteLater()


def wait(condition, what="the condition"):
    """Let Qt work until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        qt.application().processEvents()
        time.sleep(0.005)


def ended(widget):
    return lambda: not widget.ui.cancelButton.enabled


def nodeIDs():
    return {slicer.mrmlScene.GetNthNode(n).GetID() for n in range(slicer.mrmlScene.GetNumberOfNodes())}


def jobFolders():
    return set(Path(tempfile.gettempdir()).glob("CLSTMSegment-*"))


def outputs():
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")
    nodes = [slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSequenceNode") for n in range(count)]
    return [node for node in nodes if holds(node, "vtkMRMLSegmentationNode")]


def runToEnd(widget):
    widget.ui.applyButton.click()
    wait(ended(widget), "the run's end")
