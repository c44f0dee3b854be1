"""NIfTI files as other programs write them: their voxels, their times and their place in space, or a clear refusal."""

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.image_files import read_image
from CLSTMSegmentLib.io.sequence_files import read_sequence
from nifti_files import write_nifti

VOXELS = np.random.default_rng(3).integers(-300, 900, (4, 5, 6, 7)).astype(np.int16)


def arrays(sequence):
    return np.stack([sitk.GetArrayFromImage(frame.image) for frame in sequence])


@pytest.mark.parametrize(
    ("code", "step", "unit", "expected"),
    [
        (8, 0.035, "s", ["0", "0.035", "0.07", "0.105"]),
        (16, 42.5, "ms", ["0", "42.5", "85", "127.5"]),
        (24, 31250, "us", ["0", "31250", "62500", "93750"]),
        (0, 1, "", ["0", "1", "2", "3"]),
    ],
)
def test_times_are_written_as_people_write_them_in_the_unit_of_the_file(tmp_path, code, step, unit, expected):
    write_nifti(tmp_path / "cine.nii", VOXELS, step=step, units=2 | code)

    index = read_sequence(tmp_path / "cine.nii").index

    assert (index.values, index.unit) == (expected, unit)


def test_time_of_the_first_frame_counts(tmp_path):
    write_nifti(tmp_path / "cine.nii", VOXELS, step=20, units=18, changes=[(136, "<f", 110.0)])

    assert read_sequence(tmp_path / "cine.nii").index.values == ["110", "130", "150", "170"]


@pytest.mark.parametrize("offset", [0.0, 348.0, 352.0])
def test_voxels_begin_after_the_header_also_where_it_gives_less(tmp_path, offset):
    write_nifti(tmp_path / "cine.nii", VOXELS, changes=[(108, "<f", offset)])
    write_nifti(tmp_path / "frame.nii", VOXELS[1], changes=[(108, "<f", offset)])

    np.testing.assert_array_equal(arrays(read_sequence(tmp_path / "cine.nii")), VOXELS)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path / "frame.nii")), VOXELS[1])


@pytest.mark.parametrize(
    ("size", "count"), [((7, 6, 5, 1, 4), 4), ((7, 6, 5, 4, 1, 1), 4), ((7, 6, 5, 1), 1), ((7, 6, 5), 1)]
)
def test_one_axis_of_time_is_found_wherever_it_stands(tmp_path, size, count):
    write_nifti(tmp_path / "cine.nii", VOXELS[:count], step=0.04, units=10, size=size)

    sequence = read_sequence(tmp_path / "cine.nii")

    np.testing.assert_array_equal(arrays(sequence), VOXELS[:count])
    assert sequence.index.values == ["0", "0.04", "0.08", "0.12"][:count]


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        ((7, 6, 5, 2, 2), [], "has 5 axes of 7 x 6 x 5 x 2 x 2 voxels"),
        ((7, 6, 5, 1, 4), [(68, "<h", 1007)], "colour or vector image"),
        ((7, 6, 5, 4), [(70, "<h", 128)], "colour or vector image"),
        ((7, 6, 5, 4), [(70, "<h", 32)], "complex numbers"),
        ((7, 6, 5, 4), [(70, "<h", 1536)], "voxels of the type 1536"),
        ((7, 6, 5, 4), [(344, "4s", b"ni1\0")], "no NIfTI file with its own voxels"),
        ((7, 6, 0, 4), [], "an image of 7 x 6 x 0 x 4 voxels"),
        ((7, 6, 5, 4), [(80, "<f", 1e-30)], "voxels of 1e-30 x 2 x 7 mm"),
    ],
)
def test_what_is_no_sequence_of_scalar_images_is_refused_by_what_it_is(tmp_path, size, changes, message):
    write_nifti(tmp_path / "cine.nii", VOXELS, size=size, changes=changes)

    with pytest.raises(InputError, match=rf"cine\.nii.*{message}"):
        read_sequence(tmp_path / "cine.nii")


def sheared(by):
    """Return an oblique sform for voxels of 3 x 2 x 7 mm whose slices shift by a part of their distance along i."""
    rotation = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.4, 0.1).GetMatrix(), (3, 3))
    straight = rotation @ np.diag([3.0, 2.0, 7.0]) @ np.array([[1, 0, by * 7 / 3], [0, 1, 0], [0, 0, 1]])
    return np.column_stack([straight, [11.0, -22.0, 33.0]])


