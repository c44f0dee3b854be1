"""Many runs in one session leave nothing behind, though PythonQt holds connected slots strongly, as the host does."""

import gc

import slicer
import vtk
from CLSTMSegmentLib.panel.background_run import BackgroundRun
from panel.conftest import fakeRun, fakes, fakeWidget, outputs, scene, smallModelAdded  # noqa: F401
from scene.conftest import addSequence
from scene.segmentations import segmentedFrames

RUNS = 50


def aliveRuns():
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is BackgroundRun]


def test_no_run_input_or_output_remains_once_it_is_removed(scene, fakeWidget, fakes, phantom):  # noqa: F811
    ui, references = fakeWidget.ui, []

    for _ in range(RUNS):
        inputNode = addSequence(scene, phantom[0][:2])
        ui.inputSelector.setCurrentNode(inputNode)
        fakeRun(ui, fakes, segmentedFrames(inputNode, phantom, [0]))
        ui.plotButton.click()
        for node in (inputNode, outputs()[0]):
            # an observer in Python would be called while the garbage collector deletes the node, and may crash there
            references.append(vtk.vtkWeakReference())
            references[-1].Set(node)
        del inputNode, node
        scene.Clear(0)

    assert aliveRuns() == []
    assert [reference for reference in references if reference.Get() is not None] == []


def test_finished_run_is_gone_while_its_results_are_shown(scene, fakeWidget, fakes, phantom):  # noqa: F811
    inputNode = addSequence(scene, phantom[0][:2])
    fakeWidget.ui.inputSelector.setCurrentNode(inputNode)

    fakeRun(fakeWidget.ui, fakes, segmentedFrames(inputNode, phantom, [0]))

    assert aliveRuns() == []
    assert fakeWidget.ui.volumesTable.rowCount == 1
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 2
