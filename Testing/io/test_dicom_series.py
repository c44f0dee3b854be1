"""A cine series in DICOM, as a scanner exports it: one file for each image, or enhanced files."""

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import read_sequence
from dicom_files import small_image, trigger_time, write_enhanced, write_series
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless


def assert_same_frames(frames, found):
    for expected, frame in zip(frames, found, strict=True):
        # the stack may be read from its other end, so voxels are compared at their positions
        resampled = sitk.Resample(frame.image, expected.image, sitk.Transform(), sitk.sitkNearestNeighbor)
        values = sitk.GetArrayFromImage(sitk.Cast(expected.image, sitk.sitkInt16))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(resampled), values)
        assert frame.image.GetSize() == expected.image.GetSize()
        np.testing.assert_allclose(frame.image.GetSpacing(), expected.image.GetSpacing(), rtol=1e-4)


def test_slices_become_the_frames_that_they_were(tmp_path, phantom):
    frames = phantom[0][:3]
    write_series(tmp_path / "cine", frames)

    found = read_sequence(tmp_path / "cine")

    assert found.index.values == ["0", "37.5", "75"]
    assert (found.index.name, found.index.unit) == ("time", "ms")
    assert_same_frames(frames, found)


def test_files_without_times_are_numbered(tmp_path, phantom):
    write_series(tmp_path / "cine", phantom[0][:2], tags=lambda number, k: {})

    index = read_sequence(tmp_path / "cine").index

    assert (index.values, index.name, index.unit) == (["0", "1"], "frame", "")


def test_series_with_a_missing_image_is_refused(tmp_path, phantom):
    write_series(tmp_path / "cine", phantom[0][:2])
    sorted((tmp_path / "cine").iterdir())[0].unlink()

    with pytest.raises(InputError, match="1 images at some places along the stack and 2 at others"):
        read_sequence(tmp_path / "cine")


def test_damaged_file_is_named(tmp_path, phantom):
    write_series(tmp_path / "cine", phantom[0][:1])
    (tmp_path / "cine" / "IM0003").write_bytes(b"\0" * 128 + b"DICM" + b"x" * 50)

    with pytest.raises(InputError, match="IM0003 cannot be read as DICOM"):
        read_sequence(tmp_path / "cine")


def test_enhanced_file_becomes_the_frames_that_it_was_made_from(tmp_path, phantom):
    frames = phantom[0][:3]
    write_enhanced(frames, tmp_path / "cine.dcm", trigger_time)

    found = read_sequence(tmp_path / "cine.dcm")

    assert (found.index.values, found.index.unit) == (["0", "37.5", "75"], "ms")
    assert_same_frames(frames, found)


def test_several_enhanced_files_are_one_series(tmp_path, phantom):
    frames = phantom[0][:3]
    (tmp_path / "cine").mkdir()
    for number, frame in enumerate(frames):
        write_enhanced([frame], tmp_path / "cine" / f"{9 - number}", lambda _, number=number: trigger_time(number))

    found = read_sequence(tmp_path / "cine")

    assert_same_frames(frames, found)


def scaled(number):
    """Return the functional groups of an image that give it a time and a scale of its own."""
    scale = Dataset()
    scale.RescaleSlope, scale.RescaleIntercept = (0.5, 7) if number else (2, -10)
    return trigger_time(number) | {"PixelValueTransformationSequence": scale}


def test_images_of_an_enhanced_file_have_scales_of_their_own(tmp_path, phantom):
    write_enhanced(phantom[0][:2], tmp_path / "scaled.dcm", scaled)

    found = read_sequence(tmp_path / "scaled.dcm")

    for frame, stored, (slope, intercept) in zip(found, phantom[0], [(2, -10), (0.5, 7)], strict=False):
        values = sitk.GetArrayFromImage(sitk.Cast(stored.image, sitk.sitkInt16)) * slope + intercept
        assert sorted(sitk.GetArrayFromImage(frame.image).ravel()) == sorted(values.ravel())


def test_compressed_images_of_different_scales_in_one_file_are_refused(tmp_path, phantom):
    path = tmp_path / "scaled.dcm"
    write_enhanced(phantom[0][:2], path, scaled)
    file = dcmread(path)
    file.compress(RLELossless)
    file.save_as(path)

    with pytest.raises(InputError, match=r"scaled\.dcm: its compressed images have different rescale slopes"):
        read_sequence(path)


