"""A cine series in DICOM, as a scanner's export leaves it: a file a slice and a time."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.engine.errors import InputError
from CLSTMSegmentLib.engine.files import read_sequence


def write_series(folder, frames, tags=None):
    """Each slice of each frame as a file of its own, oblique as the frames are, in no order at all."""
    folder.mkdir()
    names = np.random.default_rng(0).permutation(len(frames) * frames[0].image.GetDepth()).tolist()
    for number, frame in enumerate(frames):
        image = sitk.Cast(frame.image, sitk.sitkInt16)
        direction = image.GetDirection()
        for k in range(image.GetDepth()):
            one = image[:, :, k : k + 1]
            where = "\\".join(repr(v) for v in one.TransformIndexToPhysicalPoint((0, 0, 0)))
            rows = "\\".join(repr(direction[n]) for n in (0, 3, 6, 1, 4, 7))
            content = {"0008|0060": "MR", "0020|0032": where, "0020|0037": rows, "0020|0013": str(number + 1)}
            content |= {"0018|1060": f"{number * 37.5}"} if tags is None else tags(number, k)
            for tag, value in content.items():
                one.SetMetaData(tag, value)
            writer = sitk.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetImageIO("GDCMImageIO")
            writer.SetFileName(str(folder / f"IM{names.pop():04}"))
            writer.Execute(one)


def test_slices_become_the_frames_that_they_were(tmp_path, phantom):
    frames = phantom[0][:3]
    write_series(tmp_path / "cine", frames)
    found = read_sequence(tmp_path / "cine")
    assert found.index.values == ["0", "37.5", "75"]
    assert (found.index.name, found.index.unit) == ("time", "ms")
    for frame, one in zip(frames, found, strict=True):
        # the stack may be read from its other end: what lies where is what counts
        resampled = sitk.Resample(one.image, frame.image, sitk.Transform(), sitk.sitkNearestNeighbor)
        expected = sitk.GetArrayFromImage(sitk.Cast(frame.image, sitk.sitkInt16))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(resampled), expected)
        assert one.image.GetSize() == frame.image.GetSize()
        np.testing.assert_allclose(one.image.GetSpacing(), frame.image.GetSpacing(), rtol=1e-4)


def test_files_without_times_are_numbered(tmp_path, phantom):
    write_series(tmp_path / "cine", phantom[0][:2], tags=lambda number, k: {})
    index = read_sequence(tmp_path / "cine").index
    assert (index.values, index.name, index.unit) == (["0", "1"], "frame", "")


def test_missing_images_missing_slices_and_a_single_volume_are_told(tmp_path, phantom):
    write_series(tmp_path / "cine", phantom[0][:2])
    files = sorted((tmp_path / "cine").iterdir())
    files[0].unlink()
    with pytest.raises(InputError, match="1 images at some places along the stack and 2 at others"):
        read_sequence(tmp_path / "cine")
    write_series(tmp_path / "still", phantom[0][:1])
    with pytest.raises(InputError, match="single 3D series"):
        read_sequence(tmp_path / "still")
    (tmp_path / "still" / "IM0003").write_bytes(b"\0" * 128 + b"DICM" + b"x" * 50)
    with pytest.raises(InputError, match="IM0003 cannot be read as DICOM"):
        read_sequence(tmp_path / "still")
