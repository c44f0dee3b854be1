"""The scores of a model: only annotated slices count, and the model is run as a user runs it."""

import json
import shutil

import pytest
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.model.rules import StateRule
from conftest import smallModel

TRAINING = {"kept_for_test": ["B", "SC-HF-I-01"], "same_heart": {"SCD0000101": "SC-HF-I-01"}}
SEGMENTS = (
    Segment("inner", "Inner", (1.0, 0.0, 0.0), ejecting_chamber=True),
    Segment("outer", "Outer", (0.0, 1.0, 0.0)),
)


@pytest.fixture
def evaluate(hearts, tmp_path):
    """Return a function that evaluates a recurrent model, and its twin without state, of the same random weights."""
    for name, rule in (("model", "carry"), ("twin", "reset")):
        model = smallModel(name=name, segments=SEGMENTS, state=StateRule(rule), training=TRAINING)
        write_bundle(model, model.weights, tmp_path / name)

    def run(*options):
        out = tmp_path / "scores.json"
        arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(hearts), "--device", "cpu"]
        assert main([*arguments, "--out", str(out), *options]) == 0
        return json.loads(out.read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize("option", ["--out", "--page"])
@pytest.mark.parametrize("place", ["nowhere/result", "a file/result"])
def test_place_that_cannot_be_written_is_named_before_the_work(option, place, tmp_path, capsys):
    (tmp_path / "a file").touch()
    (tmp_path / "hearts").mkdir()

    status = main(["evaluate", "--data", str(tmp_path / "hearts"), option, str(tmp_path / place)])

    assert status == 2
    assert f"{tmp_path / place} cannot be written: its folder" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--page"])
def test_scores_never_replace_a_heart(hearts, option, capsys):
    heart = next(path for path in sorted(hearts.rglob("*.nrrd")))
    before = heart.read_bytes()

    status = main(["evaluate", "--data", str(hearts), option, str(heart)])

    assert status == 2
    assert "is an input and would be replaced" in capsys.readouterr().err
    assert heart.read_bytes() == before


def test_scores_that_somebody_else_wrote_during_the_evaluation_stay(hearts, tmp_path, monkeypatch, capsys):
    model = smallModel(training=TRAINING)
    write_bundle(model, model.weights, tmp_path / "model")
    out = tmp_path / "scores.json"
    monkeypatch.setattr("CLSTMSegmentLib.evaluation.scoring.dice", lambda *_: out.write_text("theirs") / 6)
    arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(hearts), "--out", str(out)]

    assert main([*arguments, "--device", "cpu", "--hearts", "B", "--phases-only"]) == 2

    assert f"{out} was made or changed by somebody else during the run" in capsys.readouterr().err
    assert out.read_text() == "theirs"


def test_what_is_odd_about_a_cine_is_said_and_stands_in_the_scores(hearts, tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "scores.json"
    shutil.copytree(hearts, data)
    (cine,) = data.rglob("SCD0000101.seq.nrrd")
    images = [frame.image for frame in read_sequence(cine)]
    write_sequence(cine, SequenceIndex(["7"] * len(images), "time", "ms"), images)
    model = smallModel(training=TRAINING)
    write_bundle(model, model.weights, tmp_path / "model")
    arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(data), "--out", str(out)]

    assert main([*arguments, "--device", "cpu", "--phases-only"]) == 0

    said = "have the same index value as a frame before them"
    assert said in capsys.readouterr().err
    assert said in json.loads(out.read_text(encoding="utf-8"))[0]["warnings"][0]


def test_heart_that_is_not_there_is_named(hearts, tmp_path, capsys):
    model = smallModel(training=TRAINING | {"kept_for_test": ["B", "SC-HF-07"]})
    write_bundle(model, model.weights, tmp_path / "model")
    arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(hearts), "--device", "cpu"]

    assert main([*arguments, "--hearts", "B", "C-7"]) == 2
    assert "does not have the hearts C-7: correct --hearts" in capsys.readouterr().err
    assert main([*arguments, "--phases-only", "--out", str(tmp_path / "scores.json")]) == 0
    assert "does not have the hearts SC-HF-07, which the model kept for test" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["labels.json", "drawn.nrrd", "elsewhere/drawn.nrrd"])
