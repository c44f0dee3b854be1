"""Slicer's Python layer: our stand-ins, or Slicer's own files from a checkout of Slicer.

The environment variable SLICER_SOURCE names the checkout. Its slicer.util, ScriptedLoadableModule,
parameterNodeWrapper, i18n and SampleData are then used; Qt widgets and slicer.app stay ours.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import slicer

from host import SampleData, ScriptedLoadableModule, i18n, parameterNodeWrapper, qt, widgets

OWN = ("util", "i18n", "ScriptedLoadableModule", "parameterNodeWrapper")
"""Modules of the package slicer that a checkout has, in the order in which they need each other."""


class Widgets(ModuleType):
    """A module in which every widget class can be named, so that Slicer's code can ask what a widget is."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = getattr(widgets, name, None) or type(name, (qt.QWidget,), {})
        setattr(self, name, made)
        return made


def provide(source: str | None) -> None:
    """Let the module import Slicer's Python layer.

    Args:
        source: the folder of a checkout of Slicer; None for our stand-ins.
    """
    sys.modules["qt"], sys.modules["ctk"] = qt, Widgets("ctk")
    if source is not None:
        _provide_own(Path(source))
        return
    for module in (i18n, ScriptedLoadableModule, parameterNodeWrapper):
        name = module.__name__.removeprefix("host.")
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    sys.modules["SampleData"] = SampleData


def _provide_own(source: Path) -> None:
    packages = source / "Base" / "Python" / "slicer"
    if not packages.is_dir():
        raise FileNotFoundError(f"SLICER_SOURCE names {source}, which is no checkout of Slicer: {packages} is missing")
    widgetClasses = sys.modules["ctk"]
    for name in ("NodeComboBox", "RangeWidget", "SliderWidget", "SpinBox", "Widget"):
        setattr(slicer, f"qMRML{name}", getattr(widgetClasses, f"qMRML{name}"))
    slicer.__path__.insert(0, str(packages))
    for name in OWN:
        sys.modules.pop(f"slicer.{name}", None)
        setattr(slicer, name, importlib.import_module(f"slicer.{name}"))
        assert Path(sys.modules[f"slicer.{name}"].__file__).is_relative_to(packages)
    sys.path.append(str(source / "Modules" / "Scripted" / "SampleData"))
