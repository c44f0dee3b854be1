"""The panel on real MRML and real Qt, offscreen, with real worker processes or a fake worker."""

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import slicer
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.scene.images import volumeFromImage
from CLSTMSegmentLib.scene.inputs import holds, resolveInput
from CLSTMSegmentLib.worker.events import Done
from CLSTMSegmentLib.worker.scheduler import TlsFiles
from CLSTMSegmentLib.worker.worker_process import WorkerProcess
from host import application, qt
from pipeline.cohort_processes import made_certificates
from scene.conftest import addSequence, scene  # noqa: F401

PATIENCE_S = 120


@pytest.fixture(autouse=True)
def ownTemporaryFolder(tmp_path_factory, monkeypatch):
    """Job folders go to a folder of the test, so that tests in several processes do not see those of each other."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture(autouse=True)
def newSettings():
    """Slicer's own settings are those of a new Slicer."""
    slicer.app.userSettings().clear()


@pytest.fixture
def sequence(scene, phantom):  # noqa: F811
    """A 6-frame phantom that the user is looking at."""
    sequenceNode = addSequence(scene, phantom[0])
    selectionNode = slicer.app.applicationLogic().GetSelectionNode()
    selectionNode.SetActiveVolumeID(resolveInput(sequenceNode).proxyNode.GetID())
    return sequenceNode


@pytest.fixture
def volumeNode(scene, phantom):  # noqa: F811
    """A volume with the first image of the phantom."""
    node = scene.AddNode(volumeFromImage(phantom[0][0].image))
    node.SetName("Scanner")
    return node


def modelsFolder():
    """Return the folder of the models that the user added."""
    return application.settingsFolder() / "CLSTMSegment" / "Models"


@pytest.fixture
def smallModelAdded(bundle):
    """The small model is among those that the user added."""
    from CLSTMSegmentLib.panel.model_choice import addModel

    if not (modelsFolder() / "small").exists():
        addModel(bundle / "model.json", modelsFolder())


@contextmanager
def shownWidget():
    """Yield the module's widget as Slicer shows it, with the small model chosen."""
    parent = application.PanelParent()
    shown = parent.makePanel()
    shown.enter()
    chooseSmallModel(shown.ui)
    yield shown
    parent.unload()
    parent.deleteLater()


@pytest.fixture
def widget(scene, smallModelAdded):  # noqa: F811
    """The module's widget as Slicer shows it, with the small model chosen."""
    with shownWidget() as shown:
        yield shown


def chooseSmallModel(ui):
    """Choose the small model, and the CPU."""
    ui.modelComboBox.currentIndex = ui.modelComboBox.findText("Small")
    ui.deviceComboBox.currentIndex = ui.deviceComboBox.findData("cpu")


@pytest.fixture
def workers(monkeypatch):
    """The worker processes that the panel starts, oldest first."""
    started, start = [], WorkerProcess.start

    def startAndRemember(worker):
        start(worker)
        started.append(worker)

    monkeypatch.setattr(WorkerProcess, "start", startAndRemember)
    return started


class FakeWorker:
    """A worker in this process that does nothing: the test says which events it reports.

    Attributes:
        module, folder, arguments: what it was made for.
        reported: events that the next poll returns.
        running: whether it was started and not ended.
    """

    process_id = 0

    def __init__(self, module, folder, arguments=()):
        self.module, self.folder, self.arguments = module, folder, arguments
        self.reported, self.running = [], False

    def start(self):
        self.running = True

    def poll(self):
        events, self.reported = self.reported, []
        return events

    def end(self):
        self.running = False


@pytest.fixture
def certificates(tmp_path_factory):
    """The files for a protected scheduler."""
    return TlsFiles(*made_certificates(tmp_path_factory.mktemp("certificates")))


@pytest.fixture
def fakes():
    """The fake workers that the panel of `fakePanel` has made, oldest first."""
    return []


@pytest.fixture
def fakePanel(scene, smallModelAdded, fakes):  # noqa: F811
    """The widgets of a panel whose workers are fakes, with the small model chosen."""
    import sys

    from CLSTMSegmentLib.panel.parameter_node import CLSTMSegmentParameterNode
    from CLSTMSegmentLib.panel.segment_panel import SegmentPanel

    import CLSTMSegment

    def makeFake(module, folder, arguments=()):
        fakes.append(FakeWorker(module, folder, arguments))
        return fakes[-1]

    uiFile = Path(CLSTMSegment.__file__).parent / "Resources" / "UI" / "CLSTMSegment.ui"
    parent = slicer.util.loadUI(uiFile)
    parent.setMRMLScene(scene)
    ui = slicer.util.childWidgetVariables(parent)
    panel = SegmentPanel(ui, sys.executable, modelsFolder(), makeFake)
    panel.setParameterNode(CLSTMSegmentParameterNode(CLSTMSegment.CLSTMSegmentLogic().getParameterNode()))
    chooseSmallModel(ui)
    yield ui
    panel.close()
    parent.deleteLater()


@pytest.fixture
def fakeWidget(scene, smallModelAdded, fakes, monkeypatch):  # noqa: F811
    """The module's widget as Slicer shows it, whose workers are fakes, with the small model chosen."""

    def makeFake(module, folder, arguments=(), python=None):
        fakes.append(FakeWorker(module, folder, arguments))
        return fakes[-1]

    monkeypatch.setattr("CLSTMSegmentLib.panel.segment_panel.WorkerProcess", makeFake)
    with shownWidget() as shown:
        yield shown


def report(worker, frames):
    """Let a fake worker report finished frames."""
    for frame in frames:
        worker.folder.write_result(frame)
        worker.reported += worker.folder.new_events()


def fakeRun(ui, fakes, frames):
    """Press Segment, and let the fake worker report some frames, and the end of the run."""
    ui.applyButton.click()
    report(fakes[-1], frames)
    fakes[-1].reported.append(Done(report=RunReport("cpu")))
    wait(lambda: not ui.cancelButton.enabled, "the end of the run")


def wait(condition, what="the condition"):
    """Let Qt work until a condition is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        qt.application().processEvents()
        time.sleep(0.005)


def ended(widget):
    """Return a condition: no run is going on."""
    return lambda: not widget.ui.cancelButton.enabled


def unfinishedFramesAreOffered(ui):
    """Return whether the user can keep or discard the frames of a run that did not finish."""
    return ui.unfinishedWidget.isVisibleTo(ui.unfinishedWidget.parentWidget())


def nodeIDs():
    """Return the IDs of all nodes in the scene."""
    return {slicer.mrmlScene.GetNthNode(n).GetID() for n in range(slicer.mrmlScene.GetNumberOfNodes())}


def jobFolders():
    """Return the job folders in the temporary folder."""
    return set(Path(tempfile.gettempdir()).glob("CLSTMSegment-*"))


def outputs():
    """Return the sequences of segmentations in the scene."""
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")
    nodes = [slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSequenceNode") for n in range(count)]
    return [node for node in nodes if holds(node, "vtkMRMLSegmentationNode")]


def choose(box, data):
    """Choose an entry of a combo box by its data, as the user does by its text."""
    box.currentIndex = box.findData(data)


def runToEnd(widget):
    """Press Segment, and wait for the end of the run."""
    widget.ui.applyButton.click()
    wait(ended(widget), "the end of the run")
