"""Training files: all are complete, and one that cannot be used says why."""

from dataclasses import replace

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.training.recipe import read_recipe

from training.small_training import HEARTS, small_recipe


def test_every_training_file_can_be_read():
    files = sorted(set(HEARTS.parent.glob("*.toml")) - {HEARTS})

    assert [read_recipe(file).model.name for file in files] == [file.stem for file in files]


def test_training_file_can_give_only_what_differs_from_another(tmp_path):
    small_recipe(tmp_path, 2).rename(tmp_path / "all.toml")
    text = 'like = "all.toml"\n[data]\ntest = ["C"]\n[model.network]\nwidth = 4\n'
    (tmp_path / "changes.toml").write_text(text, encoding="utf-8")

    original, changed = (read_recipe(tmp_path / name) for name in ("all.toml", "changes.toml"))

    assert changed.test == ("C",)
    assert changed.model.network == replace(original.model.network, width=4)
    assert replace(changed, test=original.test, model=original.model) == original


def test_training_file_that_builds_on_itself_is_refused(tmp_path):
    for name, other in (("a.toml", "b.toml"), ("b.toml", "a.toml")):
        (tmp_path / name).write_text(f'like = "{other}"', encoding="utf-8")

    with pytest.raises(InputError, match=r"a\.toml builds on itself"):
        read_recipe(tmp_path / "a.toml")


def test_training_file_that_builds_on_a_missing_one_is_refused(tmp_path):
    (tmp_path / "lost.toml").write_text('like = "nowhere.toml"', encoding="utf-8")

    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read"):
        read_recipe(tmp_path / "lost.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('test = ["B"', 'test = ["A"', "A cannot be used both for validation and for test"),
        ("validate_every = ", "validate_evry = ", "not a complete recipe"),
        ("[data]", '[data]\nexluded = ["SC-N-06"]', "not a complete recipe"),
        ("[data]", '[data]\nphantom = "hart"', "not a complete recipe"),
        ("iterations = ", "itterations = ", "not a complete recipe"),
        ("[training]", "[training", "not valid TOML"),
        ("[training]", "[locater]\nmargin_mm = 20\n[training]", "locater is no table of a recipe"),
        ("[training]", "[locator]\nmargin = 20\n[training]", "not a complete recipe"),
        ("validate_every = 2", "validate_every = 0", "validate_every must be at least 1"),
        ("iterations = 2", "iterations = -5", "at least 1 iteration"),
        ("iterations = 2", 'iterations = "two"', "at least 1 iteration"),
        ("learning_rate = 1.5e-3", "learning_rate = nan", "rates of at least 0"),
        ("batch = 2", "batch = 0", "a batch at least 1 stack"),
        ("patches = [[8, 24, 24]]", "patches = [[8, 24]]", "three whole numbers each"),
        ("patches = [[8, 24, 24]]", "patches = [[90000, 90000, 90000]]", "three whole numbers each"),
        ("patches = [[8, 24, 24]]", "patches = 8", "not a complete recipe"),
        ("[data]", "[data]\nborder = 5", "not a complete recipe"),
        ("[model]", '[model]\nactivation = "sigmoid"', "need a network of 2 classes"),
        ('spacing = ["own", 6.0, 6.0]', 'spacing = ["own", "own", 6.0]', "needs the spacing of rows and columns"),
    ],
)
def test_training_file_that_cannot_be_used_is_refused_with_its_reason(tmp_path, old, new, message):
    text = small_recipe(tmp_path, 2).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "bad.toml").write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(InputError, match=message):
        read_recipe(tmp_path / "bad.toml")
