"""The panel fits into the narrow column that Slicer has for it, so that it never scrolls sideways."""

import slicer
from host import qt
from host.widgets import ctkCollapsibleButton
from scene.conftest import addSequence
from scene.segmentations import finishedOutput

from panel.conftest import choose

NARROW = 410
"""Width in pixels of a panel that Slicer shows by default, without its scroll bar."""


def test_panel_with_all_its_parts_and_long_names_is_narrow(scene, fakeWidget, phantom):
    ui, panel = fakeWidget.ui, fakeWidget.ui.inputsCollapsibleButton.window()
    long = addSequence(
        scene, phantom[0], "Cine MR of a patient with a very long name, short axis, breath-hold 12, 2026-11"
    )
    finishedOutput(long, phantom, [0]).publish()
    for part in panel.findChildren(ctkCollapsibleButton):
        part.collapsed = False
    ui.inputSelector.setCurrentNode(long)
    ui.outputSelector.setCurrentNode(slicer.mrmlScene.GetNthNodeByClass(1, "vtkMRMLSequenceNode"))
    choose(ui.framesComboBox, "range")
    choose(ui.stateComboBox, "window")
    ui.deviceComboBox.addItem("NVIDIA GeForce RTX 5090 Laptop GPU with a very long name (cuda:0)", "cuda:0")
    ui.unfinishedWidget.visible = True
    ui.statusLabel.text = ui.teachStatusLabel.text = "/home/somebody/" + 30 * "longname" + "/model.json is missing"
    panel.show()
    qt.application().processEvents()

    assert panel.minimumSizeHint().width() <= NARROW
