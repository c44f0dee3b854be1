"""Models in the panel: what they are for, and how others are added."""

import torch
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from host import qt

from panel.conftest import choose, runToEnd


def test_chosen_model_is_described(sequence, widget):
    ui = widget.ui

    choose(ui.modelComboBox, "cardiac-cine-lv")

    for text in ("Left ventricular cavity", "cine MR, short axis"):
        assert text in ui.modelSummaryLabel.text
    for text in ("CC0", "MIDAS", "Dice"):
        assert text in ui.modelDetailsLabel.text


def test_published_checkpoint_can_be_added_and_run(sequence, widget, tmp_path):
    ui = widget.ui
    torch.manual_seed(0)
    network = CLSTMUNet4D(NetworkOptions(classes=1, width=2, last_stage="published"))
    torch.save(network.state_dict(), tmp_path / "valve.pth")
    qt.QFileDialog.chosen = str(tmp_path / "valve.pth")
    choose(ui.framesComboBox, "current")

    ui.addModelButton.click()
    assert ui.modelComboBox.currentText == "valve"
    runToEnd(widget)

    assert ui.statusLabel.text == "Done: 1 frames."


def test_model_cannot_be_added_twice(widget, bundle):
    qt.QFileDialog.chosen = str(bundle / "model.json")

    widget.ui.addModelButton.click()

    assert "there is already a model 'small'" in widget.ui.statusLabel.text


def test_file_that_is_no_model_is_refused_with_its_reason(sequence, widget, tmp_path):
    (tmp_path / "notes.pth").write_text("not a model", encoding="utf-8")
    qt.QFileDialog.chosen = str(tmp_path / "notes.pth")

    widget.ui.addModelButton.click()

    assert "notes.pth" in widget.ui.statusLabel.text
