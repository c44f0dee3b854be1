"""A folder of 3D files, one for each frame: its order, and files in it that are no frames."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import read_sequence


def folder_of(path, *names, origins=None):
    """Write a file for each name; the voxels of the n-th one are n."""
    for n, name in enumerate(names):
        image = sitk.GetImageFromArray(np.full((3, 4, 5), n, np.int16))
        image.SetSpacing((2.0, 3.0, 5.0))
        image.SetOrigin((0.0, 0.0, 0.0) if origins is None else origins[n])
        sitk.WriteImage(image, str(path / name))
    return path


def test_frames_follow_their_numbers(tmp_path):
    folder = folder_of(tmp_path, "heart8.mha", "heart9.mha", "heart10.mha")

    sequence = read_sequence(folder)

    assert [int(sitk.GetArrayFromImage(frame.image)[0, 0, 0]) for frame in sequence] == [0, 1, 2]
    assert sequence.warnings == []


@pytest.mark.parametrize("names", [("phase0.mha", "phase1.mha", "phase3.mha"), ("t00.nrrd", "t10.nrrd", "t30.nrrd")])
def test_gap_in_the_numbers_is_told(tmp_path, names):
    sequence = read_sequence(folder_of(tmp_path, *names))

    assert len(sequence) == 3
    (warning,) = sequence.warnings
    assert warning.startswith(f"{tmp_path.name}: the numbers of {names[1]} and {names[2]} leave a gap")


@pytest.mark.parametrize(
    "names",
    [
        ("im1_030ms.mha", "im2_060ms.mha", "im10_300ms.mha"),
        ("t0.75.mha", "t1.00.mha", "t1.25.mha"),
        ("t0.25.mha", "t0.50.mha", "t0.75.mha"),
        ("t0.5.mha", "t1.25.mha"),
        ("1.2.8.5.mha", "1.2.8.25.mha"),
    ],
)
def test_decimals_and_dots_whose_order_is_clear_are_read(names, tmp_path):
    sequence = read_sequence(folder_of(tmp_path, *names))

    assert [int(sitk.GetArrayFromImage(frame.image)[0, 0, 0]) for frame in sequence] == list(range(len(names)))


def test_images_of_different_sizes_are_told(tmp_path):
    """As those of several patients in one folder."""
    folder_of(tmp_path, "case_001.mha", "case_002.mha")
    sitk.WriteImage(sitk.Image(6, 4, 3, sitk.sitkInt16), str(tmp_path / "case_003.mha"))

    (warning,) = read_sequence(tmp_path).warnings

    assert "case_001.mha and case_003.mha have 5 x 4 x 3 and 6 x 4 x 3 voxels" in warning


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("3.nrrd", "3.nii.gz", "4.nrrd"), r"3\.n.* and 3\.n.* are the same frame by their names"),
        (("t0.25.mha", "t0.5.mha", "t0.75.mha"), r"the order of t0\.5\.mha and t0\.25\.mha is not clear"),
        (("t0,25.mha", "t0,5.mha", "t0,75.mha"), r"the order of t0,5\.mha and t0,25\.mha is not clear"),
        (("im1.mha", "im01.mha", "im2.mha"), r"im0?1\.mha and im0?1\.mha are the same frame by their names"),
        (("im1.nrrd", "im2.nrrd", "im2-other.nrrd"), r"im1\.nrrd and im2-other\.nrrd differ in more than numbers"),
        (("p1_t1.nrrd", "p1_t2.nrrd", "p2_t1.nrrd", "p2_t2.nrrd"), r"p1_t1\.nrrd and p2_t2\.nrrd, .* several patients"),
        (("im1.nrrd", "im2.nrrd", "scout.nrrd"), r"im1\.nrrd and scout\.nrrd differ in more than numbers"),
    ],
)
def test_file_that_is_no_frame_is_refused_by_name(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        read_sequence(folder_of(tmp_path, *names))


@pytest.mark.parametrize("labels", [("im2-label.nrrd",), ("mask.nrrd",), ("gt_im1.nrrd", "im2_seg.nrrd")])
def test_files_that_are_named_as_labels_of_the_frames_are_left_out_and_said(labels, tmp_path):
    found = read_sequence(folder_of(tmp_path, "im1.nrrd", "im2.nrrd", *labels))

    assert [file.name for files in found.files for file in files] == ["im1.nrrd", "im2.nrrd"]
    (warning,) = found.warnings
    assert f"left out as labels, by their names: {labels[0]}" in warning


def test_images_that_are_all_named_as_labels_are_the_frames(tmp_path):
    found = read_sequence(folder_of(tmp_path, "1_mask.nrrd", "2_mask.nrrd"))

    assert len(found) == 2
    assert found.warnings == []


@pytest.mark.parametrize(
    ("names", "is_told"), [(("t-10.mha", "t-20.mha", "t-30.mha"), True), (("t-1.mha", "t-2.mha", "t-3.mha"), False)]
)
def test_numbers_after_a_hyphen_that_may_be_a_minus_are_told(names, is_told, tmp_path):
    warnings = read_sequence(folder_of(tmp_path, *names)).warnings

    assert [f"{names[0]}, is not taken for a minus" in warning for warning in warnings] == [True] * is_told


@pytest.mark.parametrize("names", [("first.mha", "second.mha", "third.mha"), ("Anna.mha", "Bert.mha", "Carl.mha")])
def test_names_without_numbers_are_said_to_be_taken_in_the_order_of_the_alphabet(names, tmp_path):
    (warning,) = read_sequence(folder_of(tmp_path, *names)).warnings

    assert f"the order of the alphabet, from {names[0]} to {names[-1]}" in warning


def test_places_that_differ_by_rounding_are_one_place(tmp_path):
    folder = folder_of(tmp_path, "0.mha", "1.mha", "2.mha", origins=[(0, 0, 0), (0, 0.0015, -0.0012), (0, 0.004, 0)])

    origins = [frame.image.GetOrigin() for frame in read_sequence(folder)]

    # a voxel edge is 2 mm: a thousandth of it is 0.002 mm
    assert origins == [(0, 0, 0), (0, 0, 0), (0, 0.004, 0)]
