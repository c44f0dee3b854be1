"""Models on the command line: they are listed, described, and imported from a published checkpoint."""

import json

import torch
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.model.bundle import load_model
from model.published_state_dict import random_published_weights


def test_bundled_models_are_listed(bundled, capsys):
    assert main(["model", "list"]) == 0
    assert bundled in capsys.readouterr().out


def test_bundled_model_is_described(bundled, capsys):
    assert main(["model", "info", bundled]) == 0
    printed = capsys.readouterr().out
    for text in ("Left ventricular cavity", "Licence", "Citation", "Sunnybrook", "State rule: carry, 3 warm-up frames"):
        assert text in printed


def test_published_checkpoint_is_imported_with_every_default_in_model_json(tmp_path):
    torch.save(random_published_weights(2, 1), tmp_path / "trained.pth")

    status = main(["model", "import", str(tmp_path / "trained.pth"), "-o", str(tmp_path / "mine")])

    assert status == 0
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
    assert (description["state"]["rule"], description["state"]["window"]) == ("window", 5)
    assert description["activation"] == "sigmoid"


def test_segments_of_an_imported_model_are_named_in_its_model_json(tmp_path):
    torch.save(random_published_weights(2, 1), tmp_path / "trained.pth")
    main(["model", "import", str(tmp_path / "trained.pth"), "-o", str(tmp_path / "mine")])
    description = json.loads((tmp_path / "mine" / "model.json").read_text(encoding="utf-8"))

    changed = description | {"segments": [description["segments"][0] | {"name": "Airway"}]}
    (tmp_path / "mine" / "model.json").write_text(json.dumps(changed), encoding="utf-8")

    assert load_model(tmp_path / "mine").segments[0].name == "Airway"


def test_import_does_not_replace_a_model(tmp_path, capsys):
    torch.save(random_published_weights(2, 1), tmp_path / "trained.pth")
    main(["model", "import", str(tmp_path / "trained.pth"), "-o", str(tmp_path / "mine")])

    status = main(["model", "import", str(tmp_path / "trained.pth"), "-o", str(tmp_path / "mine")])

    assert status == 2
    assert "already holds a model" in capsys.readouterr().err
