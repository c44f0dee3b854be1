"""Starts slicer-core as the Slicer application would: its scene, its file access, its Python modules."""

import importlib.util
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import slicer

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from CLSTMSegmentLib.scene.headless import registerConverters
from PySide6.QtCore import QSettings, Signal
from PySide6.QtGui import QGuiApplication

from host import launcher, plots, qt, slicer_layer, widgets

APPLICATION, SEQUENCES = 0, 1
moduleLogics = []
"""What the application keeps alive: they play sequences when a browser changes."""

questions = []
"""What the user was asked, and has agreed to."""

layoutManagers = []
"""The one of the scene."""

folder = tempfile.TemporaryDirectory(prefix="clstmsegment-test-")
"""For its settings and caches, until the process ends."""


def start() -> None:
    """Once a process: put the stand-ins where Slicer has the real ones."""
    slicer_layer.provide(os.environ.get("SLICER_SOURCE"))
    qt.application()
    slicer.util.confirmOkCancelDisplay = lambda text, windowTitle=None: questions.append(text) or True
    slicer.util.loadUI, slicer.util.childWidgetVariables = widgets.loadUI, widgets.childWidgetVariables
    moduleManager = ModuleManager()
    settings = Path(tempfile.mkdtemp(prefix="settings-", dir=folder.name)) / "Slicer.ini"
    slicer.app = SimpleNamespace(
        slicerUserSettingsFilePath=str(settings),
        userSettings=lambda: QSettings(str(settings), QSettings.Format.IniFormat),
        applicationLogic=lambda: moduleLogics[APPLICATION],
        clipboard=QGuiApplication.clipboard,
        layoutManager=lambda: layoutManagers[-1],
        temporaryPath=folder.name,
        majorVersion=5,
        minorVersion=10,
        applicationVersion="5.10.0",
        coreIOManager=IOManager,
        testingEnabled=lambda: False,
        setOverrideCursor=qt.QtWidgets.QApplication.setOverrideCursor,
        restoreOverrideCursor=qt.QtWidgets.QApplication.restoreOverrideCursor,
        processEvents=qt.QtWidgets.QApplication.processEvents,
        moduleManager=lambda: moduleManager,
        translate=lambda context, text: text,
        commandOptions=lambda: SimpleNamespace(noMainWindow=True),
        # start-up is complete once a module is made
        connect=lambda signal, slot: slot(),
    )
    slicer.modules = SimpleNamespace(
        sequences=SimpleNamespace(activeBrowserNode=None),
        clstmsegment=SimpleNamespace(
            path=importlib.util.find_spec("CLSTMSegment").origin,
            widgetRepresentation=lambda: slicer.modules.CLSTMSegmentWidget.parent,
        ),
    )
    launcher.put_on_path(Path(folder.name))
    registerConverters()
    slicer.mrmlScene = newScene()


class IOManager:
    """Loads a sequence from a file, shows it, and offers it in the toolbar of sequences, as the application does."""

    def loadNodes(self, fileType, properties, loadedNodes):
        assert fileType == "SequenceFile"
        scene, logic = slicer.mrmlScene, moduleLogics[SEQUENCES]
        sequenceNode = logic.AddSequence(properties["fileName"])
        sequenceNode.SetName(scene.GetUniqueNameByString(properties["name"]))
        browserNode = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{sequenceNode.GetName()} browser")
        browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
        slicer.modules.sequences.activeBrowserNode = browserNode
        logic.UpdateProxyNodesFromSequences(browserNode)
        selectionNode = moduleLogics[APPLICATION].GetSelectionNode()
        selectionNode.SetActiveVolumeID(browserNode.GetProxyNode(sequenceNode).GetID())
        for node in (sequenceNode, browserNode):
            loadedNodes.AddItem(node)
        return True


class ModuleManager(qt.QObject):
    """Says when a module is unloaded."""

    moduleAboutToBeUnloaded = Signal(str)

    connect, disconnect = qt.connect, qt.disconnect


class PanelParent(widgets.qMRMLWidget):
    """The widget around the panel of the module, which makes the panel, as the application does."""

    def __init__(self):
        super().__init__()
        self.setLayout(qt.QVBoxLayout())

    def makePanel(self):
        """Make the module's widget from the module as it is now, and show it."""
        module = importlib.import_module("CLSTMSegment")
        slicer.modules.CLSTMSegmentWidget = module.CLSTMSegmentWidget(self)
        slicer.modules.CLSTMSegmentWidget.setup()
        return slicer.modules.CLSTMSegmentWidget

    reload = makePanel

    def unload(self):
        """Remove the panel, as the application does when it quits."""
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit("CLSTMSegment")
        del slicer.modules.CLSTMSegmentWidget


def settingsFolder() -> Path:
    """Where the application keeps the user's settings."""
    return Path(slicer.app.slicerUserSettingsFilePath).parent


def newScene() -> slicer.vtkMRMLScene:
    """An empty scene watched by the modules' logics and able to read bundles, as the application's is."""
    scene = slicer.vtkMRMLScene()
    moduleLogics[:] = [
        slicer.vtkMRMLApplicationLogic(),
        slicer.vtkSlicerSequencesLogic(),
        slicer.vtkSlicerSegmentationsModuleLogic(),
    ]
    converters = slicer.vtkSegmentationConverterFactory.GetInstance()
    before = converters.GetConverterRules()
    for logic in moduleLogics:
        logic.SetMRMLScene(scene)
    if len(before) > 1:  # the logic registers its conversions once more for each scene: each segmentation gets slower
        for rule in converters.GetConverterRules()[len(before) :]:
            converters.UnregisterConverterRule(rule)
    layoutManagers[:] = [plots.LayoutManager(scene)]
    cacheManager = slicer.vtkCacheManager()
    cacheManager.SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="cache-", dir=folder.name))
    dataIOManager = slicer.vtkDataIOManager()
    dataIOManager.SetCacheManager(cacheManager)
    scene.SetCacheManager(cacheManager)
    scene.SetDataIOManager(dataIOManager)
    return scene
