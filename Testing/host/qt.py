"""Stands in for PythonQt's `qt`: PySide6 with properties as plain attributes and `connect("signal(type)", f)`.

In PythonQt `button.text` is the text and `button.enabled = True` disables nothing; in PySide6 both are
methods. Every widget class that is asked for is subclassed here, with a Python property for each Qt
property that the class has.
"""

import traceback

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

failures = []
"""Exceptions in slots: PythonQt prints them, and nothing else happens. The scene fixture fails the test for them."""

_connections = {}
"""What each Qt object calls, held strongly until the object is destroyed: as in PythonQt, no garbage collector sees
that a timer which calls a method of its owner is all that keeps both alive."""


def connect(self, signal, slot):
    """PythonQt's way to connect a signal, beside PySide6's own; a bool is whether that worked."""
    name, _, types = signal.removesuffix(")").partition("(")
    count = len(types.split(",")) if types else 0

    def call(*arguments):
        try:
            slot(*arguments[:count])
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            failures.append(error)

    address = shiboken6.getCppPointer(self)[0]
    if address not in _connections:
        _connections[address] = []
        self.destroyed.connect(lambda *_: _connections.pop(address, None))
    _connections[address].append((signal, slot, call))
    getattr(self, name).connect(call)
    return True


def disconnect(self, signal, slot):
    """PythonQt's way to disconnect a slot; the slot must be the same or equal, as two bound methods are."""
    connections = _connections.get(shiboken6.getCppPointer(self)[0], [])
    for connection in connections:
        if connection[:2] == (signal, slot):
            connections.remove(connection)
            getattr(self, signal.split("(")[0]).disconnect(connection[2])
            return True
    return False


METHODS = {
    QtWidgets.QWidget: ("sizeHint", "minimumSizeHint"),
    QtWidgets.QProgressBar: ("text",),
    QtCore.QTimer: ("singleShot",),
}
"""Properties that stay methods: Qt itself calls them, or there is a static method of this name too."""


def python_qt(cls):
    """The class as PythonQt shows it."""
    properties = {}
    meta = cls.staticMetaObject
    for n in range(meta.propertyCount()):
        name = meta.property(n).name()
        if name in METHODS.get(cls, ()) or name in METHODS[QtWidgets.QWidget]:
            continue
        properties[name] = property(
            lambda self, name=name: QtCore.QObject.property(self, name),
            lambda self, value, name=name: QtCore.QObject.setProperty(self, name, value),
        )
    return type(cls.__name__, (cls,), properties | {"connect": connect, "disconnect": disconnect})


def __getattr__(name):
    """Return a class of Qt by its name, made when it is first asked for; there is one of each, as code asks for it."""
    for module in (QtCore, QtGui, QtWidgets):
        found = getattr(module, name, None)
        if found is not None:
            break
    else:
        raise AttributeError(name)
    if isinstance(found, type) and issubclass(found, QtCore.QObject):
        found = python_qt(found)
    globals()[name] = found
    return found


class QFileDialog:
    """PythonQt's static calls return the path alone; the tests say what the user chooses."""

    chosen = ""

    @classmethod
    def getOpenFileName(cls, parent=None, title="", folder="", filters=""):
        return cls.chosen

    @classmethod
    def getSaveFileName(cls, parent=None, title="", folder="", filters=""):
        return cls.chosen

    @classmethod
    def getExistingDirectory(cls, parent=None, title="", folder=""):
        return cls.chosen


class QInputDialog:
    """PythonQt's static call returns the text alone, an empty one after Cancel; the tests say what the user types."""

    typed = ""

    @classmethod
    def getText(cls, parent, title, label, mode, text):
        assert mode == QtWidgets.QLineEdit.EchoMode.Normal
        return cls.typed


def application():
    """The one Qt application of this process."""
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
