"""CLSTMSegment: segments 4D (3D + time) images with a recurrent U-Net that streams through time."""

import logging
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class CLSTMSegment(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent: object):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("CLSTM Segment")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Sequences", "Segmentations"]
        parent.contributors = ["CLSTMSegment contributors"]
        parent.helpText = _(
            "Segments a sequence of volumes (cine MR, 4D CT, 4D ultrasound) into a segmentation sequence, frame by "
            "frame with the memory of the frames before. Choose a sequence and press Segment, or in Python: "
            "<tt>CLSTMSegment.CLSTMSegmentLogic().segment(sequenceNode, model='cardiac-cine-lv')</tt>. "
            "For research, not for clinical decisions."
        )
        parent.acknowledgementText = _(
            "The bundled heart model was trained on the Sunnybrook Cardiac Data (Radau et al., MIDAS Journal 2009)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer sequences to try in the Sample Data module: a phantom made on demand, and Slicer's own 4D CT."""
    import SampleData

    icons = Path(__file__).resolve().parent / "Resources" / "Icons"
    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register(
        category="CLSTMSegment",
        sampleName="CLSTMSegmentPhantomHeart",
        thumbnailFileName=str(icons / "PhantomHeart.png"),
        nodeNames="Phantom heart",
        customDownloader=lambda source: addSamplePhantom(),
    )
    digest = "d1a1119969acead6c39c7c3ec69223fa2957edc561bc5bf384a203e2284dbc93"
    register(
        category="CLSTMSegment",
        sampleName="CLSTMSegmentCTCardioSeq",
        thumbnailFileName=str(icons / "CLSTMSegment.png"),
        uris=f"https://github.com/Slicer/SlicerDataStore/releases/download/SHA256/{digest}",
        fileNames="CT-cardio.seq.nrrd",
        nodeNames="CTCardioSeq",
        checksums=f"SHA256:{digest}",
        loadFileTypes="SequenceFile",
    )


def addSamplePhantom() -> slicer.vtkMRMLSequenceNode:
    """Make the phantom heart and show it in the slice views."""
    from CLSTMSegmentLib.scene.inputs import resolveInput
    from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom

    sequenceNode = addHeartPhantom(slicer.mrmlScene, seed=4)
    applicationLogic = slicer.app.applicationLogic()
    applicationLogic.GetSelectionNode().SetActiveVolumeID(resolveInput(sequenceNode).proxyNode.GetID())
    applicationLogic.PropagateVolumeSelection()
    return sequenceNode


class CLSTMSegmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel; what is behind the widgets is `panel.panel.SegmentPanel`."""

    def __init__(self, parent: object | None = None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None

    def setup(self) -> None:
        """Load the widgets; called once, when the module is first shown."""
        ScriptedLoadableModuleWidget.setup(self)
        from CLSTMSegmentLib.panel.segment_panel import SegmentPanel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CLSTMSegment.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = CLSTMSegmentLogic()
        settingsFolder = Path(slicer.app.slicerUserSettingsFilePath).parent
        python = shutil.which("PythonSlicer") or sys.executable
        self.panel = SegmentPanel(self.ui, python, settingsFolder / "CLSTMSegment" / "Models")
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneChanged)
        self.useParameterNode()

    def cleanup(self) -> None:
        """The module is reloaded, or Slicer quits."""
        self.panel.close()
        self.removeObservers()

    def enter(self) -> None:
        """The user has come to the module."""
        self.useParameterNode()
        selectionNode = slicer.app.applicationLogic().GetSelectionNode()
        self.panel.preselect(slicer.mrmlScene.GetNodeByID(selectionNode.GetActiveVolumeID() or ""))

    def useParameterNode(self) -> None:
        """Show the settings that are saved with the scene."""
        from CLSTMSegmentLib.panel.parameter_node import CLSTMSegmentParameterNode

        self.panel.setParameterNode(CLSTMSegmentParameterNode(self.logic.getParameterNode()))

    def onSceneStartClose(self, caller: object, event: object) -> None:
        self.panel.abandonRuns()
        self.panel.setParameterNode(None)

    def onSceneEndClose(self, caller: object, event: object) -> None:
        self.useParameterNode()

    def onSceneChanged(self, caller: object, event: object) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():  # one update after a scene is loaded, not one a node
            self.panel.update()


class CLSTMSegmentLogic(ScriptedLoadableModuleLogic):
    """Runs a model over a sequence in the scene."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.report = None
        """`engine.segmenter.RunReport` of the last run."""
        self.unfinished = None
        """After a cancelled or failed run, the frames that were done: `unfinished.publish()` keeps
        them in a new sequence."""
        self.volumesTableNode = None
        """Table of the last run: volume of each segment in ml over time."""

    def segment(
        self,
        inputNode: slicer.vtkMRMLNode,
        model: str = "cardiac-cine-lv",
        frames: Sequence[int] | None = None,
        roi: slicer.vtkMRMLNode | None = None,
        device: str = "auto",
        output: slicer.vtkMRMLNode | None = None,
        progress: Callable | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> slicer.vtkMRMLNode:
        """Segment a sequence; the scene changes only when all is done.

        Args:
            inputNode: the sequence, its proxy volume or its browser.
            model: a bundled model's name, a bundle's folder, or a published .pth file.
            frames: numbers of the frames to segment, from 0; all by default.
            roi: a markups ROI to stay inside.
            device: "auto", "cpu", "cuda", "cuda:N" or "mps".
            output: a segmentation sequence to replace; a new one by default.
            progress: called with an `engine.segmenter.Progress` before every tile.
            cancelled: asked before every tile; return True to stop.

        Returns:
            The segmentation sequence node, synchronised in the input's browser.

        Raises:
            InputError: an input, model, ROI or output that cannot be used; the message says why.
            Cancelled: `cancelled` returned True; what was done is in `self.unfinished`.
        """
        from CLSTMSegmentLib.engine.segmenter import Segmenter
        from CLSTMSegmentLib.model.bundle import load_model
        from CLSTMSegmentLib.scene.inputs import SequenceFrames, regionFromROI, resolveInput
        from CLSTMSegmentLib.scene.outputs import SegmentationOutput, checkOutput

        self.unfinished = None
        source = resolveInput(inputNode)
        region = regionFromROI(roi, source.proxyNode) if roi is not None else None
        if output is not None:
            checkOutput(output, source)
        segmenter = Segmenter(load_model(model), device)
        self.report = segmenter.report
        finished = SegmentationOutput(segmenter.model, source)
        for result in segmenter.segment(SequenceFrames(source.sequenceNode), frames, region, progress, cancelled):
            finished.add(result)
            self.unfinished = finished
        self.unfinished = None
        sequenceNode = finished.publish(output)
        self.volumesTableNode = finished.tableNode
        for warning in segmenter.report.warnings:
            logging.warning(warning)
        return sequenceNode

    def teach(
        self,
        inputNode: slicer.vtkMRMLNode,
        annotationNode: slicer.vtkMRMLSequenceNode,
        name: str,
        modelsFolder: Path,
        initial: str | None = None,
        minutes: float = 8.0,
        device: str = "auto",
        marks: Mapping[int, str] | None = None,
        say: Callable[..., None] = lambda event, **details: None,
        goingOn: Callable[[], bool] = lambda: True,
    ) -> Path:
        """Make a model of what is drawn in some frames of a sequence.

        Args:
            inputNode: sequence of scalar volumes, its proxy volume or its browser.
            annotationNode: segmentation sequence; a frame with nothing in it is not annotated.
            name: of the new model.
            modelsFolder: where it becomes a folder.
            initial: model to begin with, as in `segment`; None to begin from nothing.
            minutes: it may take.
            marks: what the drawing in a frame says, by number, see `lesson.TaughtFrame`: "drawn" (the
                default), "whole", "slices" or "partly".
            say: called with events: "progress", "score" and "note", and their details.
            goingOn: called after every step; returning False ends it with the best so far.

        Returns:
            The new model's folder, which `segment` takes.

        Raises:
            InputError: an input or annotation that cannot be used, or a lesson that cannot be learnt.
        """
        from CLSTMSegmentLib.scene.annotations import readAnnotations
        from CLSTMSegmentLib.scene.inputs import SequenceFrames, resolveInput
        from CLSTMSegmentLib.teaching.teacher import teach
        from CLSTMSegmentLib.teaching.training_set import Lesson, lesson_folder, write_lesson

        source = resolveInput(inputNode)
        segments, annotations = readAnnotations(annotationNode, source)
        lesson = Lesson(name, segments, initial=initial, minutes=minutes, device=device)
        folder = lesson_folder(modelsFolder, name)
        write_lesson(
            folder,
            lesson,
            [(SequenceFrames(source.sequenceNode), annotations)],
            {(0, n): mark for n, mark in (marks or {}).items()},
        )
        model = teach(folder, modelsFolder, say, goingOn)
        shutil.rmtree(folder)
        return model


class CLSTMSegmentTest(ScriptedLoadableModuleTest):
    """Slicer's own self-test of the module."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_phantomSequenceIsSegmented()

    def test_phantomSequenceIsSegmented(self) -> None:
        """A phantom heart, segmented with the bundled model, gives a segmentation a frame and beats."""
        from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom

        sequenceNode = addHeartPhantom(slicer.mrmlScene, seed=4, frames=4)
        logic = CLSTMSegmentLogic()
        segmentationSequence = logic.segment(sequenceNode, model="cardiac-cine-lv", device="cpu")
        self.assertEqual(segmentationSequence.GetNumberOfDataNodes(), 4)
        for number in range(4):
            self.assertEqual(segmentationSequence.GetNthIndexValue(number), sequenceNode.GetNthIndexValue(number))
            segmentation = segmentationSequence.GetNthDataNode(number).GetSegmentation()
            self.assertEqual(segmentation.GetNumberOfSegments(), 2)
        cavity = slicer.util.arrayFromTableColumn(logic.volumesTableNode, "Left ventricular cavity")
        self.assertGreater(cavity[0], 20)
        self.assertLess(cavity[1], cavity[0])
        self.delayDisplay(_("Test passed"))
