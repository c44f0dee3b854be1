"""Images on disk: written atomically, and with a decimal point in every locale."""

import locale

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.image_files import decimal_point, read_image, write_image


@pytest.fixture
def image():
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetSpacing((1.25, 2.5, 8.75))
    return image


@pytest.mark.parametrize("compressed", [False, True])
def test_image_is_read_as_it_was_written(tmp_path, image, compressed):
    write_image(tmp_path / "image.nrrd", image, compressed)

    read = read_image(tmp_path / "image.nrrd")

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    assert read.GetSpacing() == image.GetSpacing()
    assert [path.name for path in tmp_path.iterdir()] == ["image.nrrd"]


def test_image_stays_as_it_was_when_writing_fails(tmp_path, image, monkeypatch):
    write_image(tmp_path / "image.nrrd", image)
    before = (tmp_path / "image.nrrd").read_bytes()

    def half_written(image, path, useCompression):
        with open(path, "wb") as file:  # noqa: PTH123  SimpleITK gets a text, too
            file.write(before[:50])
        raise RuntimeError("disk full")

    monkeypatch.setattr(sitk, "WriteImage", half_written)

    with pytest.raises(RuntimeError, match="disk full"):
        write_image(tmp_path / "image.nrrd", image)

    assert (tmp_path / "image.nrrd").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["image.nrrd"]


def test_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "image.nrrd").write_bytes(b"no image")

    with pytest.raises(InputError, match=r"image\.nrrd cannot be read as an image"):
        read_image(tmp_path / "image.nrrd")


def test_locale_is_restored_after_reading_and_writing():
    before = locale.setlocale(locale.LC_NUMERIC)

    with decimal_point():
        assert locale.setlocale(locale.LC_NUMERIC) == "C"

    assert locale.setlocale(locale.LC_NUMERIC) == before
