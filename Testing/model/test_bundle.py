"""Model bundles: what is written is read back, and descriptions of an earlier format are still read."""

import json
import shutil
from pathlib import Path

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.model.bundle import load_model, read_bundle, write_bundle
from CLSTMSegmentLib.model.rules import GeometryRule, StateRule
from CLSTMSegmentLib.network.options import NetworkOptions
from conftest import smallModel


def change_description(folder, change):
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


def test_model_is_read_as_it_was_written(tmp_path):
    chamber = Segment("chamber", "Chamber", (1.0, 0.0, 0.0), ejecting_chamber=True)
    wall = Segment("wall", "Wall", (0.0, 1.0, 0.0))
    model = smallModel(segments=(chamber, wall), state=StateRule("window", 4, 2, cyclic=True))

    written = write_bundle(model, model.weights, tmp_path / "small")

    assert written == read_bundle(tmp_path / "small")
    assert written.segments == (chamber, wall)
    assert written.state == model.state
    assert written.network == model.network


def test_shapes_by_stage_and_an_axis_without_a_spacing_are_read_as_they_were_written(tmp_path):
    network = NetworkOptions(
        **{"classes": 3, "width": 2, "last_stage": "none"},
        **{"kernels": ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)), "poolings": ((1, 2, 2),) * 3},
    )
    geometry = GeometryRule(spacing=(None, 1.5, 1.5), smallest=(1, 32, 32))
    model = smallModel(network=network, geometry=geometry)

    written = write_bundle(model, model.weights, tmp_path / "small")

    assert (written.network, written.geometry) == (network, geometry)
    assert read_bundle(tmp_path / "small") == written


def test_description_of_format_1_is_read(tmp_path):
    model = smallModel(state=StateRule("window", 4, 2, cyclic=True))
    write_bundle(model, model.weights, tmp_path / "small")

    def as_format_1(content):
        content["format"] = 1
        content["time"] = content.pop("state")
        content["time"]["prime"] = content["time"].pop("warm_up_frames")
        for segment in content["segments"]:
            del segment["ejecting_chamber"]

    change_description(tmp_path / "small", as_format_1)

    read = read_bundle(tmp_path / "small")

    assert read.state == model.state
    assert read.segments == model.segments


def test_folder_with_a_model_is_not_written_again(tmp_path):
    model = smallModel()
    write_bundle(model, model.weights, tmp_path / "small")

    with pytest.raises(InputError, match="already holds a model"):
        write_bundle(model, model.weights, tmp_path / "small")


def test_chamber_that_may_eject_or_not_is_refused(tmp_path):
    model = smallModel()
    write_bundle(model, model.weights, tmp_path / "small")
    change_description(tmp_path / "small", lambda content: content["segments"][0].update(ejecting_chamber="maybe"))

    with pytest.raises(InputError, match="ejecting_chamber must be true or false"):
        read_bundle(tmp_path / "small")


def test_folder_here_does_not_take_the_place_of_a_bundled_model_and_that_is_said(
    bundled, bundle, tmp_path, monkeypatch, caplog
):
    shutil.copytree(bundle, tmp_path / bundled)
    monkeypatch.chdir(tmp_path)

    by_name, by_path = load_model(bundled), load_model(f"./{bundled}")

    assert (by_name.name, by_path.name) == (bundled, "small")
    assert load_model(Path(bundled)).name == "small"
    assert [str(tmp_path / bundled) in message for message in caplog.messages] == [True]


def test_folder_of_any_other_name_here_is_a_model(bundle, tmp_path, monkeypatch, caplog):
    shutil.copytree(bundle, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)

    assert load_model("mine").name == "small"
    assert caplog.messages == []


def test_weights_of_the_user_are_never_replaced(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"of the user")

    with pytest.raises(InputError, match="already holds a model"):
        write_bundle(smallModel(), smallModel().weights, tmp_path)

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"of the user"]
