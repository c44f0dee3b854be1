"""The picture of one frame that needs no matplotlib."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import StorageError
from CLSTMSegmentLib.report.quick_picture import HEIGHT, MOST_WIDTH, write_quick_picture

SPACING = (8.0, 2.0, 2.0)


@pytest.fixture
def arrays():
    """An image with a bright box, its annotation, and labels that were found beside it."""
    image = np.zeros((4, 16, 16), np.float32)
    annotated, found = np.zeros((2, 4, 16, 16), np.uint8)
    image[1:3, 4:8, 4:8] = 1
    annotated[1:3, 4:8, 4:8] = 1
    found[1:3, 5:9, 5:9] = 1
    return image, annotated, found


def test_three_slices_are_shown_beside_each_other(arrays, tmp_path):
    write_quick_picture(tmp_path / "picture.png", *arrays, SPACING)

    assert sitk.ReadImage(str(tmp_path / "picture.png")).GetSize() == (3 * HEIGHT, HEIGHT)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_picture_that_cannot_be_stored_leaves_the_former_one(arrays, tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("ITK ERROR: PNGImageIO: could not write: No space left on device")

    (tmp_path / "picture.png").write_bytes(b"a former picture")
    monkeypatch.setattr(sitk, "WriteImage", full)

    with pytest.raises(StorageError, match="No space left"):
        write_quick_picture(tmp_path / "picture.png", *arrays, SPACING)

    assert (tmp_path / "picture.png").read_bytes() == b"a former picture"
    assert len(list(tmp_path.iterdir())) == 1


def test_picture_has_a_size_that_a_screen_can_show_whatever_the_shape_of_the_voxels(arrays, tmp_path):
    write_quick_picture(tmp_path / "picture.png", *arrays, (8.0, 0.001, 10.0))

    assert max(sitk.ReadImage(str(tmp_path / "picture.png")).GetSize()) <= MOST_WIDTH
