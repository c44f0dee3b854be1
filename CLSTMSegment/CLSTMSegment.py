"""CLSTMSegment: segments 4D (3D + time) images with a recurrent U-Net that streams through time."""

import logging
from collections.abc import Callable, Sequence

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


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
            "frame with the memory of the frames before. For now it is used from the Python console: "
            "<tt>CLSTMSegment.CLSTMSegmentLogic().segment(sequenceNode, model='cardiac-cine-lv')</tt>. "
            "For research, not for clinical decisions."
        )
        parent.acknowledgementText = _(
            "The bundled heart model was trained on the Sunnybrook Cardiac Data (Radau et al., MIDAS Journal 2009)."
        )


class CLSTMSegmentWidget(ScriptedLoadableModuleWidget):
    """The module's panel: its help text."""


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
        from CLSTMSegmentLib.engine.bundle import load_model
        from CLSTMSegmentLib.engine.segmenter import Segmenter
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


class CLSTMSegmentTest(ScriptedLoadableModuleTest):
    """Slicer's own self-test of the module."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_phantomSequenceIsSegmented()

    def test_phantomSequenceIsSegmented(self) -> None:
        """A phantom heart, segmented with the bundled model, gives a segmentation a frame and beats."""
        from CLSTMSegmentLib.scene.phantoms import addHeartPhantom

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
