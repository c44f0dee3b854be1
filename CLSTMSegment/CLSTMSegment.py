"""CLSTMSegment: segments 4D (3D + time) images with a recurrent U-Net, one frame after the other."""

import sys
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

from CLSTMSegmentLib.panel.console_logic import ConsoleLogic
from CLSTMSegmentLib.panel.run_on import pythonOfWorkers
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
        """Suggest a sequence that the user loads while the module is open, and follow new results."""
        self.onSceneChanged(caller, event)
        if node.IsA("vtkMRMLSequenceNode"):
            qt.QTimer.singleShot(0, self.panel.preselect)  # once it is loaded completely, and shown
        elif node.IsA("vtkMRMLTableNode"):
            qt.QTimer.singleShot(0, self.panel.followResults)  # it may be that of a result of a script

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller: object, event: object, node: slicer.vtkMRMLNode) -> None:
        """Choose a node no more before it is removed."""
        self.panel.deselect(node)


class CLSTMSegmentLogic(ScriptedLoadableModuleLogic, ConsoleLogic):
    """Segments sequences of the scene, and teaches models, in the Python console; see `ConsoleLogic`."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        ConsoleLogic.__init__(self)


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
