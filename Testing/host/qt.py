"""Stands in for PythonQt's `qt`: PySide6 with properties as plain attributes and `connect("signal(type)", f)`.

In PythonQt `button.text` is the text and `button.enabled = True` disables nothing; in PySide6 both are
methods. Every widget class that the panel uses is subclassed here, with a Python property for each Qt
property that the class has.
"""

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import QEventLoop, QModelIndex, QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QPixmap

__all__ = ["QDesktopServices", "QEventLoop", "QModelIndex", "QPixmap", "QUrl", "Qt"]


def connect(self, signal, slot):
    """PythonQt's way to connect a signal, beside PySide6's own; a bool is whether that worked."""
    getattr(self, signal.split("(")[0]).connect(slot)
    return True


VIRTUAL = {QtWidgets.QWidget: ("sizeHint", "minimumSizeHint"), QtWidgets.QProgressBar: ("text",)}
"""Properties whose getters Qt itself calls as virtual methods: they stay methods."""


def python_qt(cls):
    """The class as PythonQt shows it."""
    properties = {}
    meta = cls.staticMetaObject
    for n in range(meta.propertyCount()):
        name = meta.property(n).name()
        if name in VIRTUAL.get(cls, ()) or name in VIRTUAL[QtWidgets.QWidget]:
            continue
        properties[name] = property(
            lambda self, name=name: QObject.property(self, name),
            lambda self, value, name=name: QObject.setProperty(self, name, value),
        )
    return type(cls.__name__, (cls,), properties | {"connect": connect})


for _name in (
    "QCheckBox",
    "QComboBox",
    "QDoubleSpinBox",
    "QFormLayout",
    "QGroupBox",
    "QHBoxLayout",
    "QLabel",
    "QLineEdit",
    "QListWidget",
    "QPlainTextEdit",
    "QProgressBar",
    "QPushButton",
    "QSlider",
    "QSpinBox",
    "QTableWidget",
    "QToolButton",
    "QVBoxLayout",
    "QWidget",
):
    globals()[_name] = python_qt(getattr(QtWidgets, _name))
QTimer = python_qt(QtCore.QTimer)
QTableWidgetItem, QListWidgetItem = QtWidgets.QTableWidgetItem, QtWidgets.QListWidgetItem


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


def application():
    """The one Qt application of this process."""
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
