"""Stands in for slicer.parameterNodeWrapper: typed attributes over a scripted module node, bound to widgets."""

import typing
import weakref
from dataclasses import dataclass
from types import NoneType

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
    """Make a wrapper of a class with annotated attributes: str, int, float, bool, a MRML node class or a union of some.

    As in Slicer, a wrapper writes all defaults when it is made, and caches values, references to nodes too, until the
    parameter node is modified. A reference to a node that is not loaded yet stays None. A member of a union has its own
    name in the parameter node, and a union without None is never None. A widget offers no abstract class of nodes.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    ranges = {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    types = typing.get_type_hints(cls)
    defaults = {name: getattr(cls, name, None) for name in types}

    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._gui = {}
        for name in types:
            if not any(map(parameterNode.HasParameter, _names(types[name], name))):
                store(parameterNode, name, defaults[name])
        self._values = {name: load(parameterNode, name) for name in types}
        me = weakref.ref(self)
        self._tag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: me() and me()._cache())

    def __del__(self):
        self.parameterNode.RemoveObserver(self._tag)

    def _cache(self):
        self._values = {name: load(self.parameterNode, name) for name in types}

    def load(parameterNode, name):
        if _isNode(types[name]):
            return next(filter(None, map(parameterNode.GetNodeReference, _names(types[name], name))), None)
        text = parameterNode.GetParameter(name)
        return text == "True" if types[name] is bool else types[name](text)

    def store(parameterNode, name, value):
        if not _isNode(types[name]):
            parameterNode.SetParameter(name, str(types[name](value)))
            return
        members = typing.get_args(types[name]) or (types[name], NoneType)
        index = next((n for n, member in enumerate(members) if isinstance(value, member)), None)
        if index is None:
            raise TypeError(f"{name} cannot be {value!r}")
        names = _names(types[name], name)
        for stored in names:
            parameterNode.UnsetParameter(stored)
            parameterNode.RemoveNodeReferenceIDs(stored)
        stored = names[index] if len(names) > 1 else name
        parameterNode.SetParameter(stored, "")  # that there is a value, even if it is None
        parameterNode.SetNodeReferenceID(stored, value.GetID() if value is not None else None)

    def read(self, name):
        return self._values[name]

    def write(self, name, value):
        if name in ranges:
            ranges[name].check(value)
        wasModifying = self.parameterNode.StartModify()
        store(self.parameterNode, name, value)
        self._values[name] = load(self.parameterNode, name)  # before any observer reads it
        self.parameterNode.EndModify(wasModifying)

    for name in types:
        setattr(cls, name, property(lambda self, n=name: read(self, n), lambda self, v, n=name: write(self, n, v)))

    def connectGui(self, ui):
        """Two-way binding of the widgets whose property SlicerParameterName names a parameter."""
        bound = {w: n for w in vars(ui).values() if (n := QObject.property(w, "SlicerParameterName"))}
        showing = []

        def toGui(*_):
            if showing:
                return
            showing.append(True)
            for widget, name in bound.items():
                _show(widget, read(self, name))
            showing.clear()

        def toNode(widget, name):
            if not showing:
                write(self, name, _value(widget))

        for widget, name in bound.items():
            if types[name] in (int, float):  # as Slicer does: no range given, none kept
                limits = ranges.get(name, WithinRange(-(2**31), 2**31 - 1))
                widget.setRange(limits.minimum, limits.maximum)
            if isinstance(widget, qMRMLNodeComboBox):  # as Slicer does: what the .ui says is replaced
                widget.nodeTypes = [
                    node().GetClassName()
                    for node in typing.get_args(types[name]) or [types[name]]
                    if node is not NoneType
                ]
        toGui()
        slots = {widget: lambda *_, w=widget, n=name: toNode(w, n) for widget, name in bound.items()}
        for widget, slot in slots.items():
            _signal(widget).connect(slot)
        tag = len(self._gui)
        self._gui[tag] = slots, self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, toGui)
        return tag

    def disconnectGui(self, tag):
        slots, observerTag = self._gui.pop(tag)
        self.parameterNode.RemoveObserver(observerTag)
        for widget, slot in slots.items():
            _signal(widget).disconnect(slot)

    cls.__init__, cls.__del__, cls._cache = __init__, __del__, _cache
    cls.setValue, cls.getValue = write, read
    cls.connectGui, cls.disconnectGui = connectGui, disconnectGui
    cls.AddObserver = lambda self, *arguments: self.parameterNode.AddObserver(*arguments)
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    return cls


def _isNode(hint):
    return bool(typing.get_args(hint)) or issubclass(hint, vtk.vtkObject)


def _names(hint, name):
    """Return the names under which a parameter can be stored: one for each member of a union."""
    return [f"{name}.{n}" for n in range(len(typing.get_args(hint)))] or [name]


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
