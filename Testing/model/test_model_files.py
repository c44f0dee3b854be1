"""The files of a model as they are sent: known by their content, checked when they arrive, and not kept without end."""

import os

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.model.bundle import load_model, write_bundle
from CLSTMSegmentLib.model.model_files import ModelFiles, ModelStore
from conftest import smallModel


@pytest.fixture
def store(tmp_path):
    """A store of two models at most."""
    return ModelStore(tmp_path / "store", most=2)


def models(folder, count):
    """Return the files of some models that differ in their title."""
    for n in range(count):
        model = smallModel(title=f"Model {n}")
        write_bundle(model, model.weights, folder / str(n))
        yield ModelFiles.read(folder / str(n))


def test_model_that_arrives_is_found_by_its_content_and_can_be_loaded(store, bundle):
    files = ModelFiles.read(bundle)
    assert store.find(files.digest) is None

    source = store.add(files.digest, files.content)

    assert store.find(files.digest) == source
    assert load_model(source) == load_model(bundle)


def test_bundled_model_is_read_by_its_name(bundled):
    assert sorted(ModelFiles.read(bundled).content) == ["model.json", "weights.safetensors"]


def test_published_checkpoint_is_one_file(store, tmp_path):
    (tmp_path / "trained.pth").write_bytes(b"weights")
    files = ModelFiles.read(tmp_path / "trained.pth")

    source = store.add(files.digest, files.content)

    assert source.endswith("trained.pth")
    assert store.find(files.digest) == source


def test_model_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"model\.json cannot be read: there is no such file"):
        ModelFiles.read(tmp_path)


def test_model_that_was_changed_on_its_way_is_refused(store, bundle):
    files = ModelFiles.read(bundle)

    with pytest.raises(InputError, match="changed on its way"):
        store.add(files.digest, files.content | {"model.json": b"{}"})

    assert not store.folder.exists()


def test_models_that_were_used_last_are_kept(store, tmp_path):
    first, second, third = models(tmp_path, 3)
    for age, files in ((200, first), (100, second)):
        place = store.add(files.digest, files.content)
        os.utime(place, (1e9 - age, 1e9 - age))
    store.find(first.digest)

    store.add(third.digest, third.content)

    assert [store.find(files.digest) is not None for files in (first, second, third)] == [True, False, True]


def test_file_of_a_stored_model_lies_in_the_store_whatever_its_name(store, tmp_path):
    files = ModelFiles({"../../model.json": b"{}", "weights.safetensors": b""})

    store.add(files.digest, files.content)

    assert not (tmp_path / "model.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
