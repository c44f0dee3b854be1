"""Models in the panel: what they are for, and how others are added."""

import torch
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from host import qt

from panel.conftest import runToEnd


def test_models_are_shown_with_what_they_are_for(sequence, widget):
    ui = widget.ui
    ui.modelComboBox.currentIndex = ui.modelComboBox.findData("cardiac-cine-lv")
    for part in ("Left ventricular cavity", "cine MR, short axis"):
        assert part in ui.modelSummaryLabel.text
    for part in ("CC0", "MIDAS", "Dice"):
        assert part in ui.modelDetailsLabel.text


def test_published_checkpoint_can_be_added_and_run(sequence, widget, tmp_path):
    torch.manual_seed(0)
    torch.save(CLSTMUNet4D(1, 1, 2, last_stage="published").state_dict(), tmp_path / "valve.pth")
    qt.QFileDialog.chosen = str(tmp_path / "valve.pth")
    widget.ui.addModelButton.click()
    assert widget.ui.modelComboBox.currentText == "valve"
    widget.ui.framesComboBox.currentIndex = widget.ui.framesComboBox.findData("current")
    runToEnd(widget)
    assert widget.ui.statusLabel.text == "Done: 1 frames."
    widget.ui.addModelButton.click()
    assert "already" in widget.ui.statusLabel.text


def test_file_that_is_no_model_is_refused_with_its_reason(sequence, widget, tmp_path):
    (tmp_path / "notes.pth").write_text("not a model", encoding="utf-8")
    qt.QFileDialog.chosen = str(tmp_path / "notes.pth")
    widget.ui.addModelButton.click()
    assert "notes.pth" in widget.ui.statusLabel.text
