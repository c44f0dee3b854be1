"""The panel used without a mouse, and through a screen reader."""

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
    names = {name for _y, _x, name in places}
    assert names >= {"inputSelector", "outputSelector", "roiSelector", "annotationSelector"}
    for (y, x, before), (next_y, next_x, after) in pairwise(places):
        # a row's widgets differ by a few pixels in height
        assert next_y > y + 8 or (abs(next_y - y) <= 8 and next_x >= x), f"{after} comes after {before}"


def test_label_before_a_setting_belongs_to_it(widget):
    panel = widget.ui.inputsCollapsibleButton.window()

    named = {QLabel.buddy(label) for label in panel.findChildren(QLabel)}

    assert len(panel.findChildren(QComboBox)) > 5
    for box in panel.findChildren(QComboBox):
        assert box in named or box is widget.ui.markComboBox, f"{QObject.objectName(box)} has no label"


def test_tab_into_a_list_of_frames_shows_no_other_frame(sequence, widget):
    ui, browserNode = widget.ui, resolveInput(sequence).browserNode
    runToEnd(widget)
    browserNode.SetSelectedItemNumber(5)

    for rows in (ui.volumesTable, ui.flagsList):
        rows.window().show()
        rows.setFocus(Qt.FocusReason.TabFocusReason)
        QApplication.processEvents()

        assert browserNode.GetSelectedItemNumber() == 5


def test_enter_shows_the_frame_of_a_row(sequence, widget):
    ui, browserNode = widget.ui, resolveInput(sequence).browserNode
    runToEnd(widget)
    browserNode.SetSelectedItemNumber(5)
    ui.volumesTable.window().show()
    ui.volumesTable.setFocus(Qt.FocusReason.TabFocusReason)
    ui.volumesTable.setCurrentCell(0, 0)

    QTest.keyClick(ui.volumesTable, Qt.Key.Key_Down)
    QTest.keyClick(ui.volumesTable, Qt.Key.Key_Return)

    assert browserNode.GetSelectedItemNumber() == 1
