"""The Teach section of the panel: what is annotated, and a lesson learnt in a worker process."""

import shutil
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..core.errors import InputError
from ..model.description import Model, check_name
from ..scene.annotations import annotatedFrames, newAnnotation, readAnnotations, useAsAnnotation
from ..scene.inputs import SequenceFrames, SequenceInput, holds, resolveInput
from ..teaching.training_set import PREVIEW, WISH, Lesson, lesson_folder, write_lesson
from ..worker.job_folder import write_whole
from ..worker.worker_process import WorkerProcess
from .dependencies import TO_TEACH, installMissing
from .parameter_node import CLSTMSegmentParameterNode

TICK_MS = 200


class TeachView:
    """Everything behind the widgets of the Teach section.

    Args:
        ui: the panel's widgets.
        python: the interpreter of the worker process.
        modelsFolder: where taught models go.
        taught: called with the folder of a new model.
    """

    def __init__(self, ui: object, python: str, modelsFolder: Path, taught: Callable[[str], None]):
        self._ui = ui
        self._python = python
        self._modelsFolder = modelsFolder
        self._taught = taught
        self._parameters: CLSTMSegmentParameterNode | None = None
        self._teacher: WorkerProcess | None = None
        self._shownFrames: list[int] = []
        self._timer = qt.QTimer()
        self._timer.interval = TICK_MS
        self._timer.connect("timeout()", self._tick)
        ui.teachCollapsibleButton.connect("contentsCollapsed(bool)", lambda _collapsed: self._refresh())
        ui.teachFromComboBox.connect("currentIndexChanged(int)", self._onFrom)
        for text, mark in (
            (_("Drawn segments are complete"), "drawn"),
            (_("Complete in the slices drawn in"), "slices"),
            (_("Only parts are drawn"), "partly"),
        ):
            ui.drawnComboBox.addItem(text, mark)
        ui.newAnnotationButton.connect("clicked()", self._onNewAnnotation)
        ui.useAsAnnotationButton.connect("clicked()", self._onUseAsAnnotation)
        ui.teachButton.connect("clicked()", self._onTeach)
        ui.pauseTeachingButton.connect("toggled(bool)", self._onPause)
        ui.stopTeachingButton.connect("clicked()", self._onStop)

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
        """Bring the section to what the settings and the scene say."""
        self._parameters = parameters
        self._refresh()

    def _refresh(self) -> None:
        ui, parameters = self._ui, self._parameters
        # to look through an annotation takes time, which those who do not teach need not wait for
        if parameters is None or ui.teachCollapsibleButton.collapsed:
            return
        box = ui.teachFromComboBox
        wasBlocked = box.blockSignals(True)
        box.currentIndex = max(box.findData(parameters.teachFrom), 0)
        box.blockSignals(wasBlocked)
        annotationNode = parameters.annotationSequence
        self._showFrames(annotationNode)
        obstacle = self._obstacle()
        ui.teachButton.enabled = obstacle is None
        ui.teachButton.toolTip = obstacle or _("Make a model of what is drawn.")
        ui.newAnnotationButton.enabled = parameters.inputSequence is not None
        outputNode = parameters.outputSequence
        ui.useAsAnnotationButton.enabled = (
            annotationNode is not None and outputNode is not None and outputNode is not annotationNode
        )

    def _showFrames(self, annotationNode: slicer.vtkMRMLSequenceNode | None) -> None:
        frames = []
        if annotationNode is not None and holds(annotationNode, "vtkMRMLSegmentationNode"):
            frames = annotatedFrames(annotationNode)
        if frames == self._shownFrames:
            return
        checked = set(self._wholeFrames())
        self._shownFrames = frames
        self._ui.annotatedFramesList.clear()
        for number in frames:
            item = qt.QListWidgetItem(_("frame {number} is fully annotated").format(number=number))
            item.setCheckState(qt.Qt.Checked if number in checked else qt.Qt.Unchecked)
            self._ui.annotatedFramesList.addItem(item)

    def _wholeFrames(self) -> list[int]:
        items = (self._ui.annotatedFramesList.item(row) for row in range(self._ui.annotatedFramesList.count))
        return [n for n, item in zip(self._shownFrames, items, strict=True) if item.checkState() == qt.Qt.Checked]

    def _obstacle(self) -> str | None:
        """Why nothing can be taught now, and what to do; None when it can."""
        parameters = self._parameters
        if self._teacher is not None:
            return _("A lesson is being learnt.")
        if parameters.inputSequence is None:
            return _("Choose an input first.")
        if not self._shownFrames:
            return _("Choose an annotation in which something is drawn, or make a new one and draw in some frames.")
        return None

    # -- what buttons do --------------------------------------------------------------------------

    def _onFrom(self, _index: int) -> None:
        if self._parameters is not None:
            self._parameters.teachFrom = self._ui.teachFromComboBox.currentData or ""

    def _source(self) -> SequenceInput:
        return resolveInput(self._parameters.inputSequence)

    def _onNewAnnotation(self) -> None:
        try:
            name = f"{self._parameters.inputSequence.GetName()} {_('annotation')}"
            self._parameters.annotationSequence = newAnnotation(self._source(), name)
        except InputError as error:
            self._ui.teachStatusLabel.text = str(error)

    def _onUseAsAnnotation(self) -> None:
        parameters = self._parameters
        try:
            number = useAsAnnotation(self._source(), parameters.outputSequence, parameters.annotationSequence)
        except InputError as error:
            self._ui.teachStatusLabel.text = str(error)
            return
        self._ui.teachStatusLabel.text = _("Frame {number} is annotated now.").format(number=number)
        # the next lesson goes on from the model that made that frame
        if parameters.model in [
            self._ui.teachFromComboBox.itemData(n) for n in range(self._ui.teachFromComboBox.count)
        ]:
            parameters.teachFrom = parameters.model
        self.update(parameters)

    def _onTeach(self) -> None:
        if not installMissing(TO_TEACH):
            return
        try:
            self._start(self._lesson())
        except (InputError, OSError) as error:
            self._ui.teachStatusLabel.text = str(error)

    def _lesson(self) -> Path:
        """The folder of the lesson: a new one, or the unfinished one of this name if the user wants that."""
        parameters = self._parameters
        name = parameters.teachName.strip()
        check_name(name)
        folder = lesson_folder(self._modelsFolder, name)
        if (self._modelsFolder / name).exists():
            raise InputError(_("There is a model {name!r} already: choose another name.").format(name=name))
        if folder.exists():
            if slicer.util.confirmYesNoDisplay(
                _("A lesson of this name was not finished. Go on with it, as it was drawn then? No: begin anew."),
                _("Teach"),
            ):
                return folder
            shutil.rmtree(folder)
        source = self._source()
        segments, annotations = readAnnotations(parameters.annotationSequence, source)
        lesson = Lesson(
            name,
            segments,
            initial=parameters.teachFrom or None,
            minutes=parameters.teachMinutes,
            device=parameters.device,
        )
        marks = dict.fromkeys(annotations, self._ui.drawnComboBox.currentData)
        marks |= dict.fromkeys(self._wholeFrames(), "whole")
        frames = SequenceFrames(source.sequenceNode)
        write_lesson(folder, lesson, [(frames, annotations)], {(0, n): mark for n, mark in marks.items()})
        return folder

    def _start(self, folder: Path) -> None:
        (folder / WISH).unlink(missing_ok=True)
        module = "CLSTMSegmentLib.worker.teach_in_folder"
        self._teacher = WorkerProcess(module, folder, self._python, (str(self._modelsFolder),))
        self._teacher.start()
        ui = self._ui
        ui.pauseTeachingButton.checked = False
        ui.pauseTeachingButton.enabled = ui.stopTeachingButton.enabled = True
        ui.teachStatusLabel.text = _("Starting...")
        self._timer.start()
        self.update(self._parameters)

    def _onPause(self, paused: bool) -> None:
        if self._teacher is not None:
            write_whole(self._teacher.folder / WISH, b"pause" if paused else b"")

    def _onStop(self) -> None:
        write_whole(self._teacher.folder / WISH, b"stop")
        self._ui.teachStatusLabel.text = _("Stopping...")

    # -- the lesson -------------------------------------------------------------------------------

    def _tick(self) -> None:
        for event in self._teacher.poll():
            self._handle(event)
            if self._teacher is None:
                return

    def _handle(self, event: dict) -> None:
        ui = self._ui
        if event["event"] == "progress":
            text = _("part {place}, step {step} of {steps}, loss {loss:.3f}").format(**event)
            if event["seconds_left"] is not None:
                text += _(", {seconds} s left").format(seconds=event["seconds_left"])
            ui.teachStatusLabel.text = text
            if event["dice"] is not None:
                self._showPreview(event["dice"])
        elif event["event"] == "done":
            folder = self._teacher.folder
            self._end(_("Taught: {name}. Press Segment to use it.").format(name=Path(event["model"]).name))
            shutil.rmtree(folder)
            self._taught(event["model"])
        elif event["event"] == "failed":
            self._end(event["message"])

    def _showPreview(self, dice: float) -> None:
        path = self._teacher.folder / PREVIEW
        if path.exists():
            self._ui.teachPreviewLabel.setPixmap(qt.QPixmap(str(path)).scaledToWidth(360))
            self._ui.teachPreviewLabel.toolTip = _("Drawn tinted, found outlined: Dice {dice:.3f}.").format(dice=dice)

    def _end(self, message: str) -> None:
        self._timer.stop()
        self._teacher.end()
        self._teacher = None
        ui = self._ui
        ui.pauseTeachingButton.enabled = ui.stopTeachingButton.enabled = False
        ui.teachStatusLabel.text = message
        if self._parameters is not None:
            self.update(self._parameters)

    def close(self) -> None:
        """End the worker; the lesson can be gone on with."""
        if self._teacher is not None:
            self._end("")
        self._parameters = None
