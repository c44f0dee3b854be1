"""Models in the panel: what they are for, and how others are added."""

import json
import shutil
import sys

import pytest
import slicer
import torch
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from host import qt
from scene.segmentations import segmentedFrames

from panel.conftest import choose, fakeRun, modelsFolder, outputs, runToEnd


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


@pytest.fixture
def mine(smallModelAdded):
    """A model of the user, of which nobody else needs the files."""
    shutil.copytree(modelsFolder() / "small", modelsFolder() / "Mine")
    yield modelsFolder() / "Mine"
    for name in ("Mine", "Yours"):
        shutil.rmtree(modelsFolder() / name, ignore_errors=True)


@pytest.fixture
def ownModel(mine, widget):
    """The widgets of the panel with this model chosen."""
    choose(widget.ui.modelComboBox, str(mine))
    return widget.ui


def test_model_of_the_user_is_renamed(ownModel):
    ui = ownModel
    qt.QInputDialog.typed = " Yours "

    ui.renameModelButton.click()

    assert ui.modelComboBox.currentText == "Yours"
    assert not (modelsFolder() / "Mine").exists()
    model = load_model(modelsFolder() / "Yours")
    assert (model.name, model.title) == ("Yours", "Yours")
    model.build_network()  # its weights are those of before


@pytest.mark.parametrize(("name", "message"), [("small", "already"), ("../else", "a model's name is"), ("", "")])
def test_name_that_no_model_can_have_changes_nothing(name, message, ownModel):
    qt.QInputDialog.typed = name

    ownModel.renameModelButton.click()

    assert message in ownModel.statusLabel.text
    assert ownModel.modelComboBox.currentData == str(modelsFolder() / "Mine")
    assert load_model(modelsFolder() / "Mine").name == "small"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right that users of Windows do not have")
def test_name_that_a_link_to_nothing_has_is_taken(ownModel):
    link = modelsFolder() / "Yours"
    link.symlink_to(modelsFolder() / "missing")
    qt.QInputDialog.typed = "Yours"

    ownModel.renameModelButton.click()

    assert "There is a model 'Yours' already" in ownModel.statusLabel.text
    assert link.is_symlink()
    link.unlink()
    assert load_model(modelsFolder() / "Mine").name == "small"


@pytest.mark.parametrize("agrees", [True, False])
def test_model_of_the_user_is_removed_if_the_user_agrees(agrees, ownModel, monkeypatch):
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, windowTitle=None: agrees)

    ownModel.removeModelButton.click()

    assert (modelsFolder() / "Mine").exists() != agrees
    assert ownModel.modelComboBox.currentData == ("cardiac-cine-lv" if agrees else str(modelsFolder() / "Mine"))
    assert not list(modelsFolder().glob(".Mine*"))


def test_bundled_model_can_be_neither_renamed_nor_removed(ownModel):
    choose(ownModel.modelComboBox, "cardiac-cine-lv")

    assert not ownModel.renameModelButton.enabled
    assert not ownModel.removeModelButton.enabled


def test_model_that_was_replaced_under_its_name_is_the_one_that_runs_and_names_the_segments(
    mine, sequence, fakePanel, fakes, phantom
):
    ui = fakePanel
    ui.inputSelector.setCurrentNode(sequence)
    choose(ui.modelComboBox, str(mine))
    swapSegments(mine)

    fakeRun(ui, fakes, segmentedFrames(sequence, phantom))

    segmentation = outputs()[0].GetNthDataNode(0).GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == ["outer", "inner"]
    assert ui.modelComboBox.currentData == str(mine)


def swapSegments(folder):
    """Replace a model by one whose segments are in the other order."""
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["segments"].reverse()
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
