"""Starts slicer-core as the Slicer application would: its scene, its file access, its Python modules."""

import sys
import tempfile

import slicer
from CLSTMSegmentLib.scene.headless import registerConverters

from host import ScriptedLoadableModule, i18n

moduleLogics = []
"""What the application keeps alive: they play sequences when a browser changes."""


def start() -> None:
    """Once a process: put the stand-ins where Slicer has the real ones."""
    for name, module in (("i18n", i18n), ("ScriptedLoadableModule", ScriptedLoadableModule)):
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    registerConverters()
    slicer.mrmlScene = newScene()


def newScene() -> slicer.vtkMRMLScene:
    """An empty scene watched by the modules' logics and able to read bundles, as the application's is."""
    scene = slicer.vtkMRMLScene()
    moduleLogics[:] = [slicer.vtkSlicerSequencesLogic(), slicer.vtkSlicerSegmentationsModuleLogic()]
    for logic in moduleLogics:
        logic.SetMRMLScene(scene)
    cacheManager = slicer.vtkCacheManager()
    cacheManager.SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="clstmsegment-test-cache-"))
    dataIOManager = slicer.vtkDataIOManager()
    dataIOManager.SetCacheManager(cacheManager)
    scene.SetCacheManager(cacheManager)
    scene.SetDataIOManager(dataIOManager)
    return scene
