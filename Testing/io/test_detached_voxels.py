"""Image files that name the files of their voxels: all of them are known, and none may be a device or a pipe."""

import os
import re
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.detached_voxels import voxel_files
from CLSTMSegmentLib.io.sequence_files import files_of_sequence, read_sequence

VOXELS = np.arange(128, dtype=np.int16).reshape(2, 4, 4, 4)


def detached(folder, suffix, data_file=None):
    """Write a sequence of two frames whose voxels lie in d.raw, f0.raw and f1.raw; return the path of the header."""
    path = folder / f"d.{suffix}"
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in VOXELS]), str(path))
    for n, frame in enumerate(VOXELS):
        frame.tofile(folder / f"f{n}.raw")
    if data_file is not None:
        header = path.read_text(encoding="ascii")
        path.write_text(re.sub(r"(data file: |ElementDataFile = ).*", rf"\g<1>{data_file}", header), encoding="ascii")
    return path


@pytest.mark.parametrize(
    ("suffix", "data_file", "expected"),
    [
        ("mhd", "d.raw", ["d.raw"]),
        ("nhdr", "d.raw", ["d.raw"]),
        ("mhd", "f%d.raw 0 1 1", ["f0.raw", "f1.raw"]),
        ("nhdr", "f%d.raw 0 1 1 3", ["f0.raw", "f1.raw"]),
        ("mhd", "LIST 3\nf0.raw\nf1.raw", ["f0.raw", "f1.raw"]),
        ("nhdr", "LIST 3\nf0.raw\nf1.raw", ["f0.raw", "f1.raw"]),
    ],
)
def test_files_of_the_voxels_belong_to_the_sequence(suffix, data_file, expected, tmp_path):
    path = detached(tmp_path, suffix, data_file)

    found = read_sequence(path)

    np.testing.assert_array_equal([sitk.GetArrayFromImage(frame.image) for frame in found], VOXELS)
    assert [file.name for file in files_of_sequence(path)] == [path.name, *expected]


@pytest.mark.parametrize("suffix", ["mhd", "nhdr"])
@pytest.mark.parametrize(
    ("data_file", "message"),
    [
        (" ", "names no file of its voxels"),
        ("f%d.raw 0 1 0", "the numbers 0 1 0 stand for 0 files"),
        ("f%d.raw 5 1 1", "the numbers 5 1 1 stand for 0 files"),
        ("f%d.raw 0 99999999 1", "the numbers 0 99999999 1 stand for 100000000 files"),
        ("f%999999999d.raw 0 1 1", "f%999999999d.raw"),
        ("f%d.raw", "not three whole numbers after it"),
        ("f%d.raw 0 1", "not three whole numbers after it"),
        ("f%d%d.raw", "not three whole numbers after it"),
        ("**/f%02d.raw", "not three whole numbers after it"),
        ("a\0b.raw", "a character NUL"),
    ],
)
def test_header_that_names_no_files_or_endlessly_many_is_refused(suffix, data_file, message, tmp_path):
    path = detached(tmp_path, suffix, data_file)

    with pytest.raises(InputError, match=message):
        read_sequence(path)


@pytest.mark.parametrize(
    "data_file", ["data file: all.raw", "data file: LIST 3\nf0.raw\nf1.raw", "data file: f%d.raw 0 1 1 3", "skipped"]
)
def test_voxels_beside_a_header_with_an_axis_of_frames_are_read(data_file, tmp_path):
    detached(tmp_path, "nhdr")
    (tmp_path / "all.raw").write_bytes(VOXELS.tobytes())
    (tmp_path / "more.raw").write_bytes(b"before" + VOXELS.tobytes())
    data_file = "byte skip: -1\ndata file: more.raw" if data_file == "skipped" else data_file
    header = "NRRD0005\ntype: short\ndimension: 4\nsizes: 4 4 4 2\nkinds: domain domain domain list\nspace: LPS\n"
    directions = "space directions: (3,0,0) (0,3,0) (0,0,8) none\nendian: little\nencoding: raw\n"
    (tmp_path / "a.nhdr").write_text(f"{header}{directions}{data_file}\n", encoding="ascii")

    found = read_sequence(tmp_path / "a.nhdr")

    np.testing.assert_array_equal([sitk.GetArrayFromImage(frame.image) for frame in found], VOXELS)
    assert found[0].image.GetSpacing() == (3, 3, 8)


@pytest.mark.parametrize("data_file", ["50%.raw", "*.raw", "[1].raw"])
def test_name_of_voxels_without_a_place_for_a_number_is_taken_as_it_is(data_file, tmp_path):
    path = detached(tmp_path, "nhdr", data_file)
    (tmp_path / data_file).write_bytes(VOXELS.tobytes())

    found = read_sequence(path)

    np.testing.assert_array_equal([sitk.GetArrayFromImage(frame.image) for frame in found], VOXELS)


@pytest.mark.parametrize("suffix", ["mha", "nrrd", "nii"])
def test_file_with_its_own_voxels_needs_no_other(suffix, tmp_path):
    assert voxel_files(detached(tmp_path, suffix)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX has devices and pipes among its files")
@pytest.mark.parametrize("suffix", ["mhd", "nhdr"])
@pytest.mark.parametrize(
    ("data_file", "message"), [("pipe", "a device or a pipe"), ("/dev/zero", "a device"), ("gone.raw", "no such file")]
)
def test_voxels_in_a_device_or_a_pipe_are_refused_unread(suffix, data_file, message, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    path = detached(tmp_path, suffix, data_file)

    with pytest.raises(InputError, match=message):
        read_sequence(path)