def test_compressed_enhanced_file_becomes_the_frames_that_it_was_made_from(tmp_path, phantom):
    frames = phantom[0][:2]
    write_enhanced(frames, tmp_path / "cine.dcm", trigger_time)
    file = dcmread(tmp_path / "cine.dcm")
    file.compress(RLELossless)
    file.save_as(tmp_path / "cine.dcm")

    assert_same_frames(frames, read_sequence(tmp_path / "cine.dcm"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("PerFrameFunctionalGroupsSequence", None),
        ("PerFrameFunctionalGroupsSequence", []),
        ("SharedFunctionalGroupsSequence", []),
        ("SharedFunctionalGroupsSequence", [Dataset()]),
    ],
)
def test_enhanced_file_without_the_positions_of_its_images_is_refused(tmp_path, phantom, name, content):
    path = tmp_path / "nowhere.dcm"
    write_enhanced(phantom[0][:2], path)
    file = dcmread(path)
    if content is None:
        delattr(file, name)
    else:
        setattr(file, name, content)
    file.save_as(path)

    with pytest.raises(InputError, match=r"image 0 of .*does not say where it lies: its Image"):
        read_sequence(path)


def pixels_of_another_element(image):
    image.DataSetTrailingPadding = image.PixelData
    image.PixelData = image.PixelData[:20]


BROKEN = {
    "no position": (lambda image: delattr(image, "ImagePositionPatient"), "its ImagePositionPatient is missing"),
    "no orientation": (
        lambda image: delattr(image, "ImageOrientationPatient"),
        "its ImageOrientationPatient is missing",
    ),
    "parallel axes": (
        lambda image: setattr(image, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]),
        "has no orientation",
    ),
    "no spacing": (lambda image: delattr(image, "PixelSpacing"), "its PixelSpacing is missing"),
    "spacing of 0": (lambda image: setattr(image, "PixelSpacing", [0, 0]), "has pixels without a size"),
    "truncated": (lambda image: setattr(image, "PixelData", image.PixelData[:20]), "is truncated"),
    "truncated before padding": (pixels_of_another_element, "is truncated"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_image_without_a_place_or_without_all_its_pixels_is_refused_by_name(fault, tmp_path, phantom):
    write_series(tmp_path / "cine", phantom[0][:2])
    damage, message = BROKEN[fault]
    for path in (tmp_path / "cine").iterdir():
        image = dcmread(path)
        damage(image)
        image.save_as(path)

    with pytest.raises(InputError, match=rf"IM\d+ .*{message}"):
        read_sequence(tmp_path / "cine")


def test_compressed_pixels_are_not_read_as_others_where_the_header_denies_them(tmp_path):
    image = small_image(0, 0)
    image.file_meta.TransferSyntaxUID = RLELossless
    image.PixelData = encapsulate([image.PixelData])
    image.save_as(tmp_path / "1.dcm", enforce_file_format=True)
    content = (tmp_path / "1.dcm").read_bytes()
    assert RLELossless.encode() in content
    (tmp_path / "1.dcm").write_bytes(content.replace(RLELossless.encode(), ExplicitVRLittleEndian.encode()))

    with pytest.raises(
        InputError, match=r"1\.dcm is damaged: its pixels are compressed, but its TransferSyntaxUID says"
    ):
        read_sequence(tmp_path)


@pytest.mark.parametrize(
    ("syntax", "photometric", "message"),
    [
        (DeflatedExplicitVRLittleEndian, "MONOCHROME2", "32 bits that are compressed"),
        (ExplicitVRLittleEndian, "MONOCHROME1", "32 bits that are inverted"),
    ],
)
def test_pixels_of_32_bits_that_simpleitk_does_not_read_are_refused(syntax, photometric, message, tmp_path):
    voxels = np.arange(12, dtype="<u4").tobytes()
    sizes = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}
    image = small_image(0, 0, PixelData=voxels, PhotometricInterpretation=photometric, **sizes)
    image.file_meta.TransferSyntaxUID = syntax
    image.save_as(tmp_path / "1.dcm", enforce_file_format=True)

    with pytest.raises(InputError, match=rf"1\.dcm has pixels of {message}, which cannot be read: convert it first"):
        read_sequence(tmp_path)
