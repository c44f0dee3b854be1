"""Pictures of the panel with a run, live, and with a propagation that is taught, and of the views: `make screenshot`.

With `--all`, the panel is taken in three widths, light and dark, to be looked at.
"""

import sys
import time
from pathlib import Path

from PIL import Image

from host import application, qt, views
from host.widgets import ctkCollapsibleButton

WIDTHS = (450, 600, 900)
DARK = {
    "Window": "#353535",
    "WindowText": "#ffffff",
    "Base": "#232323",
    "AlternateBase": "#353535",
    "Text": "#ffffff",
    "Button": "#353535",
    "ButtonText": "#ffffff",
    "ToolTipBase": "#353535",
    "ToolTipText": "#ffffff",
    "Highlight": "#2a82da",
    "HighlightedText": "#000000",
    "PlaceholderText": "#909090",
}
DISABLED = "#808080"


def palette(dark):
    """The colours of Qt's style Fusion, light or dark."""
    colors = qt.QApplication.style().standardPalette()
    if dark:
        for role, color in DARK.items():
            colors.setColor(getattr(qt.QPalette.ColorRole, role), qt.QColor(color))
        for role in ("WindowText", "Text", "ButtonText"):
            disabled = qt.QPalette.ColorGroup.Disabled
            colors.setColor(disabled, getattr(qt.QPalette.ColorRole, role), qt.QColor(DISABLED))
    return colors


def until(condition):
    while not condition():
        qt.application().processEvents()
        time.sleep(0.01)


