"""Stands in for slicer.parameterNodeWrapper: typed attributes over a scripted module node, bound to widgets."""

import typing
from dataclasses import dataclass

import vtk
from PySide6.QtCore import QObject

from host import qt
from host.widgets import qMRMLNodeComboBox


@dataclass
class WithinRange:
    """Annotation of a parameter: the least and the greatest value, both allowed."""

    minimum: float
    maximum: float

    def check(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not from {self.minimum} to {self.maximum}")


def parameterNodeWrapper(cls):
    """Make a wrapper of a class with annotated attributes: str, int, float, bool or MRML node classes."""
    hints = typing.get_type_hints(cls, include_extras=True)
    ranges = {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    types = typing.get_type_hints(cls)
    defaults = {name: getattr(cls, name, None) for name in types}

    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._gui = {}

    def read(self, name):
        if issubclass(types[name], vtk.vtkObject):
            return self.parameterNode.GetNodeReference(name)
        text = self.parameterNode.GetParameter(name)
        if text == "" and name not in self.parameterNode.GetParameterNames():
            return defaults[name]
        return text == "True" if types[name] is bool else types[name](text)

    def write(self, name, value):
        if issubclass(types[name], vtk.vtkObject):
            self.parameterNode.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        else:
            if name in ranges:
                ranges[name].check(value)
            self.parameterNode.SetParameter(name, str(types[name](value)))

    for name in types:
        setattr(cls, name, property(lambda self, n=name: read(self, n), lambda self, v, n=name: write(self, n, v)))

    def connectGui(self, ui):
        """Two-way binding of the widgets whose property SlicerParameterName names a parameter."""
        bound = {w: n for w in vars(ui).values() if (n := QObject.property(w, "SlicerParameterName"))}
        tag = len(self._gui)
        self._gui[tag] = True

        def toNode(name, value):
            if self._gui.get(tag) and value != read(self, name):
                write(self, name, value)

        def toGui(*_):
            for widget, name in bound.items() if self._gui.get(tag) else ():
                _show(widget, read(self, name))

        for widget, name in bound.items():
            if types[name] in (int, float):  # as Slicer does: no range given, none kept
                limits = ranges.get(name, WithinRange(-(2**31), 2**31 - 1))
                widget.setRange(limits.minimum, limits.maximum)
        toGui()
        for widget, name in bound.items():
            _signal(widget).connect(lambda *_, w=widget, n=name: toNode(n, _value(w)))
        self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, toGui)
        return tag

    def disconnectGui(self, tag):
        self._gui.pop(tag, None)

    cls.__init__, cls.setValue, cls.getValue = __init__, write, read
    cls.connectGui, cls.disconnectGui = connectGui, disconnectGui
    cls.AddObserver = lambda self, *arguments: self.parameterNode.AddObserver(*arguments)
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    return cls


def _signal(widget):
    if isinstance(widget, qMRMLNodeComboBox):
        return widget.currentNodeChanged
    if isinstance(widget, qt.QCheckBox):
        return widget.toggled
    return widget.textChanged if isinstance(widget, qt.QLineEdit) else widget.valueChanged


def _value(widget):
    if isinstance(widget, qMRMLNodeComboBox):
        return widget.currentNode()
    if isinstance(widget, qt.QCheckBox):
        return widget.checked
    return widget.text if isinstance(widget, qt.QLineEdit) else widget.value


def _show(widget, value):
    if _value(widget) == value:
        return
    if isinstance(widget, qMRMLNodeComboBox):
        widget.setCurrentNode(value)
    elif isinstance(widget, qt.QCheckBox):
        widget.checked = value
    elif isinstance(widget, qt.QLineEdit):
        widget.text = value
    else:
        widget.value = value
