"""Stands in for the qMRML and ctk widgets of the panel, and for slicer.util's ways to load them."""

from types import SimpleNamespace

import vtk
from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtUiTools import QUiLoader

from host import qt

TITLE_HEIGHT = 22


class ctkCollapsibleButton(qt.QGroupBox):
    """A titled part of a panel that can be collapsed."""

    contentsCollapsed = Signal(bool)

    connect, disconnect = qt.connect, qt.disconnect

    def event(self, event):
        # the .ui and the panel set properties of ctk that a group box does not have
        if event.type() == QEvent.Type.DynamicPropertyChange:
            self.setTitle(QObject.property(self, "text") or "")
            self.setMaximumHeight(TITLE_HEIGHT if self.collapsed else 16777215)
        return super().event(event)

    @property
    def collapsed(self):
        return bool(QObject.property(self, "collapsed"))

    @collapsed.setter
    def collapsed(self, value):
        QObject.setProperty(self, "collapsed", value)
        self.contentsCollapsed.emit(value)


class ctkPathLineEdit(qt.QWidget):
    """A line for the path of a file, which in Slicer has a button beside it."""

    currentPathChanged = Signal(str)

    connect, disconnect = qt.connect, qt.disconnect

    def __init__(self, parent=None):
        super().__init__(parent)
        self._line = qt.QLineEdit(self)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        self.setFocusProxy(self._line)
        self._line.textChanged.connect(self.currentPathChanged)

    @property
    def currentPath(self):
        return self._line.text

    @currentPath.setter
    def currentPath(self, path):
        self._line.text = path


class qMRMLWidget(qt.QWidget):
    """Hands the scene on to its node selectors, as the connections in the .ui do in Slicer."""

    def setMRMLScene(self, scene):
        for selector in self.findChildren(qMRMLNodeComboBox):
            selector.setMRMLScene(scene)


class qMRMLNodeComboBox(qt.QComboBox):
    """The nodes of some types in a scene, "None" first where that can be chosen."""

    currentNodeChanged = Signal(object)

    connect, disconnect = qt.connect, qt.disconnect

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setFocusPolicy(qt.Qt.FocusPolicy.NoFocus)  # in Slicer, this is the widget around the combo box
        self._scene = None
        self._filter = _Filter(self._refresh)
        self._shown = None
        self.currentIndexChanged.connect(lambda _index: self._announce())

    @property
    def nodeTypes(self):
        return QObject.property(self, "nodeTypes")

    @nodeTypes.setter
    def nodeTypes(self, classes):
        QObject.setProperty(self, "nodeTypes", list(classes))
        self._refresh()

    def sortFilterProxyModel(self):
        return self._filter

    def setMRMLScene(self, scene):
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.EndCloseEvent, scene.EndImportEvent):
            scene.AddObserver(event, lambda *_: self._refresh())

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def removing(_caller, _event, node):
            self._remove(node)

        scene.AddObserver(scene.NodeAboutToBeRemovedEvent, removing, -10.0)  # the priority that it has in Slicer
        self._refresh()

    def _remove(self, node):
        """Remove a node from the list; if it is the current one, its neighbour becomes that, as in Slicer."""
        row = self.findData(node.GetID())
        if row >= 0:
            self.removeItem(row)

    def currentNode(self):
        node_id = self.currentData
        return self._scene.GetNodeByID(node_id) if self._scene is not None and node_id else None

    @property
    def currentNodeID(self):
        node = self.currentNode()
        return node.GetID() if node is not None else ""

    def setCurrentNode(self, node):
        self._refresh()
        self.setCurrentIndex(max(self.findData(node.GetID()) if node is not None else 0, 0))

    def _refresh(self):
        chosen = self.currentData
        self.blockSignals(True)
        self.clear()
        self.addItem(QObject.property(self, "noneDisplay") or "None", "")
        for node_class in QObject.property(self, "nodeTypes") or []:
            for n in range(self._scene.GetNumberOfNodesByClass(node_class) if self._scene is not None else 0):
                node = self._scene.GetNthNodeByClass(n, node_class)
                if not node.GetHideFromEditors() and node.GetID() not in self._filter.hiddenNodeIDs:
                    self.addItem(node.GetName(), node.GetID())
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(False)
        self._announce()

    def _announce(self):
        if self.currentData != self._shown:
            self._shown = self.currentData
            self.currentNodeChanged.emit(self.currentNode())


class _Filter:
    """The one property of qMRMLSortFilterProxyModel that the panel sets."""

    def __init__(self, changed):
        self._hidden, self._changed = [], changed

    @property
    def hiddenNodeIDs(self):
        return self._hidden

    @hiddenNodeIDs.setter
    def hiddenNodeIDs(self, ids):
        if list(ids) != self._hidden:
            self._hidden = list(ids)
            self._changed()


class Loader(QUiLoader):
    """Makes the stand-ins where the .ui names the classes that they stand for."""

    def createWidget(self, class_name, parent=None, name=""):
        made = globals().get(class_name) or getattr(qt, class_name)
        widget = made(parent)
        widget.setObjectName(name)
        return widget


def loadUI(path):
    return Loader().load(str(path))


def childWidgetVariables(widget):
    """All named children by name, as attributes."""
    ui = SimpleNamespace()
    for child in widget.findChildren(qt.QtWidgets.QWidget):
        name = QObject.property(child, "objectName")
        if name and not name.startswith("qt_"):
            setattr(ui, name, child)
    return ui
