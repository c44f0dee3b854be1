"""Files and folders are replaced as a whole, or stay as they were."""

import pytest
from CLSTMSegmentLib.core.atomic_write import replacing, write_bytes, write_text
from CLSTMSegmentLib.core.errors import InputError


def test_file_is_replaced_once_all_of_it_is_written(tmp_path):
    path = tmp_path / "volumes.csv"
    write_text(path, "before")

    write_text(path, "größer")

    assert path.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [path]


def test_file_stays_as_it_was_when_writing_fails(tmp_path):
    path = tmp_path / "volumes.csv"
    write_bytes(path, b"before")

    with pytest.raises(OSError, match="disk full"), replacing(path) as partial:
        partial.write_bytes(b"half")
        raise OSError("disk full")

    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_appears_once_all_of_it_is_written(tmp_path):
    with replacing(tmp_path / "model") as partial:
        partial.mkdir()
        (partial / "model.json").write_text("{}", encoding="utf-8")
        assert not (tmp_path / "model").exists()

    assert (tmp_path / "model" / "model.json").is_file()


def test_folder_is_never_replaced(tmp_path):
    (tmp_path / "model").mkdir()

    with pytest.raises(InputError, match="model is a folder that exists already"), replacing(tmp_path / "model"):
        pytest.fail("the block must not run")


def test_place_that_does_not_exist_is_named_before_anything_is_written(tmp_path):
    path = tmp_path / "nowhere" / "volumes.csv"

    with pytest.raises(InputError, match=r"volumes\.csv cannot be written"), replacing(path):
        pytest.fail("the block must not run")
