"""Models that are missing, damaged, hostile or absurd are refused with the reason, and no code of theirs is run."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.panel.model_choice import addModel, choosableModels
from safetensors.torch import load_file, save_file


def changed(**changes):
    """Return a change of keys of model.json; `network__width=3` changes a key in a table."""

    def damage(folder):
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        for key, value in changes.items():
            *tables, last = key.split("__")
            table = content
            for name in tables:
                table = table[int(name) if name.isdecimal() else name]
            table[last] = value
        (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")

    return damage


def with_weights(change):
    """Return a change of the weights that the hash allows."""

    def damage(folder):
        weights = load_file(folder / "weights.safetensors")
        change(weights)
        save_file(weights, folder / "weights.safetensors")
        changed(sha256="")(folder)

    return damage


def truncated(name):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


DAMAGE = {
    "folder missing": (shutil.rmtree, "no model"),
    "weights missing": (lambda folder: (folder / "weights.safetensors").unlink(), "cannot be read"),
    "description truncated": (truncated("model.json"), "not valid JSON"),
    "weights truncated": (truncated("weights.safetensors"), "is not the file model.json was written for"),
    "weights truncated, hash removed": (
        lambda folder: (truncated("weights.safetensors")(folder), changed(sha256="")(folder)),
        "is damaged",
    ),
    "wrong hash": (changed(sha256="0" * 64), "is not the file model.json was written for"),
    "wrong shapes": (changed(network__width=4), "do not fit the network"),
    "labels that do not match classes": (changed(network__classes=5), "need a network of 3 classes"),
    "weights that are not numbers": (
        with_weights(lambda weights: weights["outc.conv.bias"].fill_(float("nan"))),
        "holds values that are not finite",
    ),
    "weights that are complex": (
        with_weights(lambda weights: weights.update({"outc.conv.bias": torch.zeros(3, dtype=torch.complex64)})),
        "holds complex numbers",
    ),
    "a layer missing": (with_weights(lambda weights: weights.pop("outc.conv.bias")), "do not fit the network"),
    "name that leads elsewhere": (changed(name="../../elsewhere"), "a model's name is"),
    "name that is an absolute path": (changed(name="/tmp/elsewhere"), "a model's name is"),
    "network that is too large": (changed(network__width=10**9), "width must be a whole number from 1 to 1024"),
    "patch that is too large": (changed(geometry__patch=[10**9] * 3), "patch must be three whole numbers"),
    "spacing of 0": (changed(geometry__spacing=[0, 1, 1]), "spacing must be three lengths"),
    "axes in one plane": (changed(geometry__axes=[[1, 0, 0], [0, 1, 0], [1, 1, 0]]), "axes must be unit vectors"),
    "percentiles in the wrong order": (changed(intensity__lower=99.9), "lower < upper"),
    "unknown key": (changed(colour="red"), "not a complete model description"),
    "a name that is no text": (changed(segments__0__name="a\ud800"), "a character that is no text"),
    "two segments of one name": (changed(segments__0__name="Outer"), "two segments have the same name 'Outer'"),
    "segment named as a column": (changed(segments__0__name="frame"), "a segment cannot be named 'frame'"),
    "locator that is no table": (changed(locator="small"), "not a complete model description"),
    "spacing of a planet": (changed(geometry__spacing=[1e300, 1, 1]), "spacing must be three lengths"),
    "endless warm-up": (changed(state__warm_up_frames=3_000_000), "cannot be below 0 or above 1000"),
    "segment without a name": (changed(segments__0__name=""), "every segment needs an id and a name"),
    "another format": (changed(format=99), "not a model description of format"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_model_is_refused(damage, bundle, tmp_path):
    folder, models = tmp_path / "small", tmp_path / "user" / "models"
    models.mkdir(parents=True)
    shutil.copytree(bundle, folder)
    corrupt, message = DAMAGE[damage]
    corrupt(folder)

    with pytest.raises(InputError, match=message):
        load_model(folder).build_network()

    # the model cannot be added either, and nothing is copied
    if folder.exists():
        with pytest.raises(InputError):
            addModel(folder / "model.json", models)
    assert list(models.iterdir()) == []
    assert [path.name for path in (tmp_path / "user").iterdir()] == ["models"]


def test_only_the_two_files_of_a_model_are_copied(bundle, tmp_path):
    downloads = tmp_path / "downloads"
    shutil.copytree(bundle, downloads)
    (downloads / "letter.txt").write_text("private", encoding="utf-8")
    (downloads / "letters").mkdir()
    (downloads / "home").symlink_to(Path.home(), target_is_directory=True)

    source = addModel(downloads / "model.json", tmp_path / "models")

    assert sorted(path.name for path in Path(source).iterdir()) == ["model.json", "weights.safetensors"]
    for path in Path(source).iterdir():
        assert path.read_bytes() == (bundle / path.name).read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device", "huge file"])
def test_what_is_no_plain_file_of_a_usual_size_is_not_added(kind, name, bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "small")
    path = tmp_path / "small" / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(2**36)  # of which the disk stores nothing

    with pytest.raises(InputError, match=f"{name} is (missing, or is no file|larger)"):
        addModel(tmp_path / "small" / "model.json", tmp_path / "models")

    assert not (tmp_path / "models").exists()


def test_damaged_model_of_the_user_does_not_hide_the_others(bundle, tmp_path):
    addModel(bundle / "model.json", tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("[]", encoding="utf-8")

    sources = [source for source, _ in choosableModels(tmp_path)]

    assert str(tmp_path / "small") in sources
    assert str(tmp_path / "broken") not in sources


def test_checkpoint_of_any_file_name_becomes_a_model_of_a_safe_name(tmp_path):
    file = tmp_path / ".. ~valve (1) é最.pth"
    torch.save(CLSTMUNet4D(NetworkOptions(classes=1, width=2)).state_dict(), file)

    source = addModel(file, tmp_path / "models")

    assert [path.name for path in (tmp_path / "models").iterdir()] == ["valve -1- é最"]
    assert load_model(source).name == "valve -1- é最"
