"""The second family of phantoms: nothing in training is wired to the heart."""

import csv

import numpy as np
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.evaluation.metrics import dice
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.phantoms.airway import AIRWAY_AXES, AirwayPhantom
from CLSTMSegmentLib.phantoms.phantom import grid_points, phantom_sequence
from conftest import REPOSITORY

CONFIGURATION = REPOSITORY / "recipes" / "airway-phantom.toml"


def test_phantom_airway_narrows_when_breathing_out_and_is_dark():
    phantom, points = AirwayPhantom(3), grid_points((24, 64, 64), (4.0, 2.0, 2.0))
    frames = [phantom.frame(t / 8, points, noise_seed=t) for t in range(8)]
    volumes = [np.count_nonzero(labels) for _, labels in frames]
    assert np.argmin(volumes) == 4
    assert volumes[4] < 0.95 * volumes[0]
    image, labels = frames[0]
    assert image[labels == 1].mean() < 0.5 * image[labels == 0].mean()
    np.testing.assert_array_equal(AirwayPhantom(3).frame(0, points)[0], image)


def test_bundled_airway_model_finds_the_lumen_of_a_phantom_it_has_not_seen():
    seed = 2**31 + 100  # training and validation phantoms have others
    frames, truth = phantom_sequence(AirwayPhantom(seed), AIRWAY_AXES, seed, 8, (24, 64, 64), (4.0, 2.0, 2.0), 4000.0)
    results = list(Segmenter(load_model("airway-phantom"), "cpu").segment(frames))
    overlaps = [dice(result.labels, truth[result.number], 1) for result in results]
    print("lumen Dice:", *(f"{value:.3f}" for value in overlaps))
    assert min(overlaps) > 0.85


def test_a_minute_of_training_on_phantoms_alone_improves_the_loss(tmp_path):
    """What `make train-smoke` runs: the airway's training file, cut short."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    for old, new in (
        ("iterations = 700", "iterations = 120"),
        ("iterations = 100", "iterations = 10"),
        ("validate_every = 100", "validate_every = 30"),
        ("norms_frozen_from = 400", "norms_frozen_from = 100"),
        ("width = 8", "width = 4"),
        ("patches = [[16, 48, 48], [24, 64, 64]]", "patches = [[16, 32, 32]]"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "smoke.toml").write_text(text, encoding="utf-8")
    assert main(["train", str(tmp_path / "smoke.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8", newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    print("loss:", *losses)
    assert losses[3] < 0.8 * losses[0]  # before the second stage, whose stacks are other ones
    model = load_model(tmp_path / "run" / "airway-phantom")
    assert model.training["trained_on"] == "phantoms alone"
    assert [segment.name for segment in model.segments] == ["Airway lumen"]
