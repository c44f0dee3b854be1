"""NIfTI label files: what other programs read in them is what was written, times and their unit included."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.nifti_writer import NiftiTimes, NiftiWriter
from CLSTMSegmentLib.io.sequence_files import read_sequence

LABELS = np.random.default_rng(9).integers(0, 4, (3, 4, 5, 6)).astype(np.uint8)


def labelled(voxels, origin=(11.0, -12.0, 13.5)):
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((1.5, 2.5, 8.0))
    image.SetOrigin(origin)
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 2.9).GetMatrix())
    return image


def write(path, index):
    writer = NiftiWriter(path, len(LABELS), NiftiTimes.of(index), labelled(LABELS[0]))
    for voxels in LABELS:
        writer.add(labelled(voxels))
    writer.close()


@pytest.mark.parametrize(
    ("unit", "code", "seconds"), [("ms", 16, 0.03), ("msec", 16, 0.03), ("s", 8, 30), ("µs", 24, 3e-5), ("", 0, 30)]
)
def test_labels_geometry_and_times_are_those_that_were_written(unit, code, seconds, tmp_path):
    index = SequenceIndex(["5", "35", "65"], "time", unit)

    write(tmp_path / "labels.nii.gz", index)

    image = sitk.ReadImage(str(tmp_path / "labels.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), LABELS)
    assert int(image.GetMetaData("xyzt_units")) == 2 + code
    assert image.GetSpacing()[3] == pytest.approx(seconds)
    found = read_sequence(tmp_path / "labels.nii.gz")
    assert found.index.values == index.values
    assert found.index.unit == (unit.replace("msec", "ms").replace("µ", "u") if code else "")
    for frame in found:
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            expected = getattr(labelled(LABELS[0]), geometry)()
            np.testing.assert_allclose(getattr(frame.image, geometry)(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["0", "33.3", "66.7"], True),
        (["0", "30", "90"], False),
        (["60", "30", "0"], False),
        ([str(39.8 * t if t < 50 else 40.2 * t - 20) for t in range(100)], False),  # half a frame late in the middle
        (["ED", "ES", "x"], False),
        (["0", "1e38", "2e38"], False),
        (["7"], True),
    ],
)
def test_only_regular_steps_can_be_stored(values, kept):
    assert (NiftiTimes.of(SequenceIndex(values)) is not None) == kept


@pytest.mark.parametrize(("name", "unit"), [("time", "min"), ("phase", "%")])
def test_index_in_a_unit_that_the_format_does_not_have_cannot_be_stored(name, unit):
    assert NiftiTimes.of(SequenceIndex(["0", "1", "2"], name, unit)) is None


def test_times_that_single_precision_would_move_cannot_be_stored():
    assert NiftiTimes.of(SequenceIndex(["1700000000000", "1700000000040"], "time", "ms")) is None


def test_frame_at_another_place_is_refused(tmp_path):
    writer = NiftiWriter(tmp_path / "labels.nii.gz", 2, NiftiTimes(), labelled(LABELS[0]))

    writer.add(labelled(LABELS[0], origin=(11.0, -12.0, 13.501)))  # less than a thousandth of a voxel
    with pytest.raises(InputError, match=r"differs in geometry.*write a \.seq\.mrb"):
        writer.add(labelled(LABELS[1], origin=(11.0, -12.0, 13.6)))
    writer.release()


def test_frames_that_are_too_long_for_the_header_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot store 40000 voxels along an axis, but 32767 at most"):
        NiftiWriter(tmp_path / "labels.nii.gz", 2, NiftiTimes(), sitk.Image(2, 40_000, 1, sitk.sitkUInt8))


def test_more_frames_than_the_header_can_count_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot store 40000 frames, but 32767 at most"):
        NiftiWriter(tmp_path / "labels.nii.gz", 40_000, NiftiTimes(), labelled(LABELS[0]))
