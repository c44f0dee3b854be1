"""Pictures of the panel in a run, after it and while teaching, and of the views: `make screenshot`."""

import sys
import time
from pathlib import Path

from host import application, qt, views

WIDTH = 460


def main(folder: Path) -> None:
    application.start()
    import slicer
    from CLSTMSegmentLib.scene.inputs import holds, resolveInput
    from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom

    colors = slicer.vtkMRMLColorLogic()
    colors.SetMRMLScene(slicer.mrmlScene)
    source = resolveInput(addHeartPhantom(slicer.mrmlScene, seed=4))
    parent = application.PanelParent()
    widget = parent.makePanel()
    widget.enter()

    def picture(name):
        qt.application().processEvents()
        width = max(WIDTH, parent.minimumSizeHint().width())
        # texts that wrap make the panel higher than its size hint says
        parent.resize(width, max(parent.layout().totalHeightForWidth(width), parent.sizeHint().height()))
        qt.application().processEvents()
        parent.grab().save(str(folder / name))

    def until(condition):
        while not condition():
            qt.application().processEvents()
            time.sleep(0.01)

    parent.show()
    widget.ui.applyButton.click()
    until(lambda: widget.ui.volumesTable.rowCount >= 7)
    picture("panel-running.png")
    until(lambda: not widget.ui.cancelButton.enabled)
    picture("panel-done.png")
    displayNode = source.proxyNode.GetDisplayNode()
    displayNode.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    views.SliceView(source.proxyNode).save(folder / "slice-view.png")
    widget.ui.show3DButton.click()
    views.ThreeDView().save(folder / "3d-view.png")
    ui = widget.ui
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
    ui.teachNameLineEdit.text = "my-ventricle"
    for part in (ui.inputsCollapsibleButton, ui.resultsCollapsibleButton):
        part.visible = False
    ui.teachCollapsibleButton.collapsed = False
    picture("panel-teach.png")
    widget.cleanup()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
