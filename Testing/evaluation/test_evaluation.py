"""Scores of a model: only what was annotated counts, and it is run as a user runs it."""

import json

from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.cli import evaluate as command
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.model.rules import TimeRule
from conftest import smallModel


def evaluated(hearts, tmp_path, *options):
    """The report on a model with memory and its twin, both made of the same random weights."""
    for name, time in (("model", TimeRule("carry")), ("twin", TimeRule("reset"))):
        model = smallModel(name=name, time=time, training={"kept_for_test": ["B", "SC-HF-I-01"]})
        write_bundle(model, model.weights, tmp_path / name)
    out = tmp_path / "scores.json"
    arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(hearts), "--device", "cpu"]
    assert main([*arguments, "--out", str(out), *options]) == 0
    return json.loads(out.read_text(encoding="utf-8"))


def test_hearts_kept_for_test_are_scored_by_default(hearts, tmp_path, capsys):
    (report,) = evaluated(hearts, tmp_path, "--phases-only")
    found = [
        (case["heart"], case["source"], frame["phase"], frame["segment"])
        for case in report["cases"]
        for frame in case["frames"]
    ]
    assert found == [
        ("SC-HF-I-01", "cine", "ED", "Inner"),
        ("SC-HF-I-01", "cine", "ED", "Outer"),
        ("SC-HF-I-01", "phases", "ED", "Inner"),
        ("SC-HF-I-01", "phases", "ES", "Inner"),
        ("B", "phases", "ED", "Inner"),
        ("B", "phases", "ES", "Inner"),
    ]
    assert all(0 <= frame["dice"] <= 1 for case in report["cases"] for frame in case["frames"])
    assert report["summary"]["phases, plain ED: Inner, Dice"]["count"] == 2
    assert {(e["heart"], e["source"]) for e in report["ejection_fractions"]} == {
        ("B", "phases"),
        ("SC-HF-I-01", "phases"),
    }
    assert "phases, plain ED: Inner, Dice" in capsys.readouterr().out


def test_model_and_twin_are_scored_on_the_same_beating_spoiled_and_repeated_hearts(hearts, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "CYCLES", 2)
    page = tmp_path / "page.png"
    options = ["--hearts", "SC-HF-I-01", "--twin", str(tmp_path / "twin"), "--page", str(page), "--time-rules"]
    model, twin = evaluated(hearts, tmp_path, *options)
    assert (model["model"], twin["model"]) == ("model", "twin")
    assert model["weights_sha256"] == twin["weights_sha256"]
    conditions = [(case["source"], case["condition"]) for case in model["cases"]]
    assert conditions == [(case["source"], case["condition"]) for case in twin["cases"]]
    assert {("animated", "plain"), ("animated", "corrupted"), ("cine", "corrupted"), ("cine", "repeated")} <= set(
        conditions
    )
    assert model["summary"]["animated, corrupted: Inner, Dice"]["count"] == 5
    assert len(model["cycles"][0]["dice"]) == 2
    # without memory every cycle is the same
    assert len(set(twin["cycles"][0]["dice"])) == 1
    assert [(row["rule"], row["prime"], row["cycles"]) for row in model["time_rules"][:4]] == [
        ("carry", 0, 1),
        ("carry", 0, 2),
        ("carry", 3, 1),
        ("carry", 3, 2),
    ]
    assert page.read_bytes().startswith(b"\x89PNG")
