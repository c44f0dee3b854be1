"""The panel fits into the narrow column that Slicer has for it, so that it never scrolls sideways."""

import pytest
import slicer
from host import qt
from host.widgets import ctkCollapsibleButton
from scene.conftest import addSequence
from scene.segmentations import finishedOutput

from panel.conftest import choose

NARROW = 410
"""Width in pixels of a panel that Slicer shows by default, without its scroll bar."""


USUAL = 450
"""Width in pixels of a panel that a user has made a little wider."""


@pytest.fixture
def openPanel(scene, fakeWidget):
    """The panel with all its parts open and all its settings shown."""
    ui, panel = fakeWidget.ui, fakeWidget.ui.inputsCollapsibleButton.window()
    for part in panel.findChildren(ctkCollapsibleButton):
        part.collapsed = False
    choose(ui.framesComboBox, "range")
    choose(ui.stateComboBox, "window")
    ui.runOnLineEdit.text = "tcp://127.0.0.1:8786"
    ui.unfinishedWidget.visible = True
    panel.show()
    return panel


def clipped(widget):
    """Return whether a label or button that is shown has less room than its text needs."""
    if isinstance(widget, qt.QLabel) and widget.wordWrap:
        return widget.height < widget.heightForWidth(widget.width)
    if isinstance(widget, qt.QComboBox):  # the arrow takes as much as the box is high
        needed = widget.fontMetrics().horizontalAdvance(widget.currentText) + widget.height
        return widget.width < needed
    return widget.width < widget.sizeHint().width() or widget.height < widget.sizeHint().height()


@pytest.mark.parametrize("width", [USUAL, 900])
def test_no_label_button_or_choice_is_clipped(openPanel, sequence, width):
    openPanel.resize(width, openPanel.layout().totalHeightForWidth(width))
    qt.application().processEvents()

    assert openPanel.width == width
    kinds = (qt.QLabel, qt.QPushButton, qt.QToolButton, qt.QCheckBox, qt.QComboBox)
    shown = [widget for kind in kinds for widget in openPanel.findChildren(kind) if widget.isVisible()]
    assert len(shown) > 50
    assert [widget.objectName for widget in shown if clipped(widget)] == []


def test_panel_with_all_its_parts_and_long_names_is_narrow(scene, openPanel, fakeWidget, phantom):
    ui = fakeWidget.ui
    long = addSequence(
        scene, phantom[0], "Cine MR of a patient with a very long name, short axis, breath-hold 12, 2026-11"
    )
    finishedOutput(long, phantom, [0]).publish()
    ui.inputSelector.setCurrentNode(long)
    ui.outputSelector.setCurrentNode(slicer.mrmlScene.GetNthNodeByClass(1, "vtkMRMLSequenceNode"))
    ui.deviceComboBox.addItem("NVIDIA GeForce RTX 5090 Laptop GPU with a very long name (cuda:0)", "cuda:0")
    ui.statusLabel.text = ui.teachStatusLabel.text = "/home/somebody/" + 30 * "longname" + "/model.json is missing"
    qt.application().processEvents()

    assert openPanel.minimumSizeHint().width() <= NARROW


def test_every_choice_takes_the_room_beside_its_label(openPanel, fakeWidget, sequence):
    ui = fakeWidget.ui
    choose(ui.framesComboBox, "all")
    choose(ui.stateComboBox, "")
    openPanel.resize(600, openPanel.height)
    qt.application().processEvents()

    assert ui.framesComboBox.width == ui.outputSelector.width
    assert ui.stateComboBox.width == ui.deviceComboBox.width