def test_slightly_sheared_image_becomes_straight_around_its_middle(tmp_path):
    sform, middle = sheared(0.001), np.array([3.0, 2.5, 2.0])
    write_nifti(tmp_path / "cine.nii", VOXELS, sform=sform)

    image = read_sequence(tmp_path / "cine.nii")[2].image

    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), VOXELS[2])
    axes = np.reshape(image.GetDirection(), (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    for voxel in (middle, (0, 0, 0), (6, 5, 4)):
        expected = sform @ [*voxel, 1] * (-1, -1, 1)
        found = image.TransformContinuousIndexToPhysicalPoint([float(v) for v in voxel])
        np.testing.assert_allclose(found, expected, atol=0.05 if voxel is not middle else 1e-4)


def test_clearly_sheared_image_is_refused_with_what_to_do(tmp_path):
    write_nifti(tmp_path / "cine.nii", VOXELS, sform=sheared(0.08))

    with pytest.raises(InputError, match=r"cine\.nii is sheared: .* mm off: resample it"):
        read_sequence(tmp_path / "cine.nii")


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(("form", "place"), [("qform", 268), ("sform", 300)])
def test_place_with_a_number_that_is_none_is_refused(form, place, number, tmp_path):
    """ITK never ends where such a number is in the sform and the qform counts."""
    changes = [(252, "<h", 1), (place, "<f", number)]
    write_nifti(tmp_path / "cine.nii", VOXELS, changes=changes)

    with pytest.raises(InputError, match=rf"cine\.nii: its {form} has the number .*: correct its header"):
        read_sequence(tmp_path / "cine.nii")


def test_voxel_edges_that_contradict_each_other_are_told(tmp_path):
    write_nifti(tmp_path / "cine.nii", VOXELS, sform=np.diag([3.3, 2.2, 7.7, 1])[:3])

    sequence = read_sequence(tmp_path / "cine.nii")

    assert sequence[0].image.GetSpacing() == (3, 2, 7)
    assert sequence.warnings == [
        "cine.nii: its header gives voxels of 3 x 2 x 7 mm in pixdim and of 3.3 x 2.2 x 7.7 mm in the sform: those of "
        "pixdim are used, as Slicer does"
    ]


@pytest.mark.parametrize(("offset", "told"), [(0.0, False), (0.1, False), (25.0, True)])
def test_forms_that_contradict_each_other_are_told(tmp_path, offset, told):
    """As of an image that was registered to an atlas; the first number of the place in the qform is `offset`."""
    write_nifti(tmp_path / "cine.nii", VOXELS, changes=[(252, "<h", 1), (254, "<h", 4), (268, "<f", offset)])

    sequence = read_sequence(tmp_path / "cine.nii")

    expected = "cine.nii: its qform and sform give it different places: that of the qform is used"
    assert [warning.startswith(expected) for warning in sequence.warnings] == [True] * told
    assert sequence[0].image.GetOrigin()[0] == pytest.approx(-offset)


def test_header_without_an_orientation_is_told(tmp_path):
    write_nifti(tmp_path / "cine.nii", VOXELS, changes=[(254, "<h", 0)])

    (warning,) = read_sequence(tmp_path / "cine.nii").warnings

    assert warning.startswith("cine.nii: its header has neither a qform nor an sform")


def test_stored_values_are_scaled_as_the_header_says(tmp_path):
    write_nifti(tmp_path / "cine.nii", VOXELS, changes=[(112, "<f", 0.5), (116, "<f", -3.0)])

    np.testing.assert_allclose(arrays(read_sequence(tmp_path / "cine.nii")), VOXELS * 0.5 - 3)


def test_compressed_file_of_several_parts_is_read_in_any_order(tmp_path):
    write_nifti(tmp_path / "cine.nii", VOXELS)
    content = (tmp_path / "cine.nii").read_bytes()
    parts = (content[:340], content[340:700], b"", content[700:])
    (tmp_path / "cine.nii.gz").write_bytes(b"".join(map(gzip.compress, parts)))

    sequence = read_sequence(tmp_path / "cine.nii.gz")

    for number in (2, 0, 3, 3):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sequence[number].image), VOXELS[number])


@pytest.mark.parametrize(("name", "compressed"), [("cine.nii", True), ("cine.nii.gz", False), ("CINE.NII.GZ", True)])
def test_content_tells_whether_a_file_is_compressed(tmp_path, name, compressed, capfd):
    write_nifti(tmp_path / "as-is", VOXELS, step=0.5, units=10)
    content = (tmp_path / "as-is").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if compressed else content)

    sequence = read_sequence(tmp_path / name)

    np.testing.assert_array_equal(arrays(sequence), VOXELS)
    assert sequence[0].image.GetSpacing() == (3, 2, 7)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["qform", "sform"])
def test_nifti_2_is_read_in_both_byte_orders(tmp_path, order, form):
    header = bytearray(544)
    struct.pack_into(f"{order}i8s2h", header, 0, 540, b"n+2\0\r\n\x1a\n", 4, 16)
    struct.pack_into(f"{order}8q", header, 16, 4, *VOXELS.shape[::-1], 1, 1, 1)
    struct.pack_into(f"{order}8d", header, 104, 1, 3, 2, 7, 41.7, 0, 0, 0)
    struct.pack_into(f"{order}q2d", header, 168, 544, 1, 0)
    struct.pack_into(f"{order}2i", header, 344, form == "qform", form == "sform")
    # half a turn around the first axis
    struct.pack_into(f"{order}6d", header, 352, 1, 0, 0, 10, 20, 30)
    struct.pack_into(f"{order}12d", header, 400, 3, 0, 0, 10, 0, -2, 0, 20, 0, 0, -7, 30)
    struct.pack_into(f"{order}i", header, 500, 2 | 16)
    (tmp_path / "cine.nii").write_bytes(header + VOXELS.astype(f"{order}i2").tobytes())

    sequence = read_sequence(tmp_path / "cine.nii")

    np.testing.assert_array_equal(arrays(sequence), VOXELS)
    assert (sequence.index.values, sequence.index.unit) == (["0", "41.7", "83.4", "125.1"], "ms")
    assert sequence[0].image.GetSpacing() == (3, 2, 7)
    assert sequence[0].image.TransformIndexToPhysicalPoint((1, 1, 1)) == pytest.approx((-13, -18, 23))
