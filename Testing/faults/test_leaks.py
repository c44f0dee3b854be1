"""Many runs in one session leave nothing behind, though PythonQt holds connected slots strongly, as the host does."""

import gc

import SimpleITK as sitk
import slicer
import vtk
from CLSTMSegmentLib.panel.background_run import BackgroundRun
from CLSTMSegmentLib.scene.inputs import resolveInput
from CLSTMSegmentLib.worker.events import Failed
from panel.conftest import fakeRun, fakes, fakeWidget, outputs, scene, smallModelAdded, wait  # noqa: F401
from scene.conftest import addSequence
from scene.segmentations import segmentedFrames
from scene.test_annotations import draw

RUNS = 50


def aliveRuns():
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is BackgroundRun]


class Watched:
    """Nodes that are to be gone in the end.

    An observer in Python would be called while the garbage collector deletes a node, and may crash there.
    """

    def __init__(self):
        self._references = []

    def add(self, *nodes):
        for node in nodes:
            self._references.append(vtk.vtkWeakReference())
            self._references[-1].Set(node)

    def alive(self):
        gc.collect()
        nodes = [reference.Get() for reference in self._references]
        return [node.GetName() for node in nodes if node is not None]


def test_no_run_input_or_output_remains_once_it_is_removed(scene, fakeWidget, fakes, phantom):  # noqa: F811
    ui, watched = fakeWidget.ui, Watched()

    for _ in range(RUNS):
        inputNode = addSequence(scene, phantom[0][:2])
        ui.inputSelector.setCurrentNode(inputNode)
        fakeRun(ui, fakes, segmentedFrames(inputNode, phantom, [0]))
        ui.plotButton.click()
        proxies = [resolveInput(inputNode).browserNode.GetProxyNode(node) for node in (inputNode, outputs()[0])]
        watched.add(inputNode, outputs()[0], *proxies, inputNode.GetNthDataNode(0))
        del inputNode, proxies
        scene.Clear(0)

    assert aliveRuns() == []
    assert watched.alive() == []


def test_no_input_or_annotation_of_a_teaching_job_remains_once_it_is_removed(
    scene,  # noqa: F811
    fakeWidget,  # noqa: F811
    fakes,  # noqa: F811
    phantom,
):
    ui, watched = fakeWidget.ui, Watched()
    ui.teachCollapsibleButton.collapsed = False
    inner = sitk.GetArrayViewFromImage(phantom[1][0]) == 1

    for n in range(RUNS):
        inputNode = addSequence(scene, phantom[0][:2])
        ui.inputSelector.setCurrentNode(inputNode)
        ui.newAnnotationButton.click()
        annotationNode = ui.annotationSelector.currentNode()
        draw(annotationNode, 0, {"Valve": inner}, phantom[0][0])
        ui.teachNameLineEdit.text = f"Valve {n}"
        ui.teachButton.click()
        assert fakes[-1].running
        if n % 2:  # else the scene is closed while the job is running
            fakes[-1].reported.append(Failed("out of memory", ""))
            wait(lambda: not ui.stopTeachingButton.enabled, "the end of the teaching job")
        browserNode = resolveInput(inputNode).browserNode
        proxies = [browserNode.GetProxyNode(node) for node in (inputNode, annotationNode)]
        watched.add(inputNode, annotationNode, *proxies, inputNode.GetNthDataNode(0))
        del inputNode, annotationNode, browserNode, proxies
        scene.Clear(0)

    assert watched.alive() == []
    assert not any(worker.running for worker in fakes)


def test_finished_run_is_gone_while_its_results_are_shown(scene, fakeWidget, fakes, phantom):  # noqa: F811
    inputNode = addSequence(scene, phantom[0][:2])
    fakeWidget.ui.inputSelector.setCurrentNode(inputNode)

    fakeRun(fakeWidget.ui, fakes, segmentedFrames(inputNode, phantom, [0, 1]))

    assert aliveRuns() == []
    assert fakeWidget.ui.volumesTable.rowCount == 2
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 2
