"""What the logic of the module teaches in the Python console."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import slicer

from ..core.errors import RunFailed
from ..core.progress import TeachingProgress
from ..teaching.teaching_folders import started_job
from ..worker.events import Done, Failed, Note
from ..worker.scheduler import Scheduler
from ..worker.work_folder import STOP, WorkFolder
from ..worker.worker_process import TEACH
from .run_on import checkedScheduler, makeLocalWorker, makeWorkerAt

POLL_S = 0.1
"""Seconds between two looks at a teaching job on a cluster."""


class TeachConsole:
    """Teaches models from annotated frames of the scene, in the Python console."""

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
                segments that are heart chambers and eject blood; `learn_from_propagated`, whether the propagated frames
                of the annotation are taught too, by default False; and `runOn`, see `ConsoleLogic.segment`.

        Returns:
            The folder of the new model, which `segment` takes as `model`.

        Raises:
            InputError: an unknown setting, or an input, annotation, address or setting that cannot be used; or Python
                packages are missing, which `setupPythonRequirements` installs.
            RunFailed: the teaching job failed; the message says what is kept. One that failed on a cluster can be
                resumed in the panel or on the command line.
        """
        from ..scene.annotations import readAnnotations, readPropagated
        from ..scene.inputs import SequenceFrames, resolveInput
        from ..scene.keywords import checkTeachingKeywords
        from ..teaching.teaching_folders import check_new_model, teaching_folder
        from ..teaching.teaching_settings import TeachingSettings
        from ..teaching.training_set import least_complete, write_training_set

        self.teachResult = None
        scheduler = checkedScheduler(settings.pop("runOn", None), toTeach=True)
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
        if scheduler is not None:
            model = _teachAt(scheduler, WorkFolder(folder), Path(modelsFolder), progress, cancelled)
            shutil.rmtree(folder)
            return model
        with started_job(folder):
            # this needs MONAI, which is not installed everywhere, and takes seconds to import
            from ..teaching.teaching_job import teach

            self.teachResult = teach(folder, Path(modelsFolder), progress, cancelled)
        shutil.rmtree(folder)
        logging.info("\n".join(self.teachResult.notes))
        return self.teachResult.folder


def _teachAt(
    scheduler: Scheduler,
    folder: WorkFolder,
    modelsFolder: Path,
    progress: Callable[[TeachingProgress], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Path:
    """Have the teaching job in a folder done by a cluster, and return the folder of the new model."""
    worker = makeWorkerAt(scheduler, makeLocalWorker())(TEACH, folder, (str(modelsFolder),))
    stopped, sign = False, started_job(folder.path)
    try:
        worker.start()
        while True:
            if not stopped and cancelled is not None and cancelled():
                stopped = True
                folder.control(STOP)
            for event in worker.poll():
                match event:
                    case TeachingProgress() if progress is not None:
                        progress(event)
                    case Note(text):
                        logging.info(text)
                    case Done(model_folder=model):
                        return Path(model)
                    case Failed(message):
                        raise RunFailed(message)
            time.sleep(POLL_S)
    finally:
        worker.end()
        sign.remove()