def reduce_colors(path, count=256):
    """Make a picture smaller: 256 colours are enough for a view, and 64 for a panel."""
    picture = Image.open(path).convert("RGB").quantize(count, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


class Photographer:
    """Takes pictures of a panel.

    Args:
        parent: the widget around the panel.
        folder: where the pictures go.
        all_of_them: whether to take each in all widths, light and dark.
    """

    def __init__(self, parent, folder, all_of_them):
        self._parent, self._folder = parent, folder
        self._variants = [(WIDTHS[0], False)]
        if all_of_them:
            self._variants = [(width, dark) for width in WIDTHS for dark in (False, True)]

    def take(self, state):
        for width, dark in self._variants:
            qt.QApplication.setPalette(palette(dark))
            qt.application().processEvents()
            shown = max(width, self._parent.minimumSizeHint().width())
            if shown > width:
                print(f"{state} does not fit into {width} pixels: it takes {shown}")
            # texts that wrap make the panel higher than its size hint says
            height = max(self._parent.layout().totalHeightForWidth(shown), self._parent.sizeHint().height())
            self._parent.resize(shown, height)
            qt.application().processEvents()
            name = f"panel-{state}.png"
            if len(self._variants) > 1:
                name = f"panel-{state}-{width}-{'dark' if dark else 'light'}.png"
            self._parent.grab().save(str(self._folder / name))
            reduce_colors(self._folder / name, 64)


def takeLive(ui, source, photographer):
    """Take the section Live while the sequence is played."""
    others = (ui.inputsCollapsibleButton, ui.advancedCollapsibleButton, ui.resultsCollapsibleButton)
    others += (ui.teachCollapsibleButton, ui.logCollapsibleButton)
    for part in others:
        part.visible = False
    ui.liveCollapsibleButton.collapsed = False
    ui.liveSelector.setCurrentNode(source.proxyNode)
    ui.liveButton.click()
    until(lambda: "segmented" in ui.liveStatusLabel.text)
    ui.recordButton.click()
    player = qt.QTimer()
    player.interval = 250
    player.connect("timeout()", lambda: source.browserNode.SelectNextItem())
    player.start()
    until(lambda: "12 frames recorded" in ui.liveStatusLabel.text)
    player.stop()
    photographer.take("live")
    ui.liveButton.click()
    ui.liveCollapsibleButton.collapsed = True
    for part in others:
        part.visible = True


def takeRunOn(ui, photographer):
    """Take the section Advanced with the address and the certificates of a cluster."""
    others = (ui.inputsCollapsibleButton, ui.resultsCollapsibleButton, ui.teachCollapsibleButton)
    others += (ui.logCollapsibleButton, ui.liveCollapsibleButton)
    others += (ui.applyButton, ui.cancelButton, ui.progressBar, ui.statusLabel)
    paths = {ui.authorityPathLineEdit: "ca.pem", ui.certificatePathLineEdit: "cert.pem", ui.keyPathLineEdit: "key.pem"}
    for part in others:
        part.visible = False
    ui.advancedCollapsibleButton.collapsed = False
    ui.runOnLineEdit.text = "tls://gpu.example.org:8786"
    for widget, name in paths.items():
        widget.currentPath = name
    photographer.take("run-on")
    ui.runOnLineEdit.text = ""
    for widget in paths:
        widget.currentPath = ""
    ui.advancedCollapsibleButton.collapsed = True
    for part in others:
        part.visible = True


def main(folder: Path, all_of_them: bool) -> None:
    application.start()
    import slicer
    from CLSTMSegmentLib.scene.inputs import holds, resolveInput
    from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom

    qt.QApplication.setStyle("Fusion")
    folder.mkdir(parents=True, exist_ok=True)
    colors = slicer.vtkMRMLColorLogic()
    colors.SetMRMLScene(slicer.mrmlScene)
    source = resolveInput(addHeartPhantom(slicer.mrmlScene, seed=4))
    parent = application.PanelParent()
    widget = parent.makePanel()
    widget.enter()
    ui, photographer = widget.ui, Photographer(parent, folder, all_of_them)

    parent.show()
    if all_of_them:
        photographer.take("before")
    ui.applyButton.click()
    until(lambda: ui.volumesTable.rowCount >= 7)
    photographer.take("running")
    until(lambda: not ui.cancelButton.enabled)
    photographer.take("done")
    displayNode = source.proxyNode.GetDisplayNode()
    displayNode.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    views.SliceView(source.proxyNode).save(folder / "slice-view.png")
    ui.show3DButton.click()
    views.ThreeDView().save(folder / "3d-view.png")
    for name in ("slice-view.png", "3d-view.png"):
        reduce_colors(folder / name)
    if all_of_them:
        for part in parent.findChildren(ctkCollapsibleButton):
            part.collapsed = False
        for box, setting in ((ui.framesComboBox, "range"), (ui.stateComboBox, "window")):
            box.currentIndex = box.findData(setting)
        photographer.take("open")
    takeLive(ui, source, photographer)
    takeRunOn(ui, photographer)
    ui.outputSelector.setCurrentNode(
        next(
            node
            for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode")
            if holds(node, "vtkMRMLSegmentationNode")
        )
    )
    ui.newAnnotationButton.click()
    for number in (0, 7, 14):
        source.browserNode.SetSelectedItemNumber(number)
        ui.useAsAnnotationButton.click()
    ui.outputSelector.setCurrentNode(None)
    ui.teachCollapsibleButton.collapsed = False
    ui.cyclicCheckBox.checked = True
    ui.learnFromPropagatedCheckBox.checked = True
    ui.propagateButton.click()
    until(lambda: not ui.cancelPropagationButton.enabled)
    ui.teachNameLineEdit.text = "my-ventricle"
    sections = (ui.inputsCollapsibleButton, ui.advancedCollapsibleButton, ui.resultsCollapsibleButton)
    run = (ui.applyButton, ui.cancelButton, ui.progressBar, ui.statusLabel)
    for part in (*sections, *run, ui.logCollapsibleButton):
        part.visible = False
    ui.teachButton.click()
    until(lambda: not ui.teachPreviewLabel.pixmap.isNull() or not ui.stopTeachingButton.enabled)
    photographer.take("teach")
    parent.unload()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--all" in sys.argv)
