"""Sequences on disk: what is written is read back, whatever the number of frames and the index."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.engine.errors import InputError
from CLSTMSegmentLib.engine.files import SequenceIndex, read_sequence, replacing, write_sequence


def random_images(count, dtype):
    rng = np.random.default_rng(count)
    images = [sitk.GetImageFromArray(rng.integers(0, 200, (3, 4, 5)).astype(dtype)) for _ in range(count)]
    for image in images:
        image.SetSpacing((1.5, 2.0, 8.0))
        image.SetOrigin((0.1, -20.0, 300.5))
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.5, 0.8).GetMatrix())
    return images


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_sequence_is_read_as_it_was_written(tmp_path, count, dtype):
    images = random_images(count, dtype)
    index = SequenceIndex([f"{40 * t}" for t in range(count)], "time", "ms")
    write_sequence(tmp_path / "s.seq.nrrd", index, images)
    found = read_sequence(tmp_path / "s.seq.nrrd")
    assert found.index == index
    for frame, image, value in zip(found, images, index.values, strict=True):
        assert frame.index_value == value
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(frame.image), sitk.GetArrayViewFromImage(image))
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(frame.image, geometry)(), getattr(image, geometry)(), atol=1e-12)


def test_text_index_values_keep_their_spaces_and_accents(tmp_path):
    index = SequenceIndex(["early diastole", "é,1", "100%"], "phase", "", "text")
    write_sequence(tmp_path / "s.seq.nrrd", index, random_images(3, np.uint8))
    assert read_sequence(tmp_path / "s.seq.nrrd").index == index


def test_nifti_time_unit_becomes_the_index_unit(tmp_path):
    path = tmp_path / "s.nii"
    sitk.WriteImage(sitk.JoinSeries(random_images(3, np.int16), 0, 40), str(path))
    index = read_sequence(path).index
    assert (index.values, index.name, index.unit) == (["0", "40", "80"], "time", "s")
    content = bytearray(path.read_bytes())
    content[123] = 2 | 16  # the header's xyzt_units: mm and ms
    path.write_bytes(content)
    assert read_sequence(path).index.unit == "ms"


def test_replaced_file_appears_only_when_all_went_well(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError, match="midway"), replacing(path) as partial:
        partial.write_text("new", encoding="utf-8")
        raise RuntimeError("midway")
    assert path.read_text(encoding="utf-8") == "old"
    with replacing(path) as partial:
        partial.write_text("new", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["result.txt"]


def test_place_that_cannot_be_written_is_named_at_once(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "nowhere" / "result.txt", tmp_path / "folder"):
        with pytest.raises(InputError, match=path.name), replacing(path):
            pytest.fail("the block must not run")
