"""What the logic of the module does for the Python console: runs and teaching jobs, in Slicer or beside it.

What needs PyTorch is imported where it is used, because PyTorch may be missing.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import slicer

from ..core.errors import Cancelled, RunFailed
from ..engine.settings import DEFAULT_MODEL, RunSettings
from ..scene.inputs import SequenceInput
from ..worker.scheduler import Scheduler
from .live_console import LiveConsole
from .run_on import checkedScheduler, makeLocalWorker, makeWorkerAt
from .teach_console import TeachConsole


class ConsoleLogic(LiveConsole, TeachConsole):
    """Segments sequences of the scene, and teaches models, in the Python console.

    Attributes:
        report: `engine.run_report.RunReport` of the last run: device, tiles, seconds and warnings.
        curve: `core.volume_curve.VolumeCurve` of the last run: volume of each segment in ml over time.
        volumesTableNode: the curve of the last finished run as a table.
        unfinished: after a cancelled or failed run, the frames that were finished before; `unfinished.publish()` adds
            them to the scene as a new sequence, unless the input was removed or moved. None after a finished run.
        teachResult: `teaching.teaching_job.TeachResult` of the last teaching job: the model's folder, notes and scores.
            None after one on a cluster, whose scores are in the `model.json` of the model.
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
                segments are; None for a new one. If it is removed or changed meanwhile, the result is a new one.
            progress: called with a `core.progress.Progress` before every tile.
            cancelled: asked before every tile; once it returns True, the run is cancelled.
            settings: `frames`, `device`, `precision`, `tile`, `overlap`, `ram_gb`, `state_rule`, `warm_up_frames` or
                `region` (instead of a ROI) of `engine.settings.RunSettings`; `frames` may be a sequence of numbers.
                And `runOn`, the address of the scheduler of a Dask cluster that does the run, with the certificates
                that are chosen in the panel, or a `worker.scheduler.Scheduler` with its own.

        Returns:
            The segmentation sequence node, which the input's browser plays; for a single volume the segmentation node.

        Raises:
            InputError: an unknown setting, or an input, model, ROI, output, address or setting that cannot be used; the
                input was removed or moved meanwhile; or packages are missing, which `setupPythonRequirements` installs.
            Cancelled: `cancelled` returned True; `self.unfinished` has the finished frames.
            RunFailed: the run failed on the cluster; `self.unfinished` has the finished frames.
        """
        scheduler = checkedScheduler(settings.pop("runOn", None), toTeach=False)
        self.report = self.curve = self.volumesTableNode = self.unfinished = None
        source, run = self._check(inputNode, model, roi, output, settings)
        if scheduler is not None:
            return self._segmentAt(scheduler, source, run, output, progress, cancelled)
        from ..engine.segmenter import Segmenter
        from ..model.bundle import load_model
        from ..scene.single_output import outputFor
        from .run_requests import RunRequest

        segmenter = Segmenter(load_model(run.model), run)
        request = RunRequest(source, segmenter.model, run, output)
        finished = outputFor(segmenter.model, source, request.frames)
        self.report, self.curve = segmenter.report, finished.curve
        for warning in request.frames.warnings:
            segmenter.report.warn(warning)
        for frame in segmenter.segment(request.frames, progress, cancelled):
            finished.add(frame)
            self.unfinished = finished
        return self._publish(finished, request)

    def _segmentAt(
        self,
        scheduler: Scheduler,
        source: SequenceInput,
        settings: RunSettings,
        output: slicer.vtkMRMLNode | None,
        progress: Callable | None,
        cancelled: Callable[[], bool] | None,
    ) -> slicer.vtkMRMLNode:
        """Do what `segment` does, by a cluster."""
        from ..model.bundle import load_model
        from .background_run import BackgroundRun
        from .run_requests import RunRequest

        told = []

        def changed(run: BackgroundRun) -> None:
            if progress is not None and run.progress is not None and run.progress not in told[-1:]:
                told.append(run.progress)
                progress(run.progress)

        request = RunRequest(source, load_model(settings.model), settings, output)
        run = BackgroundRun(request, makeWorkerAt(scheduler, makeLocalWorker()), changed, shown=False)
        self.curve = run.curve
        run.wait(cancelled or (lambda: False))
        self.report, self.unfinished = run.report, run.output if run.curve.frames else None
        logging.info("\n".join(run.log))
        if run.state != "done":
            raise Cancelled if run.state == "cancelled" else RunFailed(run.message)
        return self._publish(run.output, request)

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
        from .background_run import BackgroundRun
        from .run_requests import RunRequest

        scheduler = checkedScheduler(settings.pop("runOn", None), toTeach=False)
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
        return BackgroundRun(request, makeWorkerAt(scheduler, makeLocalWorker()), changed)

    def _check(
        self,
        inputNode: slicer.vtkMRMLNode,
        model: str | Path,
        roi: slicer.vtkMRMLNode | None,
        output: slicer.vtkMRMLNode | None,
        settings: dict[str, object],
    ) -> tuple:
        """Return the input and the settings of a run; raise what `segment` raises for those that cannot be used."""
        from ..scene.inputs import resolveInput
        from ..scene.keywords import runSettings
        from ..scene.output_choice import checkOutputFor
        from ..scene.regions import regionOfRun

        source = resolveInput(inputNode)
        if roi is not None:
            settings["region"] = regionOfRun(roi, source)
        if output is not None:
            checkOutputFor(output, source)
        return source, runSettings(model, settings, ["runOn"])

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
        from ..scene.inputs import resolveInput
        from ..scene.single_output import outputFor
        from .run_requests import PropagationRequest

        self.report = self.curve = self.volumesTableNode = self.unfinished = None
        source = resolveInput(inputNode)
        request = PropagationRequest.read(source, annotationNode, cyclic, output)
        finished = outputFor(request.model, source, request.frames)
        self.curve = finished.curve
        propagator = Propagator(request.frames, request.annotations, cyclic)
        for frame in propagator.run(progress, cancelled):
            request.add(finished, frame.result, frame.flags())
        return self._publish(finished, request)

    def _publish(self, finished: object, request: object) -> slicer.vtkMRMLNode:
        """Add a finished output to the scene, or replace the one that the request names; return its node."""
        from .replacement_question import outputToReplace

        outputNode, text = outputToReplace(request)
        outputNode = finished.publish(outputNode)
        self.volumesTableNode, self.unfinished = finished.tableNode, None
        warnings = self.report.warnings if self.report is not None else []
        for warning in filter(None, [text, request.changes(finished.curve), request.elsewhere(finished), *warnings]):
            logging.warning(warning)
        return outputNode
