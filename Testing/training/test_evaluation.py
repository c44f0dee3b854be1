"""Scores of a model: only what was annotated counts, and it is run as a user runs it."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.engine.bundle import write_bundle
from CLSTMSegmentLib.training.evaluation import dice
from conftest import smallModel


def image(rows):
    return sitk.GetImageFromArray(np.array(rows, np.uint8))


def test_dice_counts_the_annotated_slices_of_one_label():
    found, truth = image([[[1, 1, 2]], [[0, 1, 1]]]), image([[[1, 0, 2]], [[0, 0, 0]]])
    assert dice(found, truth, 1) == pytest.approx(2 * 1 / (4 + 1))
    assert dice(found, truth, 1, (0, 0)) == pytest.approx(2 * 1 / (2 + 1))
    assert dice(found, truth, 2) == 1.0
    assert dice(found, truth, 3) == 1.0
    assert dice(found, truth, 1, (1, 1)) == 0.0


def test_hearts_kept_for_test_are_scored_by_default(hearts, tmp_path, capsys):
    model = smallModel(training={"kept_for_test": ["B", "SC-HF-I-01"]})
    write_bundle(model, model.weights, tmp_path / "model")
    command = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(hearts), "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert [(s["heart"], s["source"], s["phase"], s["segment"]) for s in scores] == [
        ("SC-HF-I-01", "SCD0000101", "ED", "Inner"),
        ("SC-HF-I-01", "SCD0000101", "ED", "Outer"),
        ("SC-HF-I-01", "phases", "ED", "Inner"),
        ("SC-HF-I-01", "phases", "ES", "Inner"),
        ("B", "phases", "ED", "Inner"),
        ("B", "phases", "ES", "Inner"),
    ]
    assert all(0 <= s["dice"] <= 1 for s in scores)
    assert "phases ED, Inner: mean" in capsys.readouterr().out
