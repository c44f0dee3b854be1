"""CLSTMSegment: segments 4D (3D + time) images with a recurrent U-Net, one frame after the other."""

import logging
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if (slicer.app.majorVersion, slicer.app.minorVersion) < (5, 10):  # its Python is too old for what follows
    raise RuntimeError(
        _("CLSTM Segment needs Slicer 5.10 or later; this is Slicer {major}.{minor}.").format(
            major=slicer.app.majorVersion, minor=slicer.app.minorVersion
        )
    )

from CLSTMSegmentLib.engine.settings import DEFAULT_MODEL
from CLSTMSegmentLib.panel.sample_data import registerSampleData


class CLSTMSegment(ScriptedLoadableModule):
    """The module as Slicer lists it: title, category, help text and acknowledgement."""

    def __init__(self, parent: object):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("CLSTM Segment")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Sequences", "Segmentations"]
        parent.contributors = ["CLSTMSegment contributors"]
        parent.helpText = _(
            "Segments every frame of a sequence of volumes (cine MR, 4D CT, 4D ultrasound) with a recurrent neural "
            "network, which takes the earlier frames into account. The result is a segmentation sequence that plays "
            "together with the images, and a curve of the segment volumes over time. Choose a sequence and press "
            "Segment. In the Python console, use "
            "<tt>CLSTMSegment.CLSTMSegmentLogic().segment(sequenceNode, model='cardiac-cine-lv')</tt>. "
            "This module is for research, not for clinical decisions."
        )
        parent.acknowledgementText = _(
            "The bundled heart model was trained on the Sunnybrook Cardiac Data (Radau et al., MIDAS Journal 2009)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def pythonOfWorkers() -> str:
    """Return the interpreter of the worker processes."""
    return shutil.which("PythonSlicer") or sys.executable


class CLSTMSegmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel as Slicer shows it; `panel.segment_panel.SegmentPanel` connects its widgets."""

    def __init__(self, parent: object | None = None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None

    def setup(self) -> None:
        """Load the widgets; Slicer calls this once, when it shows the module for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from CLSTMSegmentLib.panel.segment_panel import SegmentPanel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CLSTMSegment.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = CLSTMSegmentLogic()
        settingsFolder = Path(slicer.app.slicerUserSettingsFilePath).parent
        self.panel = SegmentPanel(self.ui, pythonOfWorkers(), settingsFolder / "CLSTMSegment" / "Models")
        scene = slicer.mrmlScene
        for event, method in (
            (scene.StartCloseEvent, self.onSceneStartClose),
            (scene.EndCloseEvent, self.onSceneEnd),
            (scene.StartImportEvent, self.onSceneStartImport),
            (scene.EndImportEvent, self.onSceneEnd),
            (scene.NodeAddedEvent, self.onNodeAdded),
            (scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved),
            (scene.NodeRemovedEvent, self.onSceneChanged),
        ):
            self.addObserver(scene, event, method)
        self.useParameterNode()

    def cleanup(self) -> None:
        """End all runs; Slicer calls this when it reloads the module or quits."""
        self.panel.close()
        self.removeObservers()

    def onReload(self) -> None:
        """Read the files of the library again too; the button *Reload* of the developer mode calls this."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "CLSTMSegmentLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self) -> None:
        """Suggest the volume in the slice views as the input; Slicer calls this when the user opens the module."""
        self.useParameterNode()
        self.panel.preselect()

    def useParameterNode(self) -> None:
        """Show the settings of the panel that are saved with the scene."""
        from CLSTMSegmentLib.panel.parameter_node import CLSTMSegmentParameterNode

        self.panel.setParameterNode(CLSTMSegmentParameterNode(self.logic.getParameterNode()))

    def onSceneStartClose(self, caller: object, event: object) -> None:
        """End all runs before the scene is closed."""
        self.panel.abandonRuns()
        self.panel.setParameterNode(None)

    def onSceneStartImport(self, caller: object, event: object) -> None:
        """Show no settings while a scene is loaded: a node that is chosen there is not in the scene yet."""
        self.panel.setParameterNode(None)

    def onSceneEnd(self, caller: object, event: object) -> None:
        """Show the settings of the scene that was loaded, or the default settings after a scene was closed."""
        self.useParameterNode()

    def onSceneChanged(self, caller: object, event: object) -> None:
        """Update the panel after a node was added or removed."""
        if not slicer.mrmlScene.IsBatchProcessing():  # while a scene is loaded, wait for the end of the import
            self.panel.update()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller: object, event: object, node: slicer.vtkMRMLNode) -> None:
        """Suggest a sequence that the user loads while the module is open."""
        self.onSceneChanged(caller, event)
        if node.IsA("vtkMRMLSequenceNode"):
            qt.QTimer.singleShot(0, self.panel.preselect)  # once it is loaded completely, and shown

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller: object, event: object, node: slicer.vtkMRMLNode) -> None:
        """Choose a node no more before it is removed."""
        self.panel.deselect(node)


class CLSTMSegmentLogic(ScriptedLoadableModuleLogic):
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
        ScriptedLoadableModuleLogic.__init__(self)
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
        from CLSTMSegmentLib.panel.dependencies import TO_SEGMENT, TO_TEACH, install

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
                segments are; None for a new one.
            progress: called with a `core.progress.Progress` before every tile.
            cancelled: asked before every tile; once it returns True, the run is cancelled.
            settings: `frames`, `device`, `precision`, `tile`, `overlap`, `ram_gb`, `state_rule`, `warm_up_frames` or
                `region` (instead of a ROI) of `engine.settings.RunSettings`; `frames` may be a sequence of numbers.

        Returns:
            The segmentation sequence node, which the input's browser plays; for a single volume the segmentation node.

        Raises:
            InputError: an unknown setting, or an input, model, ROI, output or setting that cannot be used; or Python
                packages are missing, which `setupPythonRequirements` installs.
            Cancelled: `cancelled` returned True; `self.unfinished` has the finished frames.
        """
        from CLSTMSegmentLib.panel.dependencies import TO_SEGMENT, checkInstalled

        checkInstalled(TO_SEGMENT)
        from CLSTMSegmentLib.engine.segmenter import Segmenter
        from CLSTMSegmentLib.model.bundle import load_model
        from CLSTMSegmentLib.scene.inputs import SequenceFrames
        from CLSTMSegmentLib.scene.single_output import outputFor

        self.report = self.curve = self.volumesTableNode = self.unfinished = None
        source, run = self._check(inputNode, model, roi, output, settings)
        segmenter = Segmenter(load_model(run.model), run)
        finished = outputFor(segmenter.model, source)
        self.report, self.curve = segmenter.report, finished.curve
        frames = SequenceFrames(source.sequenceNode)
        for warning in frames.warnings:
            segmenter.report.warn(warning)
        for frame in segmenter.segment(frames, progress, cancelled):
            finished.add(frame)
            self.unfinished = finished
        self.unfinished = None
        outputNode = finished.publish(output)
        self.volumesTableNode = finished.tableNode
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
        from CLSTMSegmentLib.model.bundle import load_model
        from CLSTMSegmentLib.panel.background_run import BackgroundRun, RunRequest
        from CLSTMSegmentLib.panel.dependencies import TO_SEGMENT, checkInstalled
        from CLSTMSegmentLib.worker.worker_process import WorkerProcess

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
        from CLSTMSegmentLib.scene.inputs import regionFromROI, resolveInput
        from CLSTMSegmentLib.scene.keywords import runSettings
        from CLSTMSegmentLib.scene.single_output import checkOutputFor

        source = resolveInput(inputNode)
        if roi is not None:
            settings["region"] = regionFromROI(roi, source.proxyNode)
        if output is not None:
            checkOutputFor(output, source)
        return source, runSettings(model, settings)

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
                annotation is, see `teaching.training_set.AnnotatedFrame`; and `ejecting_chambers`, the names of the
                segments that are heart chambers and eject blood.

        Returns:
            The folder of the new model, which `segment` takes as `model`.

        Raises:
            InputError: an unknown setting, or an input, annotation or setting that cannot be used; or Python packages
                are missing, which `setupPythonRequirements` installs.
            RunFailed: the teaching job failed; the message says what is kept.
        """
        from CLSTMSegmentLib.panel.dependencies import TO_TEACH, checkInstalled

        checkInstalled(TO_TEACH)
        from CLSTMSegmentLib.scene.annotations import readAnnotations
        from CLSTMSegmentLib.scene.inputs import SequenceFrames, resolveInput
        from CLSTMSegmentLib.scene.keywords import checkTeachingKeywords
        from CLSTMSegmentLib.teaching.teaching_job import teach
        from CLSTMSegmentLib.teaching.teaching_settings import TeachingSettings
        from CLSTMSegmentLib.teaching.training_set import check_new_model, teaching_folder, write_training_set

        self.teachResult = None
        checkTeachingKeywords(settings)
        marks, chambers = settings.pop("marks", {}), settings.pop("ejecting_chambers", ())
        if settings.get("initial") is not None:
            settings["initial"] = str(settings["initial"])
        source = resolveInput(inputNode)
        segments, annotations = readAnnotations(annotationNode, source, chambers)
        job = TeachingSettings(name, segments, **settings)
        check_new_model(Path(modelsFolder), name)
        folder = teaching_folder(Path(modelsFolder), name)
        sequences = [(SequenceFrames(source.sequenceNode), annotations)]
        write_training_set(folder, job, sequences, {(0, number): mark for number, mark in marks.items()})
        self.teachResult = teach(folder, Path(modelsFolder), progress, cancelled)
        shutil.rmtree(folder)
        logging.info("\n".join(self.teachResult.notes))
        return self.teachResult.folder


class CLSTMSegmentTest(ScriptedLoadableModuleTest):
    """The self-test of the module, which Slicer runs."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_phantomSequenceIsSegmented()

    def test_phantomSequenceIsSegmented(self) -> None:
        """Segment a phantom heart with the bundled model: every frame gets its segments, and the cavity beats.

        Without PyTorch, as on the machines that test all extensions, only the phantom is made.
        """
        from CLSTMSegmentLib.panel.dependencies import TO_SEGMENT, missingPackages
        from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom

        sequenceNode = addHeartPhantom(slicer.mrmlScene, seed=4, frames=4)
        self.assertEqual(sequenceNode.GetNumberOfDataNodes(), 4)
        missing = missingPackages(TO_SEGMENT)
        if missing:
            text = _("The network is not tested, because these packages are not installed: {packages}")
            self.delayDisplay(text.format(packages=", ".join(missing)))
            return
        logic = CLSTMSegmentLogic()
        segmentationSequence = logic.segment(sequenceNode, model="cardiac-cine-lv", device="cpu")
        self.assertEqual(segmentationSequence.GetNumberOfDataNodes(), 4)
        for n in range(4):
            self.assertEqual(segmentationSequence.GetNthIndexValue(n), sequenceNode.GetNthIndexValue(n))
            self.assertEqual(segmentationSequence.GetNthDataNode(n).GetSegmentation().GetNumberOfSegments(), 2)
        cavity = slicer.util.arrayFromTableColumn(logic.volumesTableNode, "Left ventricular cavity")
        self.assertGreater(cavity[0], 20)
        self.assertLess(cavity[1], cavity[0])
        self.delayDisplay(_("Test passed"))
