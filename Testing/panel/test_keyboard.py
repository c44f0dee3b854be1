"""The panel without a mouse, and for those who hear it read out."""

from itertools import pairwise

from CLSTMSegmentLib.scene.inputs import resolveInput
from host.widgets import ctkCollapsibleButton
from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QWidget

from panel.conftest import runToEnd


def test_tab_goes_through_the_panel_from_top_to_bottom(sequence, widget):
    panel = widget.ui.inputsCollapsibleButton.window()
    for part in panel.findChildren(ctkCollapsibleButton):
        part.collapsed = False
    panel.resize(460, 2600)
    panel.show()
    QApplication.processEvents()
    first = widget.ui.inputSelector
    places, one = [], first
    while one is not first or not places:
        reached = QWidget.focusPolicy(one) & Qt.FocusPolicy.TabFocus
        if reached and one.isVisibleTo(panel) and panel.isAncestorOf(one):
            corner = one.mapTo(panel, QPoint(0, 0))
            places.append((corner.y() + QWidget.height(one) // 2, corner.x(), QObject.objectName(one)))
        one = one.nextInFocusChain()
    assert len(places) > 15
    for (y, x, before), (next_y, next_x, after) in pairwise(places):
        # a row's widgets differ by a few pixels in height
        assert next_y > y + 8 or (abs(next_y - y) <= 8 and next_x >= x), f"{after} comes after {before}"


def test_what_stands_before_a_setting_is_its_name(widget):
    panel = widget.ui.inputsCollapsibleButton.window()
    named = {QLabel.buddy(label) for label in panel.findChildren(QLabel)}
    assert len(panel.findChildren(QComboBox)) > 5
    for box in panel.findChildren(QComboBox):
        assert box in named or box is widget.ui.drawnComboBox, f"{QObject.objectName(box)} has no label"


def test_enter_shows_a_row_s_frame_and_tab_does_not(sequence, widget):
    ui = widget.ui
    runToEnd(widget)
    browserNode = resolveInput(sequence).browserNode
    browserNode.SetSelectedItemNumber(5)
    for rows in (ui.volumesTable, ui.flagsList):
        rows.window().show()
        rows.setFocus(Qt.FocusReason.TabFocusReason)
        QApplication.processEvents()
        assert browserNode.GetSelectedItemNumber() == 5
    ui.volumesTable.setCurrentCell(0, 0)
    QTest.keyClick(ui.volumesTable, Qt.Key.Key_Down)
    QTest.keyClick(ui.volumesTable, Qt.Key.Key_Return)
    assert browserNode.GetSelectedItemNumber() == 1
