"""The panel: settings from and to the parameter node, what may be started, and runs one after the other."""

from collections import deque
from dataclasses import asdict
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..core.boxes import read_shape
from ..core.errors import InputError
from ..model.description import Model
from ..scene.inputs import SequenceInput, holds, regionFromROI, resolveInput, roiAround
from ..scene.outputs import checkOutput
from ..worker.job_folder import Job
from .background_run import BackgroundRun, Request
from .dependencies import installMissing
from .device_question import DeviceQuestion
from .model_choice import addModel, choosableModels, detailsAsHtml, summaryAsHtml
from .parameter_node import CLSTMSegmentParameterNode
from .results_section import ResultsView
from .teach_section import TeachView


class SegmentPanel:
    """Everything behind the widgets of CLSTMSegment.ui.

    Args:
        ui: the widgets by name.
        python: the interpreter of the worker processes.
        modelsFolder: where models lie that the user added.
    """

    def __init__(self, ui: object, python: str, modelsFolder: Path):
        self._ui = ui
        self._python = python
        self._modelsFolder = modelsFolder
        self._parameterNode: CLSTMSegmentParameterNode | None = None
        self._guiTag = self._observerTag = None
        self._models: dict[str, Model] = {}
        self._run: BackgroundRun | None = None
        self._waiting: deque[Request] = deque()
        self._results = ResultsView(ui)
        self._teach = TeachView(ui, python, modelsFolder, self._onTaught)
        self._fillChoices()
        self._connect()
        ui.unfinishedWidget.visible = False
        self._deviceQuestion = DeviceQuestion(python, self._onDevices)

    def _fillChoices(self) -> None:
        ui = self._ui
        for box, choices in (
            (ui.framesComboBox, ((_("All"), "all"), (_("The current one"), "current"), (_("A range"), "range"))),
            (ui.deviceComboBox, ((_("Automatic"), "auto"), (_("CPU"), "cpu"))),
            (
                ui.timeComboBox,
                (
                    (_("As the model says"), ""),
                    (_("To the end"), "carry"),
                    (_("A window"), "window"),
                    (_("None, each frame alone"), "reset"),
                ),
            ),
        ):
            for text, data in choices:
                box.addItem(text, data)
        self._fillModels()

    def _onDevices(self, devices: list[list[str]]) -> None:
        """Replace the devices that any computer may have by those that this one has."""
        box = self._ui.deviceComboBox
        wasBlocked = box.blockSignals(True)
        while box.count > 1:
            box.removeItem(box.count - 1)
        for name, text in devices:
            box.addItem(text, name)
        box.blockSignals(wasBlocked)
        self.update()

    def _fillModels(self) -> None:
        box = self._ui.modelComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        self._models = dict(choosableModels(self._modelsFolder))
        for source, model in self._models.items():
            box.addItem(model.title, source)
        box.blockSignals(wasBlocked)
        self._teach.fillModels(self._models)

    def _onTaught(self, source: str) -> None:
        """A new model has been taught: it is the next run's."""
        self._fillModels()
        if self._parameterNode is not None:
            self._parameterNode.model = source
            self.update()

    def _connect(self) -> None:
        ui = self._ui
        for box, parameter in (
            (ui.modelComboBox, "model"),
            (ui.framesComboBox, "frames"),
            (ui.deviceComboBox, "device"),
            (ui.timeComboBox, "time"),
        ):
            box.connect("currentIndexChanged(int)", lambda _index, b=box, p=parameter: self._onChosen(b, p))
        ui.addModelButton.connect("clicked()", self._onAddModel)
        ui.openModelFolderButton.connect("clicked()", self._onOpenModelFolder)
        ui.createRoiButton.connect("clicked()", self._onCreateRoi)
        ui.applyButton.connect("clicked()", self._onApply)
        ui.cancelButton.connect("clicked()", self._onCancel)
        ui.keepButton.connect("clicked()", lambda: self._onUnfinished(keep=True))
        ui.discardButton.connect("clicked()", lambda: self._onUnfinished(keep=False))
        ui.copyLogButton.connect("clicked()", self._onCopyLog)

    # -- settings ---------------------------------------------------------------------------------

    def setParameterNode(self, parameterNode: CLSTMSegmentParameterNode | None) -> None:
        """Show and change the settings in this parameter node; None for none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self._parameterNode.RemoveObserver(self._observerTag)
        self._parameterNode = parameterNode
        if parameterNode is None:
            return
        self._guiTag = parameterNode.connectGui(self._ui)
        self._observerTag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self.update())
        self.update()

    def preselect(self, activeVolume: slicer.vtkMRMLNode | None) -> None:
        """Choose the sequence that the user is looking at, or the only one, unless one is chosen."""
        parameters = self._parameterNode
        if parameters is None or parameters.inputSequence is not None:
            return
        if activeVolume is not None:
            try:
                parameters.inputSequence = resolveInput(activeVolume).sequenceNode
                return
            except InputError:
                pass  # a volume that is in no sequence
        scene = slicer.mrmlScene
        count = scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")
        nodes = [scene.GetNthNodeByClass(n, "vtkMRMLSequenceNode") for n in range(count)]
        sequences = [node for node in nodes if holds(node, "vtkMRMLScalarVolumeNode")]
        if len(sequences) == 1:
            parameters.inputSequence = sequences[0]

    def _onChosen(self, box: qt.QComboBox, parameter: str) -> None:
        parameters = self._parameterNode
        if parameters is None:
            return
        parameters.setValue(parameter, box.currentData)
        if parameters.frames == "range" and parameters.lastFrame == 0 and parameters.inputSequence is not None:
            parameters.lastFrame = max(parameters.inputSequence.GetNumberOfDataNodes() - 1, 0)

    def update(self) -> None:
        """Bring all widgets to what the settings, the scene and the run say."""
        ui, parameters = self._ui, self._parameterNode
        if parameters is None:
            return
        self._hideUnfitNodes()
        for box, value in (
            (ui.modelComboBox, parameters.model),
            (ui.framesComboBox, parameters.frames),
            (ui.deviceComboBox, parameters.device),
            (ui.timeComboBox, parameters.time),
        ):
            wasBlocked = box.blockSignals(True)
            box.currentIndex = box.findData(value)
            box.blockSignals(wasBlocked)
        model = self._models.get(parameters.model)
        ui.modelSummaryLabel.text = summaryAsHtml(model) if model is not None else ""
        ui.modelDetailsLabel.text = detailsAsHtml(model) if model is not None else ""
        sequenceNode = parameters.inputSequence
        for widget in (
            ui.firstFrameSpinBox,
            ui.toLabel,
            ui.lastFrameSpinBox,
            ui.everyLabel,
            ui.frameStepSpinBox,
        ):
            widget.visible = parameters.frames == "range"
        ui.windowSpinBox.visible = parameters.time == "window"
        ui.createRoiButton.enabled = sequenceNode is not None
        obstacle = self.obstacle()
        ui.applyButton.enabled = obstacle is None
        ui.applyButton.toolTip = obstacle or _("Segment the sequence.")
        self._teach.update(parameters)

    def _hideUnfitNodes(self) -> None:
        """Only sequences of volumes as input, and only sequences of segmentations as output."""
        unfit = {"vtkMRMLScalarVolumeNode": [], "vtkMRMLSegmentationNode": []}
        for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")):
            node = slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSequenceNode")
            for kind, nodeIDs in unfit.items():
                if not holds(node, kind):
                    nodeIDs.append(node.GetID())
        self._ui.inputSelector.sortFilterProxyModel().hiddenNodeIDs = unfit["vtkMRMLScalarVolumeNode"]
        for selector in (self._ui.outputSelector, self._ui.annotationSelector):
            selector.sortFilterProxyModel().hiddenNodeIDs = unfit["vtkMRMLSegmentationNode"]

    def obstacle(self) -> str | None:
        """Why no run can start now, and what to do; None when one can."""
        if self._parameterNode is None:
            return _("There is no scene.")
        try:
            self._request()
        except InputError as error:
            return str(error)
        return None

    def _request(self) -> Request:
        parameters = self._parameterNode
        source = resolveInput(parameters.inputSequence)
        if parameters.model not in self._models:
            raise InputError(_("model {name} is not there: choose another").format(name=parameters.model))
        if parameters.outputSequence is not None:
            checkOutput(parameters.outputSequence, source)
        region = None
        if parameters.roi is not None:
            region = asdict(regionFromROI(parameters.roi, source.proxyNode))
        time = f"window:{parameters.window}" if parameters.time == "window" else parameters.time
        count = source.sequenceNode.GetNumberOfDataNodes()
        job = Job(
            model=parameters.model,
            index_values=[source.sequenceNode.GetNthIndexValue(n) for n in range(count)],
            wanted=self._wantedFrames(source),
            region=region,
            device=parameters.device,
            tile=list(read_shape(parameters.tile)) if parameters.tile.strip() else None,
            overlap=parameters.overlap,
            time=time or None,
            prime=parameters.prime if parameters.prime >= 0 else None,
        )
        return Request(source, self._models[parameters.model], job, parameters.outputSequence)

    def _wantedFrames(self, source: SequenceInput) -> list[int] | None:
        parameters = self._parameterNode
        if parameters.frames == "current":
            if source.browserNode is None:
                raise InputError(_("no browser plays this sequence, so that it has no current frame: choose a range"))
            return [source.browserNode.GetSelectedItemNumber()]
        if parameters.frames == "range":
            wanted = list(range(parameters.firstFrame, parameters.lastFrame + 1, parameters.frameStep))
            last = source.sequenceNode.GetNumberOfDataNodes() - 1
            if not wanted:
                raise InputError(_("the range of frames is empty: the first frame comes after the last"))
            if wanted[-1] > last:
                raise InputError(_("the sequence has frames 0 to {last}: choose a range in it").format(last=last))
            return wanted
        return None

    # -- what buttons do --------------------------------------------------------------------------

    def _onAddModel(self) -> None:
        file = qt.QFileDialog.getOpenFileName(
            self._ui.addModelButton, _("Add a model"), "", _("Models") + " (model.json *.pth)"
        )
        if not file:
            return
        try:
            source = addModel(Path(file), self._modelsFolder)
        except InputError as error:
            self._ui.statusLabel.text = str(error)
            return
        self._fillModels()
        self._parameterNode.model = source
        self.update()

    def _onOpenModelFolder(self) -> None:
        self._modelsFolder.mkdir(parents=True, exist_ok=True)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._modelsFolder)))

    def _onCreateRoi(self) -> None:
        source = resolveInput(self._parameterNode.inputSequence)
        self._parameterNode.roi = roiAround(source)

    def _onApply(self) -> None:
        if not installMissing():
            return
        request = self._request()
        if self._run is not None and self._run.state == "running":
            self._waiting.append(request)
            self._showRun(self._run)
        else:
            self._start(request)

    def _start(self, request: Request) -> None:
        self._ui.unfinishedWidget.visible = False
        self._ui.resultsCollapsibleButton.collapsed = False
        try:
            self._run = BackgroundRun(request, self._python, self._showRun)
        except OSError as error:
            self._ui.statusLabel.text = _("The run cannot start: {error}").format(error=error)
            return
        self._showRun(self._run)

    def _onCancel(self) -> None:
        self._waiting.clear()
        self._run.cancel()

    def _onUnfinished(self, keep: bool) -> None:
        if not keep:  # to keep them needs nothing: they are in the scene
            self._run.discard()
            self._results.clear()
        self._ui.unfinishedWidget.visible = False
        self.update()

    def _onCopyLog(self) -> None:
        slicer.app.clipboard().setText(self._ui.logText.plainText)

    # -- runs -------------------------------------------------------------------------------------

    def _showRun(self, run: BackgroundRun) -> None:
        """Called whenever a run has something new, and when it has ended."""
        ui = self._ui
        running = run.state == "running"
        ui.cancelButton.enabled = running
        ui.statusLabel.text = self._status(run)
        total = len(run.request.job.wanted or run.request.job.index_values)
        ui.progressBar.maximum = total
        ui.progressBar.value = len(run.numbers)
        log = "\n".join(run.log)
        if ui.logText.plainText != log:
            ui.logText.plainText = log
        self._results.show(run)
        if running:
            return
        ui.unfinishedWidget.visible = run.state != "done" and bool(run.numbers)
        self.update()
        if run.state == "done" and self._waiting:
            self._start(self._waiting.popleft())

    def _status(self, run: BackgroundRun) -> str:
        if run.state == "done":
            return _("Done: {count} frames.").format(count=len(run.numbers))
        if run.state != "running":
            return run.message
        text = _("Starting...")
        if run.progress is not None:
            text = _("frame {frame} of {frames}, tile {tile} of {tiles}").format(**run.progress)
            if run.progress["seconds_left"] is not None:
                text += _(", {seconds:.0f} s left").format(seconds=run.progress["seconds_left"])
        if self._waiting:
            text += _(" ({count} more waiting)").format(count=len(self._waiting))
        return text

    def close(self) -> None:
        """The panel goes: end everything that it started."""
        self._deviceQuestion.close()
        self.abandonRuns()
        self.setParameterNode(None)

    def abandonRuns(self) -> None:
        """End everything that runs or waits, and touch the scene no more: it is closing."""
        self._waiting.clear()
        self._teach.close()
        if self._run is not None:
            self._run.abandon()
            self._run = None
        ui = self._ui
        ui.cancelButton.enabled = ui.unfinishedWidget.visible = False
        ui.progressBar.value = 0
        ui.statusLabel.text = ""
        self._results.clear()
