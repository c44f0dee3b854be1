"""The Teach section of the panel: which frames are annotated, and a teaching job in a worker process."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError, RunFailed
from ..core.own_folder import OwnFolder
from ..core.progress import TeachingProgress
from ..model.description import Model, check_name
from ..scene.annotations import (
    newAnnotation,
    readAnnotations,
    readPropagated,
    replacesDrawing,
    useAsAnnotation,
)
from ..scene.inputs import SequenceFrames, SequenceInput, resolveInput
from ..teaching.teaching_folders import check_nobody_teaches, preview_path, started_job, teaching_folder
from ..teaching.teaching_settings import TeachingSettings
from ..teaching.training_set import least_complete, write_training_set
from ..worker.events import Done, Event, Failed, Note
from ..worker.work_folder import PAUSE, RUN, STOP, WorkFolder
from ..worker.worker_process import TEACH, Worker
from .annotated_frames_list import AnnotatedFramesList
from .busy import busy
from .dependencies import TO_TEACH
from .parameter_node import CLSTMSegmentParameterNode, hasFrames
from .remote_section import RemoteSection
from .repeating_timer import RepeatingTimer
from .reported_slots import reporting, telling, unexpected

TICK_MS = 200


class TeachSection:
    """Everything behind the widgets of the Teach section.

    Args:
        ui: the panel's widgets.
        remote: makes the worker of a teaching job, and installs what it needs.
        modelsFolder: where taught models go.
        taught: called with the folder of a new model.
    """

    def __init__(self, ui: object, remote: RemoteSection, modelsFolder: Path, taught: Callable[[str], None]):
        self._ui = ui
        self._tell = telling(ui.teachStatusLabel)
        self._remote = remote
        self._modelsFolder = modelsFolder
        self._taught = taught
        self._parameters: CLSTMSegmentParameterNode | None = None
        self._folder: WorkFolder | None = None
        self._worker: Worker | None = None
        self._sign: OwnFolder | None = None
        self._frames = AnnotatedFramesList(ui)
        self._timer = RepeatingTimer(TICK_MS, self._tick)
        for widget, signal, slot in (
            (ui.teachCollapsibleButton, "contentsCollapsed(bool)", lambda _collapsed: self._refresh()),
            (ui.teachFromComboBox, "currentIndexChanged(int)", self._onFrom),
            (ui.newAnnotationButton, "clicked()", self._onNewAnnotation),
            (ui.useAsAnnotationButton, "clicked()", self._onUseAsAnnotation),
            (ui.teachButton, "clicked()", self._onTeach),
            (ui.pauseTeachingButton, "toggled(bool)", self._onPause),
            (ui.stopTeachingButton, "clicked()", self._onStop),
        ):
            widget.connect(signal, reporting(ui.teachStatusLabel, slot))

    def fillModels(self, models: dict[str, Model]) -> None:
        """Offer these models to begin with."""
        box = self._ui.teachFromComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        box.addItem(_("Nothing"), "")
        for source, model in models.items():
            box.addItem(model.title, source)
        box.blockSignals(wasBlocked)

    def update(self, parameters: CLSTMSegmentParameterNode) -> None:
        """Bring the section up to date with the settings and the scene."""
        self._parameters = parameters
        self._refresh()

    def _refresh(self) -> None:
        ui, parameters = self._ui, self._parameters
        # looking through an annotation takes time, for which users who do not teach need not wait
        if parameters is None or ui.teachCollapsibleButton.collapsed:
            return
        box = ui.teachFromComboBox
        wasBlocked = box.blockSignals(True)
        box.currentIndex = max(box.findData(parameters.teachFrom), 0)
        box.blockSignals(wasBlocked)
        annotationNode = parameters.annotationSequence
        self._frames.show(annotationNode, parameters.inputSequence if hasFrames(parameters) else None)
        obstacle = self._obstacle()
        ui.teachButton.enabled = obstacle is None
        ui.teachButton.toolTip = obstacle or _("Make a model from the annotated frames.")
        ui.newAnnotationButton.enabled = hasFrames(parameters)
        outputNode = parameters.outputSequence
        ui.useAsAnnotationButton.enabled = (
            hasFrames(parameters)
            and annotationNode is not None
            and outputNode is not None
            and outputNode is not annotationNode
        )

    def _obstacle(self) -> str | None:
        """Return why nothing can be taught now, and what to do; None when it can."""
        if self._worker is not None:
            return _("A teaching job is running.")
        if self._parameters.inputSequence is None:
            return _("Choose an input first.")
        if not hasFrames(self._parameters):
            return _("Choose a sequence as the input: a single volume cannot be taught.")
        if not self._frames.frames:
            return _("Choose an annotation with annotated frames, or make a new one and draw in some frames.")
        return None

    # -- what buttons do --------------------------------------------------------------------------

    def _onFrom(self, _index: int) -> None:
        if self._parameters is not None:
            self._parameters.teachFrom = self._ui.teachFromComboBox.currentData or ""

    def _source(self) -> SequenceInput:
        return resolveInput(self._parameters.inputSequence)

    def _onNewAnnotation(self) -> None:
        name = f"{self._parameters.inputSequence.GetName()} {_('annotation')}"
        with busy(self._ui.teachStatusLabel):
            self._parameters.annotationSequence = newAnnotation(self._source(), name)

    def _onUseAsAnnotation(self) -> None:
        parameters, box = self._parameters, self._ui.teachFromComboBox
        nodes = self._source(), parameters.outputSequence, parameters.annotationSequence
        question = _("What you drew in this frame of the annotation will be replaced.")
        if replacesDrawing(*nodes) and not slicer.util.confirmOkCancelDisplay(question, _("Teach")):
            return
        number = useAsAnnotation(*nodes)
        self._ui.teachStatusLabel.text = _("Frame {number} is annotated now.").format(number=number)
        # the next teaching job begins with the model that made this frame
        if box.findData(parameters.model) >= 0:
            parameters.teachFrom = parameters.model
        self.update(parameters)

    def _onTeach(self) -> None:
        if self._remote.ensure(TO_TEACH, self._tell) and self._parameters is not None:
            self._start(self._jobFolder())

    def _jobFolder(self) -> WorkFolder:
        """Return the folder of the teaching job: a new one, or the unfinished one of this name if the user agrees."""
        name = self._parameters.teachName.strip()
        check_name(name)
        path = teaching_folder(self._modelsFolder, name)
        if os.path.lexists(self._modelsFolder / name):
            raise InputError(_("There is a model {name!r} already: choose another name.").format(name=name))
        if path.exists():
            check_nobody_teaches(path)
            question = _(
                "A teaching job of this name is not finished. Do you want to resume it, with the annotation that it "
                "began with? Choose No to remove it and to start a new job."
            )
            resume = slicer.util.confirmYesNoDisplay(question, _("Teach"))
            check_nobody_teaches(path)  # it may have been begun while the question was asked
            if resume:
                return WorkFolder(path)
            shutil.rmtree(path)
        self._writeTrainingSet(path, name)
        return WorkFolder(path)

    def _writeTrainingSet(self, path: Path, name: str) -> None:
        parameters, source = self._parameters, self._source()
        with busy(self._ui.teachStatusLabel) as show:
            show(_("Reading the annotations..."))
            segments, drawn = readAnnotations(parameters.annotationSequence, source)
            propagated = {}
            if parameters.learnFromPropagated:
                propagated = readPropagated(parameters.annotationSequence, source, segments)
        if parameters.ejectingChamber:
            segments = (replace(segments[0], ejecting_chamber=True), *segments[1:])
        settings = TeachingSettings(
            name,
            segments,
            initial=parameters.teachFrom or None,
            minutes=parameters.teachMinutes,
            device=parameters.device,
            hold_out_frames=parameters.holdOutFrames,
            propagated_frames=tuple((0, number) for number in propagated),
        )
        marks = self._frames.marks(drawn)
        marks |= dict.fromkeys(propagated, least_complete(marks.values()))
        sequences = [(SequenceFrames(source.sequenceNode), drawn | propagated)]
        byFrame = {(0, number): mark for number, mark in marks.items()}
        with busy(self._ui.teachStatusLabel) as show:
            text = _("Preparing the images: {done} of {total}")
            write_training_set(
                path, settings, sequences, byFrame, lambda done, total: show(text.format(done=done, total=total))
            )

    def _start(self, folder: WorkFolder) -> None:
        worker = self._remote.makeWorker(TEACH, folder, (str(self._modelsFolder),))
        sign = started_job(folder.path)
        try:
            worker.start()
        except (InputError, OSError):
            sign.remove()
            raise
        self._folder, self._worker, self._sign = folder, worker, sign
        ui = self._ui
        ui.pauseTeachingButton.checked = False
        ui.pauseTeachingButton.enabled = ui.stopTeachingButton.enabled = True
        ui.teachStatusLabel.text = _("Starting...")
        self._timer.start()
        self.update(self._parameters)

    def _onPause(self, paused: bool) -> None:
        if self._worker is not None:
            self._folder.control(PAUSE if paused else RUN)

    def _onStop(self) -> None:
        pauseButton = self._ui.pauseTeachingButton
        pauseButton.checked = pauseButton.enabled = False  # to pause or resume now would undo the stop
        self._folder.control(STOP)
        self._ui.teachStatusLabel.text = _("Stopping...")

    # -- the teaching job -------------------------------------------------------------------------

    def _tick(self) -> None:
        try:
            for event in self._worker.poll():
                self._take(event)
        except (InputError, RunFailed, OSError) as error:
            self._end(str(error))
        except Exception as error:
            self._end(unexpected(error))
            raise

    def _take(self, event: Event) -> None:
        ui = self._ui
        match event:
            case Note(text):
                ui.logText.appendPlainText(text)
            case TeachingProgress():
                text = _("training {training} of {trainings}, step {step} of {steps}, loss {loss:.3f}")
                ui.teachStatusLabel.text = text.format(**asdict(event))
                if event.seconds_left is not None:
                    ui.teachStatusLabel.text += _(", {seconds} s left").format(seconds=event.seconds_left)
                if event.dice is not None:
                    self._showPreview(event.dice)
            case Done(model_folder=model):
                folder = self._folder
                self._end(_("Taught: {name}. Press Segment to use it.").format(name=Path(model).name))
                self._taught(model)
                folder.remove()
            case Failed(message, details):
                if details:
                    ui.logText.appendPlainText(details)
                self._end(message)

    def _showPreview(self, dice: float) -> None:
        picture = qt.QPixmap(str(preview_path(self._folder.path)))
        if not picture.isNull():  # as it is while the worker replaces the file
            self._ui.teachPreviewLabel.setPixmap(picture.scaledToWidth(360))
            self._ui.teachPreviewLabel.toolTip = _(
                "The annotation is tinted, the result so far outlined: Dice {dice:.3f}."
            ).format(dice=dice)

    def _end(self, message: str) -> None:
        self._timer.stop()
        if self._worker is not None:
            self._worker.end()
            self._sign.remove()
        self._folder = self._worker = self._sign = None
        ui = self._ui
        ui.pauseTeachingButton.enabled = ui.stopTeachingButton.enabled = False
        ui.teachStatusLabel.text = message
        if self._parameters is not None:
            self.update(self._parameters)

    def close(self) -> None:
        """End the worker, and show nothing of its patient any more; the teaching job can be resumed later."""
        self._end("")
        self._ui.teachPreviewLabel.clear()
        self._ui.teachPreviewLabel.toolTip = ""
        self._parameters = None
        self._frames.show(None, None)  # nodes of the next scene may have the same IDs, and are those of other patients
