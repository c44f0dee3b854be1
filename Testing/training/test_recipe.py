"""Training files: all are complete, and one that cannot be used says why."""

from dataclasses import replace

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.training.recipe import read_recipe

from training.small_training import RECIPE


def test_every_training_file_can_be_read():
    files = sorted(RECIPE.parent.glob("*.toml"))

    assert [read_recipe(file).model.name for file in files] == [file.stem for file in files]


def test_training_file_can_give_only_what_differs_from_another(tmp_path):
    (tmp_path / "all.toml").write_text(RECIPE.read_text(encoding="utf-8"), encoding="utf-8")
    text = 'like = "all.toml"\n[data]\ntest = ["A"]\n[model.network]\nwidth = 4\n'
    (tmp_path / "changes.toml").write_text(text, encoding="utf-8")

    original, changed = (read_recipe(tmp_path / name) for name in ("all.toml", "changes.toml"))

    assert changed.test == ("A",)
    assert changed.model.network == replace(original.model.network, width=4)
    assert replace(changed, test=original.test, model=original.model) == original


def test_training_file_that_builds_on_a_missing_one_is_refused(tmp_path):
    (tmp_path / "lost.toml").write_text('like = "nowhere.toml"', encoding="utf-8")

    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read"):
        read_recipe(tmp_path / "lost.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('test = ["SC-HF-I-04"', 'test = ["SC-HF-I-12"', "SC-HF-I-12 cannot be used both for validation and for test"),
        ("validate_every = ", "validate_evry = ", "not a complete recipe"),
        ('excluded = ["', 'exluded = ["', "not a complete recipe"),
        ('phantom = "heart"', 'phantom = "hart"', "not a complete recipe"),
        ("iterations = ", "itterations = ", "not a complete recipe"),
        ("[training]", "[training", "not valid TOML"),
        ('activation = "softmax"', 'activation = "sigmoid"', "need a network of 2 classes"),
    ],
)
def test_training_file_that_cannot_be_used_is_refused_with_its_reason(tmp_path, old, new, message):
    text = RECIPE.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "bad.toml").write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(InputError, match=message):
        read_recipe(tmp_path / "bad.toml")
