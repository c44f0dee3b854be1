"""Models on the command line: what there is, what it says, and importing a published checkpoint."""

import json

import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.model.bundle import load_model
from model import published_state_dict as published


def test_bundled_models_are_listed_and_described(bundled, capsys):
    assert main(["model", "list"]) == 0
    assert bundled in capsys.readouterr().out
    assert main(["model", "info", bundled]) == 0
    told = capsys.readouterr().out
    for text in ("Left ventricular cavity", "Licence", "Citation", "Sunnybrook", "Time rule"):
        assert text in told


def test_published_checkpoint_is_imported_with_every_default_in_sight(tmp_path, capsys):
    torch.save(published.state_dict(2, 1), tmp_path / "trained.pth")
    assert main(["model", "import", str(tmp_path / "trained.pth"), "-o", str(tmp_path / "mine")]) == 0
    description = json.loads((tmp_path / "mine" / "model.json").read_text(encoding="utf-8"))
    assert description["geometry"]["patch"] == [64, 64, 64]
    assert description["geometry"]["crop"] == "foreground"
    assert description["intensity"] == {
        "scale": "min-max",
        "lower": 1.0,
        "upper": 99.5,
        "over": "stack",
        "zero_below": 0.08,
        "gamma": 1.0,
    }
    assert (description["time"]["rule"], description["time"]["window"]) == ("window", 5)
    assert description["activation"] == "sigmoid"
    changed = description | {"segments": [description["segments"][0] | {"name": "Airway"}]}
    (tmp_path / "mine" / "model.json").write_text(json.dumps(changed), encoding="utf-8")
    assert load_model(tmp_path / "mine").segments[0].name == "Airway"
    capsys.readouterr()
    assert main(["model", "import", str(tmp_path / "trained.pth"), "-o", str(tmp_path / "mine")]) == 2
    assert "already holds a model" in capsys.readouterr().err
