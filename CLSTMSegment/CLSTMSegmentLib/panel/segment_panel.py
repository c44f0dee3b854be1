"""The panel: its settings in the parameter node, whether a run can start, and runs one after the other."""

from collections import deque
from functools import partial
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..core.errors import InputError, RunFailed
from ..scene.inputs import holds, resolveInput
from ..scene.made_frames import drawnFrames
from ..scene.output_choice import checkOutputFor
from ..scene.regions import roiAround
from ..scene.unsaved_drawings import saveChanges
from ..worker.worker_process import MakeWorker, WorkerProcess
from .background_run import BackgroundRun
from .choices import fillChoices
from .dependencies import TO_SEGMENT, PackageInstaller
from .device_question import DeviceQuestion
from .live_section import LiveSection
from .log_section import LogSection
from .model_section import ModelSection
from .node_selectors import deselect, hideUnfitNodes, suggestInput
from .parameter_node import (
    CLSTMSegmentParameterNode,
    hasFrames,
    readEarlierNames,
    runSettingsFor,
    settingsWithoutScene,
)
from .propagate_section import PropagateSection
from .remote_section import RemoteSection
from .replacement_question import ReplacementQuestion
from .reported_slots import plain, reporting, telling
from .results_section import ResultsSection
from .run_requests import PropagationRequest, RunRequest
from .run_status import notStarted, statusOf
from .teach_section import TeachSection


