"""Names in messages, tool tips and questions are shown as they are, and never as HTML, which could load a file."""

import vtk
from host import application, qt
from PySide6.QtGui import Qt, QTextDocument
from scene.segmentations import finishedOutput

HTML = "<img src='//elsewhere/a.png'>"


def shown(text):
    """Return a text as a tool tip or a message box shows it, which take some for HTML; and its pictures."""
    document = QTextDocument()
    (document.setHtml if Qt.mightBeRichText(text) else document.setPlainText)(text)
    return document.toPlainText(), document.toHtml().count("<img")


def test_labels_take_no_text_for_html(fakePanel):
    for name in ("status", "summary", "propagateStatus", "teachStatus", "liveStatus", "liveVolumes", "runOn"):
        assert getattr(fakePanel, f"{name}Label").textFormat == qt.Qt.TextFormat.PlainText, name


def test_tool_tips_show_a_name_that_looks_like_html(scene, fakePanel):
    colour = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", HTML)
    imageData = vtk.vtkImageData()
    imageData.SetDimensions(2, 2, 2)
    imageData.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colour.SetAndObserveImageData(imageData)

    fakePanel.inputSelector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", HTML))
    fakePanel.liveSelector.setCurrentNode(colour)

    for button in (fakePanel.applyButton, fakePanel.liveButton):
        text, pictures = shown(button.toolTip)
        assert "<img src=" in text
        assert pictures == 0


def test_question_shows_a_name_that_looks_like_html(sequence, fakePanel, phantom):
    outputNode = finishedOutput(sequence, phantom).publish()
    outputNode.SetName(HTML)
    fakePanel.inputSelector.setCurrentNode(sequence)
    fakePanel.outputSelector.setCurrentNode(outputNode)
    application.questions.clear()

    fakePanel.applyButton.click()

    text, pictures = shown(application.questions[0])
    assert HTML in text
    assert pictures == 0
