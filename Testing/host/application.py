"""Starts slicer-core as the Slicer application would: its scene, its file access, its Python modules."""

import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import slicer

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from CLSTMSegmentLib.scene.headless import registerConverters
from PySide6.QtGui import QGuiApplication

from host import SampleData, ScriptedLoadableModule, i18n, launcher, parameterNodeWrapper, plots, qt, widgets

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
    for module in (i18n, ScriptedLoadableModule, parameterNodeWrapper):
        name = module.__name__.removeprefix("host.")
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    sys.modules["qt"] = qt
    qt.application()
    slicer.util.confirmOkCancelDisplay = lambda text, windowTitle=None: questions.append(text) or True
    slicer.util.loadUI, slicer.util.childWidgetVariables = widgets.loadUI, widgets.childWidgetVariables
    settings = Path(tempfile.mkdtemp(prefix="settings-", dir=folder.name)) / "Slicer.ini"
    slicer.app = SimpleNamespace(
        slicerUserSettingsFilePath=str(settings),
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
        # start-up is complete once a module is made
        connect=lambda signal, slot: slot(),
    )
    sys.modules["SampleData"] = SampleData
    slicer.modules = SimpleNamespace(sequences=SimpleNamespace(activeBrowserNode=None))
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


def parentWidget() -> widgets.qMRMLWidget:
    """An empty widget for a module's panel, as the application has for each."""
    parent = widgets.qMRMLWidget()
    parent.setLayout(qt.QVBoxLayout())
    return parent


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
    for logic in moduleLogics:
        logic.SetMRMLScene(scene)
    layoutManagers[:] = [plots.LayoutManager(scene)]
    cacheManager = slicer.vtkCacheManager()
    cacheManager.SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="cache-", dir=folder.name))
    dataIOManager = slicer.vtkDataIOManager()
    dataIOManager.SetCacheManager(cacheManager)
    scene.SetCacheManager(cacheManager)
    scene.SetDataIOManager(dataIOManager)
    return scene
