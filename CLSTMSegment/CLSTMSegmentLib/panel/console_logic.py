"""What the logic of the module does for the Python console: runs and teaching jobs, in Slicer or beside it.

What needs PyTorch is imported where it is used, because PyTorch may be missing.
"""

import logging
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import slicer

from ..engine.settings import DEFAULT_MODEL
from .live_console import LiveConsole
from .worker_python import pythonOfWorkers


class ConsoleLogic(LiveConsole):
    """Segments sequences of the scene, and teaches models, in the Python console.

    Attributes:
        report: `engine.run_report.RunReport` of the last run: device, tiles, seconds and warnings.
        curve: `core.volume_curve.VolumeCurve` of the last run: volume of each segment in ml over time.
        volumesTableNode: the curve of the last finished run as a table.
        unfinished: after a cancelled or failed run, the frames that were finished before; `unfinished.publish()` adds
            them to the scene as a new sequence. None after a finished run.
        teachResult: `teaching.teaching_job.TeachResult` of the last teaching job: the model's folder, notes and scores.
    """

    def __init__(self):
        self.report = self.curve = self.volumesTableNode = self.unfinished = self.teachResult = None

    @property
    def flags(self) -> list:
        """Return the quality flags of the last run, each a `core.volume_curve.Flag`; none before the first run."""
        return self.curve.flags if self.curve is not None else []

    def setupPythonRequirements(self, toTeach: bool = False) -> None:
        """Install the Python packages that are missing, without asking.

        Args:
            toTeach: whether to install what `teach` needs too.

        Raises:
            InputError: they cannot be installed in this Slicer.
            RunFailed: they could not be installed.
        """
        from .dependencies import TO_SEGMENT, TO_TEACH, install

        install(TO_TEACH if toTeach else TO_SEGMENT)

    def segment(
        self,
        inputNode: slicer.vtkMRMLNode,
        model: str | Path = DEFAULT_MODEL,
        roi: slicer.vtkMRMLNode | None = None,
        output: slicer.vtkMRMLNode | None = None,
        progress: Callable | None = None,
        cancelled: Callable[[], bool] | None = None,
        **settings: object,
    ) -> slicer.vtkMRMLNode:
        """Segment a sequence or a single volume; the scene changes only when the run is finished.

        Args:
            inputNode: the sequence, its proxy volume or its browser; or a volume.
            model: name of a bundled model, folder of a model or published checkpoint of eksubin/CLSTM-Unet4D (`.pth`).
            roi: a markups ROI, outside of which nothing is segmented; None for the whole image.
            output: a segmentation sequence whose frames are replaced, or for a single volume a segmentation whose
                segments are; None for a new one. If it is removed or drawn in meanwhile, the result is a new one.
            progress: called with a `core.progress.Progress` before every tile.
            cancelled: asked before every tile; once it returns True, the run is cancelled.
            settings: `frames`, `device`, `precision`, `tile`, `overlap`, `ram_gb`, `state_rule`, `warm_up_frames` or
                `region` (instead of a ROI) of `engine.settings.RunSettings`; `frames` may be a sequence of numbers.

        Returns:
            The segmentation sequence node, which the input's browser plays; for a single volume the segmentation node.

        Raises:
            InputError: an unknown setting, or an input, model, ROI, output or setting that cannot be used; the input
                was removed or moved meanwhile; or packages are missing, which `setupPythonRequirements` installs.
            Cancelled: `cancelled` returned True; `self.unfinished` has the finished frames.
        """
        from .dependencies import TO_SEGMENT, checkInstalled

        checkInstalled(TO_SEGMENT)
        from ..engine.segmenter import Segmenter
        from ..model.bundle import load_model
        from ..scene.inputs import SequenceFrames
        from ..scene.single_output import outputFor
        from .run_requests import RunRequest

        self.report = self.curve = self.volumesTableNode = self.unfinished = None
        source, run = self._check(inputNode, model, roi, output, settings)
        segmenter = Segmenter(load_model(run.model), run)
        request = RunRequest(source, segmenter.model, run, output)
        finished = outputFor(segmenter.model, source)
        self.report, self.curve = segmenter.report, finished.curve
        frames = SequenceFrames(source.sequenceNode)
        for warning in frames.warnings:
            segmenter.report.warn(warning)
        for frame in segmenter.segment(frames, progress, cancelled):
            finished.add(frame)
            self.unfinished = finished
        outputNode = self._publish(finished, request)
        self.unfinished = None
        for warning in segmenter.report.warnings:
            logging.warning(warning)
        return outputNode

    def process(
        self,
        inputNode: slicer.vtkMRMLNode,
        model: str | Path = DEFAULT_MODEL,
        roi: slicer.vtkMRMLNode | None = None,
        output: slicer.vtkMRMLNode | None = None,
        onFrame: Callable | None = None,
        onFinished: Callable | None = None,
        **settings: object,
    ) -> object:
        """Segment in a process of its own: return at once, while Slicer goes on, as the panel does.

        Args:
            inputNode: see `segment`; so are `model`, `roi`, `output` and `settings`.
            onFrame: called with the number of each frame that is finished, once the frame is in the scene.
            onFinished: called once at the end, with the run.

        Returns:
            The run, a `panel.background_run.BackgroundRun`: `state` is "running", "done", "failed" or "cancelled";
            `message` says why it failed; `output`, `curve` and `report` are the results; `cancel()` ends it.

        Raises:
            InputError: see `segment`.
            OSError: the process cannot be started.
        """
        from ..model.bundle import load_model
        from ..worker.worker_process import WorkerProcess
        from .background_run import BackgroundRun
        from .dependencies import TO_SEGMENT, checkInstalled
        from .run_requests import RunRequest

        checkInstalled(TO_SEGMENT)
        source, run = self._check(inputNode, model, roi, output, settings)
        told: set[int] = set()

        def changed(run: BackgroundRun) -> None:
            for number in run.curve.numbers:
                if number not in told:
                    told.add(number)
                    if onFrame is not None:
                        onFrame(number)
            if run.state != "running" and onFinished is not None:
                onFinished(run)

        request = RunRequest(source, load_model(run.model), run, output)
        return BackgroundRun(request, partial(WorkerProcess, python=pythonOfWorkers()), changed)

    def _check(
        self,
        inputNode: slicer.vtkMRMLNode,
        model: str | Path,
        roi: slicer.vtkMRMLNode | None,
        output: slicer.vtkMRMLNode | None,
        settings: dict[str, object],
    ) -> tuple:
        """Return the input and the settings of a run; raise what `segment` raises for those that cannot be used."""
        from ..scene.inputs import regionFromROI, resolveInput
        from ..scene.keywords import runSettings
        from ..scene.single_output import checkOutputFor

        source = resolveInput(inputNode)
        if roi is not None:
            settings["region"] = regionFromROI(roi, source.proxyNode)
        if output is not None:
            checkOutputFor(output, source)
        return source, runSettings(model, settings)

    def propagate(
        self,
        inputNode: slicer.vtkMRMLNode,
        annotationNode: slicer.vtkMRMLSequenceNode,
        cyclic: bool = False,
        output: slicer.vtkMRMLNode | None = None,
        progress: Callable | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> slicer.vtkMRMLSequenceNode:
        """Label all frames of a sequence from one or a few annotated frames, by registration, without a model.

        Args:
            inputNode: the sequence of scalar volumes, its proxy volume or its browser.
            annotationNode: segmentation sequence; a frame without a drawn segment is not annotated, and in all others
                every segment is complete. Of a result, the frames are annotated that the user corrected, and of a
                result of a propagation also those that were annotated before.
            cyclic: whether the first frame follows the last one, as in a heartbeat.
            output: a segmentation sequence whose frames are replaced; None for a new one. It may be the annotation,
                whose annotated frames stay as they are; if the user draws in it meanwhile, the result is a new one.
            progress: called with a `core.progress.Progress` after every registration.
            cancelled: asked before every registration; once it returns True, the propagation is cancelled.

        Returns:
            The segmentation sequence node, which the input's browser plays.

        Raises:
            InputError: an input, annotation or output that cannot be used.
            Cancelled: `cancelled` returned True.
        """
        from ..propagation.propagator import Propagator
        from ..scene.inputs import SequenceFrames, resolveInput
        from ..scene.single_output import outputFor
        from .run_requests import PropagationRequest

        self.report = self.curve = self.volumesTableNode = self.unfinished = None
        source = resolveInput(inputNode)
        request = PropagationRequest.read(source, annotationNode, cyclic, output)
        finished = outputFor(request.model, source)
        self.curve = finished.curve
        propagator = Propagator(SequenceFrames(source.sequenceNode), request.annotations, cyclic)
        for frame in propagator.run(progress, cancelled):
            request.add(finished, frame.result, frame.flags())
        return self._publish(finished, request)

    def _publish(self, finished: object, request: object) -> slicer.vtkMRMLNode:
        """Add a finished output to the scene, or replace the one that the request names; return its node."""
        from .run_requests import outputToReplace

        request.source.checkUnchanged()
        outputNode, text = outputToReplace(request)
        if text:
            logging.warning(text)
        outputNode = finished.publish(outputNode)
        self.volumesTableNode = finished.tableNode
        return outputNode

    def teach(
        self,
        inputNode: slicer.vtkMRMLNode,
        annotationNode: slicer.vtkMRMLSequenceNode,
        name: str,
        modelsFolder: str | Path,
        progress: Callable | None = None,
        cancelled: Callable[[], bool] | None = None,
        **settings: object,
    ) -> Path:
        """Teach a model from the annotated frames of a sequence.

        Args:
            inputNode: the sequence of scalar volumes, its proxy volume or its browser.
            annotationNode: segmentation sequence; a frame without a drawn segment is not annotated.
            name: name of the new model.
            modelsFolder: folder in which the folder of the new model is made.
            progress: called with a `core.progress.TeachingProgress` after every step.
            cancelled: asked after every step; once it returns True, the best network so far becomes the model.
            settings: `initial`, `minutes`, `device` and `hold_out_frames` of
                `teaching.teaching_settings.TeachingSettings`; `marks`, which says by frame number how complete an
                annotation is, see `teaching.training_set.AnnotatedFrame`; `ejecting_chambers`, the names of the
                segments that are heart chambers and eject blood; and `learn_from_propagated`, whether the propagated
                frames of the annotation are taught too, by default False.

        Returns:
            The folder of the new model, which `segment` takes as `model`.

        Raises:
            InputError: an unknown setting, or an input, annotation or setting that cannot be used; or Python packages
                are missing, which `setupPythonRequirements` installs.
            RunFailed: the teaching job failed; the message says what is kept.
        """
        from .dependencies import TO_TEACH, checkInstalled

        checkInstalled(TO_TEACH)
        from ..scene.annotations import readAnnotations, readPropagated
        from ..scene.inputs import SequenceFrames, resolveInput
        from ..scene.keywords import checkTeachingKeywords
        from ..teaching.teaching_job import teach
        from ..teaching.teaching_settings import TeachingSettings
        from ..teaching.training_set import check_new_model, least_complete, teaching_folder, write_training_set

        self.teachResult = None
        checkTeachingKeywords(settings)
        marks, chambers = settings.pop("marks", {}), settings.pop("ejecting_chambers", ())
        fromPropagated = settings.pop("learn_from_propagated", False)
        if settings.get("initial") is not None:
            settings["initial"] = str(settings["initial"])
        source = resolveInput(inputNode)
        segments, drawn = readAnnotations(annotationNode, source, chambers)
        propagated = readPropagated(annotationNode, source, segments) if fromPropagated else {}
        least = least_complete(marks.get(number, "drawn") for number in drawn)
        marks = {**marks, **dict.fromkeys(propagated, least)}
        job = TeachingSettings(name, segments, **settings, propagated_frames=tuple((0, n) for n in propagated))
        check_new_model(Path(modelsFolder), name)
        folder = teaching_folder(Path(modelsFolder), name)
        sequences = [(SequenceFrames(source.sequenceNode), drawn | propagated)]
        write_training_set(folder, job, sequences, {(0, number): mark for number, mark in marks.items()})
        self.teachResult = teach(folder, Path(modelsFolder), progress, cancelled)
        shutil.rmtree(folder)
        logging.info("\n".join(self.teachResult.notes))
        return self.teachResult.folder