def test_scores_never_replace_what_a_link_or_an_index_leads_to(name, tmp_path, capsys):
    data, linked = tmp_path / "data", tmp_path / "linked"
    (linked / "elsewhere").mkdir(parents=True)
    data.mkdir()
    (data / "hearts").symlink_to(linked, target_is_directory=True)
    for path in (linked / "drawn.nrrd", linked / "elsewhere" / "drawn.nrrd"):
        path.write_text("drawn", encoding="utf-8")
    (linked / "labels.json").write_text('{"A": {"0": {"file": "elsewhere/drawn.nrrd"}}}', encoding="utf-8")
    before = (linked / name).read_bytes()

    status = main(["evaluate", "--data", str(data), "--out", str(linked / name)])

    assert status == 2
    assert "is an input and would be replaced" in capsys.readouterr().err
    assert (linked / name).read_bytes() == before


def test_hearts_kept_for_test_are_scored_by_default(evaluate, capsys):
    (report,) = evaluate("--phases-only")

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
    assert "phases, plain ED: Inner, Dice" in capsys.readouterr().out


def test_ejection_fraction_is_given_for_ejecting_chambers_only(evaluate):
    (report,) = evaluate("--phases-only")

    chambers = {(entry["heart"], entry["source"], entry["segment"]) for entry in report["ejection_fractions"]}
    assert chambers == {("B", "phases", "Inner"), ("SC-HF-I-01", "phases", "Inner")}


def test_model_without_ejecting_chamber_gets_no_ejection_fraction(hearts, tmp_path):
    model = smallModel(training=TRAINING)
    write_bundle(model, model.weights, tmp_path / "airway")
    out = tmp_path / "scores.json"
    arguments = ["--model", str(tmp_path / "airway"), "--data", str(hearts), "--device", "cpu", "--out", str(out)]

    assert main(["evaluate", *arguments, "--phases-only"]) == 0

    (report,) = json.loads(out.read_text(encoding="utf-8"))
    assert report["ejection_fractions"] == []
    assert not any("ejection" in name for name in report["summary"])


@pytest.mark.slow
def test_model_and_twin_are_scored_on_the_same_animated_corrupted_and_repeated_hearts(evaluate, tmp_path, monkeypatch):
    page = tmp_path / "page.png"
    monkeypatch.setattr("CLSTMSegmentLib.evaluation.cases.ANIMATED_FRAMES", 8)

    model, twin = evaluate(
        *("--hearts", "SC-HF-I-01", "--twin", str(tmp_path / "twin"), "--page", str(page)),
        *("--cycles", "2"),
    )

    assert (model["model"], twin["model"]) == ("model", "twin")
    assert model["weights_sha256"] == twin["weights_sha256"]
    conditions = [(case["source"], case["condition"]) for case in model["cases"]]
    assert conditions == [(case["source"], case["condition"]) for case in twin["cases"]]
    assert {("animated", "plain"), ("animated", "corrupted"), ("cine", "corrupted"), ("cine", "repeated")} <= set(
        conditions
    )
    assert model["summary"]["animated, corrupted: Inner, Dice"]["count"] == 2
    assert len(model["cycles"][0]["dice"]) == 2
    assert len(set(twin["cycles"][0]["dice"])) == 1  # without a recurrent state every cycle is the same
    assert page.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("option", ["--state-rules", "--time-rules"])  # the former name works too
def test_state_rules_are_compared(option, evaluate):
    (report,) = evaluate("--hearts", "SC-HF-I-01", "--phases-only", "--cycles", "2", option)

    rows = report["state_rules"]
    assert [row["rule"] for row in rows] == ["carry"] * 4 + ["window:5"] * 4 + ["reset"] * 2
    assert [(row["warm_up_frames"], row["cycles"]) for row in rows[:4]] == [(0, 1), (0, 2), (3, 1), (3, 2)]


def test_data_folder_without_the_hearts_is_an_error(evaluate, hearts, tmp_path, capsys):
    arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(hearts), "--hearts", "Z"]

    status = main(arguments)

    assert status == 2
    assert "none of the hearts Z" in capsys.readouterr().err
