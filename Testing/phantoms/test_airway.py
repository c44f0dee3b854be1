"""The airway phantom, and the model that was trained on such phantoms alone."""

import csv

import numpy as np
import pytest
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.evaluation.metrics import dice
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.phantoms.airway import AIRWAY_AXES, AirwayPhantom
from CLSTMSegmentLib.phantoms.phantom import CineShape, grid_points, phantom_sequence
from conftest import REPOSITORY

RECIPE = REPOSITORY / "recipes" / "airway-phantom.toml"
SHAPE, SPACING = (24, 64, 64), (4.0, 2.0, 2.0)


def test_phantom_airway_narrows_when_breathing_out_and_is_dark():
    phantom, points = AirwayPhantom(3), grid_points(SHAPE, SPACING)

    frames = [phantom.frame(t / 8, points, noise_seed=t) for t in range(8)]

    volumes = [np.count_nonzero(labels) for _, labels in frames]
    assert np.argmin(volumes) == 4
    assert volumes[4] < 0.95 * volumes[0]
    image, labels = frames[0]
    assert image[labels == 1].mean() < 0.5 * image[labels == 0].mean()


def test_phantom_of_the_same_seed_gives_the_same_image():
    points = grid_points(SHAPE, SPACING)

    images = [AirwayPhantom(3).frame(0, points)[0] for _ in range(2)]

    np.testing.assert_array_equal(*images)


def test_bundled_airway_model_finds_the_lumen_of_a_new_phantom():
    seed = 2**31 + 100  # training and validation phantoms have other seeds
    frames, truth = phantom_sequence(AirwayPhantom(seed), AIRWAY_AXES, seed, CineShape(8, SHAPE, SPACING, 4000.0))
    segmenter = Segmenter(load_model("airway-phantom"), RunSettings(device="cpu"))

    results = list(segmenter.segment(frames))

    overlaps = [dice(result.labels, truth[result.number], 1) for result in results]
    print("lumen Dice:", *(f"{value:.3f}" for value in overlaps))
    assert min(overlaps) > 0.85


@pytest.mark.slow
def test_a_minute_of_training_on_phantoms_alone_improves_the_loss(tmp_path):
    """Run the recipe of the airway model, made short, as `make train-smoke` does."""
    text = RECIPE.read_text(encoding="utf-8")
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
    assert losses[3] < 0.8 * losses[0]  # the last one before the second stage, whose stacks differ
    model = load_model(tmp_path / "run" / "airway-phantom")
    assert model.training["trained_on"] == "phantoms alone"
    assert [segment.name for segment in model.segments] == ["Airway lumen"]