class SegmentPanel:
    """Everything behind the widgets of CLSTMSegment.ui.

    Args:
        ui: the widgets by name.
        python: the interpreter of the worker processes.
        modelsFolder: the folder of the models that the user added.
        makeWorker: makes the workers on this computer; by default, they are processes of `python`.
    """

    def __init__(self, ui: object, python: str, modelsFolder: Path, makeWorker: MakeWorker | None = None):
        self._ui = ui
        self._tell = telling(ui.statusLabel)
        self._parameterNode: CLSTMSegmentParameterNode | None = None
        self._guiTag = self._observerTag = None
        self._run: BackgroundRun | None = None
        self._waiting: deque[RunRequest | PropagationRequest] = deque()
        self._replacement = ReplacementQuestion()
        self._installer = PackageInstaller(self._askForDevices)
        makeLocalWorker = makeWorker or partial(WorkerProcess, python=python)
        self._remote = RemoteSection(ui, makeLocalWorker, self._installer, self.update)
        self._models = ModelSection(ui, modelsFolder, self._useModel, self._installer)
        self._results = ResultsSection(ui)
        self._log = LogSection(ui)
        self._teach = TeachSection(ui, self._remote, modelsFolder, self._useModel)
        self._teach.fillModels(self._models.models)
        self._live = LiveSection(ui, makeLocalWorker, self._models, self._installer)
        self._propagate = PropagateSection(ui, self._submit, self._onCancel)
        self._choices = fillChoices(ui)
        self._connect()
        ui.unfinishedWidget.visible = False
        self._deviceQuestion = DeviceQuestion(ui.deviceComboBox, python, self.update)
        self._askForDevices()

    def _askForDevices(self) -> None:
        try:
            self._deviceQuestion.ask()
        except OSError as error:
            self._ui.statusLabel.text = _("The devices of this computer are not known: {error}").format(error=error)

    def _connect(self) -> None:
        ui = self._ui
        for box, parameter in self._choices:
            slot = partial(self._onChosen, box, parameter)
            box.connect("currentIndexChanged(int)", reporting(ui.statusLabel, slot))
        for button, slot in (
            (ui.createRoiButton, self._onCreateRoi),
            (ui.applyButton, self._onApply),
            (ui.cancelButton, self._onCancel),
            (ui.keepButton, partial(self._onUnfinished, keep=True)),
            (ui.discardButton, partial(self._onUnfinished, keep=False)),
        ):
            button.connect("clicked()", reporting(ui.statusLabel, slot))

    # -- settings ---------------------------------------------------------------------------------

    def setParameterNode(self, parameterNode: CLSTMSegmentParameterNode | None) -> None:
        """Show the settings of this parameter node, and change them there; None for no settings."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self._parameterNode.RemoveObserver(self._observerTag)
        self._parameterNode = parameterNode
        if parameterNode is None:
            return
        readEarlierNames(parameterNode)
        self._guiTag = parameterNode.connectGui(self._ui)
        self._results.followScene()
        self._observerTag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self.update())
        self.update()

    def preselect(self) -> None:
        """Choose the sequence that the user is looking at, or the only one, unless one is chosen."""
        if self._parameterNode is not None:
            suggestInput(self._parameterNode)
            self.update()  # the user may have drawn in the meantime

    def followResults(self) -> None:
        """Measure again what the user edits in results that other parts of the module have added."""
        if self._parameterNode is not None:
            self._results.followScene()

    def deselect(self, node: slicer.vtkMRMLNode) -> None:
        """Choose a node no more, because it is about to be removed from the scene."""
        if self._parameterNode is not None:
            deselect(self._parameterNode, node)

    def _onChosen(self, box: qt.QComboBox, parameter: str, _index: int) -> None:
        parameters = self._parameterNode
        if parameters is None:
            return
        parameters.setValue(parameter, box.currentData)
        if parameters.frames == "range" and parameters.lastFrame == 0 and hasFrames(parameters):
            parameters.lastFrame = max(parameters.inputSequence.GetNumberOfDataNodes() - 1, 0)

    def _useModel(self, source: str) -> None:
        """Choose a model that was added, taught or replaced just now."""
        self._models.fill()
        self._teach.fillModels(self._models.models)
        if self._parameterNode is not None:
            self._parameterNode.model = source
            self.update()

    def update(self) -> None:
        """Bring all widgets up to date with the settings and the scene.

        This runs at every change of them, so it must be quick.
        """
        ui, parameters = self._ui, self._parameterNode
        if parameters is None:
            return
        single = parameters.inputSequence is not None and not hasFrames(parameters)
        hideUnfitNodes(ui, single)
        ui.framesComboBox.enabled = not single
        self._results.clearIfRemoved()
        for box, parameter in self._choices:
            wasBlocked = box.blockSignals(True)
            box.currentIndex = box.findData(getattr(parameters, parameter))
            box.blockSignals(wasBlocked)
        self._models.describe(parameters.model)
        ui.rangeWidget.visible = parameters.frames == "range" and not single
        ui.windowSpinBox.visible = parameters.stateRule == "window"
        ui.createRoiButton.enabled = parameters.inputSequence is not None
        obstacle = self._obstacle(parameters)
        ui.applyButton.enabled = obstacle is None
        ui.applyButton.toolTip = plain(obstacle or _("Segment the sequence."))
        self._teach.update(parameters)
        self._live.update(parameters)
        self._propagate.update(parameters)

    def _obstacle(self, parameters: CLSTMSegmentParameterNode) -> str | None:
        """Return why no run can start now, and what to do; None when one can.

        This looks at one frame at most. What takes longer to check, `_request` checks when the user starts a run.
        """
        try:
            if not hasFrames(parameters) or not holds(parameters.inputSequence, "vtkMRMLScalarVolumeNode"):
                resolveInput(parameters.inputSequence)  # says what is wrong
            self._models.chosen(parameters.model)
            settingsWithoutScene(parameters)
            self._remote.scheduler()
        except InputError as error:
            return str(error)
        return None

    # -- what buttons do --------------------------------------------------------------------------

    def _onCreateRoi(self) -> None:
        self._parameterNode.roi = roiAround(resolveInput(self._parameterNode.inputSequence))

    def _onApply(self) -> None:
        if not self._remote.ensure(TO_SEGMENT, self._tell) or self._parameterNode is None:
            return
        self._submit(self._request(self._parameterNode))

    def _submit(self, request: RunRequest | PropagationRequest) -> None:
        """Start a run, or let it wait for the one that goes on, unless the user does not want to replace its output."""
        if not self._replacement.isAnswered(request):
            return
        if self._run is not None and self._run.state == "running":
            self._waiting.append(request)
            self._showRun(self._run)
        else:
            self._start(request)

    def _request(self, parameters: CLSTMSegmentParameterNode) -> RunRequest:
        source = resolveInput(parameters.inputSequence)
        if parameters.outputSequence is not None:
            checkOutputFor(parameters.outputSequence, source)
        settings = runSettingsFor(source, parameters)
        return RunRequest(source, self._models.readAgain(settings.model), settings, parameters.outputSequence)

    def _start(self, request: RunRequest | PropagationRequest) -> None:
        self._ui.unfinishedWidget.visible = False
        self._ui.resultsCollapsibleButton.collapsed = False
        try:
            self._run = BackgroundRun(request, self._remote.makeWorker, self._showRun)
        except (InputError, RunFailed, OSError) as error:
            text = _("The run cannot start: {error}").format(error=error)
            self._ui.statusLabel.text = f"{text}\n{notStarted(len(self._waiting))}".rstrip()
            self._propagate.tell(request, self._ui.statusLabel.text)
            self._dropWaiting()
            return
        self._showRun(self._run)

    def _dropWaiting(self) -> None:
        """Start none of the waiting runs: each was made for what the run before it would leave."""
        for request in self._waiting:
            self._propagate.tell(request, self._ui.statusLabel.text)
        self._waiting.clear()

    def _onCancel(self) -> None:
        self._waiting.clear()
        self._run.cancel()

    def _onUnfinished(self, keep: bool) -> None:
        if not keep:  # frames that are kept are in the scene already
            question = _("The finished frames hold what you drew or corrected. Are they to be removed all the same?")
            saveChanges(self._run.output.outputNode)
            drawn = drawnFrames(self._run.output.outputNode, emptied=True)
            if drawn and not slicer.util.confirmOkCancelDisplay(question, _("Discard the finished frames")):
                return
            self._run.discard()
            self._results.close()
        self._run = None
        self._ui.unfinishedWidget.visible = False
        self.update()

    # -- runs -------------------------------------------------------------------------------------

    def _showRun(self, run: BackgroundRun) -> None:
        """Show what is new in a run, and start the next one when it is done."""
        ui = self._ui
        running = run.state == "running"
        ui.cancelButton.enabled = running
        ui.statusLabel.text = statusOf(run, len(self._waiting))
        ui.progressBar.maximum = run.total
        ui.progressBar.value = len(run.curve.frames)
        self._propagate.show(run, ui.statusLabel.text)
        self._log.show(run)
        self._results.show(run)
        if running:
            return
        unfinished = run.state != "done" and bool(run.curve.frames)
        ui.unfinishedWidget.visible = unfinished
        if not unfinished:
            self._run = None  # it refers to the whole input
        self.update()
        if run.state != "done":
            self._dropWaiting()
        elif self._waiting:
            after = run.output.outputNode, run.outputIsChanged
            self._waiting = deque(request.after(*after) for request in self._waiting)
            self._start(self._waiting.popleft())

    def close(self) -> None:
        """End everything that the panel has started, before it is removed."""
        self._deviceQuestion.close()
        self.abandonRuns()
        self.setParameterNode(None)

    def abandonRuns(self) -> None:
        """End all runs and the teaching job, without a change to the scene, because the scene is closing."""
        self._waiting.clear()
        self._teach.close()
        self._live.close()
        self._propagate.close()
        if self._run is not None:
            self._run.abandon()
            self._run = None
        self._replacement.forget()
        ui = self._ui
        ui.cancelButton.enabled = ui.unfinishedWidget.visible = False
        ui.progressBar.value = 0
        ui.statusLabel.text = ""
        self._results.abandon()
