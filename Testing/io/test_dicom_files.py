"""What lies beside DICOM images in a folder, and images in unusual files: read or left out by what they are."""

import contextlib
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import files_of_sequence, read_sequence
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from dicom_files import (
    small_image,
    trigger_time,
    values_in_order,
    values_of,
    write_enhanced,
    write_small_cine,
)
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)


@pytest.fixture
def cine(tmp_path):
    write_small_cine(tmp_path / "cine", lambda t, k: {"TriggerTime": 30.0 * t})
    return tmp_path / "cine"


def write_object(path, sop_class, **attributes):
    """Write a DICOM object that is no image."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = sop_class
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword, value in attributes.items():
        setattr(file, keyword, value)
    file.save_as(path, enforce_file_format=True)


OTHER_OBJECTS = {
    "DICOMDIR": ("1.2.840.10008.1.3.10", {"FileSetID": "DISK", "DirectoryRecordSequence": []}),
    "raw data": ("1.2.840.10008.5.1.4.1.1.66", {}),
    "exam card": ("1.3.46.670589.11.0.0.12.2", {"Modality": "MR"}),
    "presentation state": ("1.2.840.10008.5.1.4.1.1.11.1", {"Modality": "PR"}),
    "dose report": ("1.2.840.10008.5.1.4.1.1.88.67", {"Modality": "SR"}),
    "key objects": ("1.2.840.10008.5.1.4.1.1.88.59", {"Modality": "KO"}),
    "document": ("1.2.840.10008.5.1.4.1.1.104.1", {"Modality": "DOC"}),
}


@pytest.mark.parametrize("kind", OTHER_OBJECTS)
def test_objects_without_images_are_left_out(kind, cine):
    sop_class, attributes = OTHER_OBJECTS[kind]
    write_object(cine / "0001", sop_class, **attributes)

    assert values_of(read_sequence(cine)) == values_in_order(3)


NO_PLACE = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None}
OTHER_IMAGES = {
    "screen shot": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"} | NO_PLACE,
    "dose report as an image": {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]} | NO_PLACE,
    "projection": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1", "Modality": "XA"} | NO_PLACE,
    "colour image": {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelData": bytes(36),
    },
    "image of indices of colours": {"PhotometricInterpretation": "PALETTE COLOR"},
    "mosaic": {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]},
    "labels of an earlier run": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "Modality": "SEG"},
}


@pytest.mark.parametrize("kind", OTHER_IMAGES)
def test_images_of_which_no_volume_can_be_made_are_left_out_and_named_where_there_are_no_others(kind, cine, tmp_path):
    (tmp_path / "alone").mkdir()
    for folder in (cine, tmp_path / "alone"):
        image = small_image(7, 0, **({"SeriesInstanceUID": "1.2.3.99"} | OTHER_IMAGES[kind]))
        image.save_as(folder / "other", enforce_file_format=True)

    assert values_of(read_sequence(cine)) == values_in_order(3)
    with pytest.raises(InputError, match=r"alone holds no image"):
        read_sequence(tmp_path / "alone")


def test_hidden_files_and_files_of_other_kinds_are_left_out(cine):
    image = next(cine.iterdir()).read_bytes()
    (cine / "._IM1.dcm").write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    (cine / ".hidden").write_bytes(image)
    (cine / "__MACOSX").mkdir()
    (cine / "__MACOSX" / "IM9").write_bytes(image)
    for name in ("autorun.inf", "Thumbs.db", "viewer.exe", "readme.txt"):
        (cine / name).write_bytes(b"MZ and more " * 20)

    assert values_of(read_sequence(cine)) == values_in_order(3)
    assert len(files_of_sequence(cine)) == 6


def test_links_to_folders_are_followed_and_circles_end(cine, tmp_path):
    (tmp_path / "study").mkdir()
    (cine / "around").symlink_to(tmp_path / "study", target_is_directory=True)
    (tmp_path / "study" / "series").symlink_to(cine, target_is_directory=True)

    assert values_of(read_sequence(tmp_path / "study")) == values_in_order(3)


def test_empty_file_with_the_suffix_of_dicom_is_named(cine):
    (cine / "IM7.dcm").write_bytes(b"")

    with pytest.raises(InputError, match=r"IM7\.dcm is damaged"):
        read_sequence(cine)


def test_dicomdir_stands_for_its_folder(cine, tmp_path):
    sop_class, attributes = OTHER_OBJECTS["DICOMDIR"]
    write_object(tmp_path / "DICOMDIR", sop_class, **attributes)

    assert values_of(read_sequence(tmp_path / "DICOMDIR")) == values_in_order(3)


@pytest.mark.parametrize("with_meta_group", [False, True])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_files_without_a_preamble_are_read(syntax, with_meta_group, cine):
    for path in cine.iterdir():
        image = dcmread(path)
        image.file_meta.TransferSyntaxUID = syntax
        image.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=True, enforce_file_format=True)
        content = path.read_bytes()
        path.write_bytes(content[132 if with_meta_group else content.index(b"\x08\x00\x08\x00") :])

    assert values_of(read_sequence(cine)) == values_in_order(3)


@pytest.mark.parametrize(("signed", "stored"), [(0, 0xF123), (1, 0x0FFF)])
def test_bits_that_do_not_belong_to_a_pixel_are_left_out(signed, stored, tmp_path):
    """Older scanners keep overlays there; a sign is that of the bits that belong to it."""
    pixels = np.full((3, 4), stored, "<u2").tobytes()
    write_small_cine(
        tmp_path / "cine", lambda t, k: {"TriggerTime": 30.0 * t, "PixelRepresentation": signed, "PixelData": pixels}
    )

    assert values_of(read_sequence(tmp_path / "cine"))[0] == [-1 if signed else 0x123] * 2


@pytest.mark.parametrize("photometric", ["MONOCHROME1", " MONOCHROME1"])
def test_inverted_images_are_read_as_slicer_reads_them(photometric, cine):
    for path in cine.iterdir():
        file = dcmread(path)
        file.PhotometricInterpretation = photometric
        file.save_as(path)
    found = read_sequence(cine)

    values = np.concatenate([sitk.GetArrayFromImage(frame.image).ravel() for frame in found])
    stored = np.concatenate([sitk.GetArrayFromImage(sitk.ReadImage(str(path))).ravel() for path in cine.iterdir()])
    np.testing.assert_array_equal(np.sort(values), np.sort(stored))


def test_image_that_only_others_would_invert_is_refused_by_name(tmp_path):
    small_image(0, 0, PhotometricInterpretation="monochrome1").save_as(tmp_path / "1.dcm", enforce_file_format=True)

    with pytest.raises(InputError, match=r"1\.dcm has the PhotometricInterpretation monochrome1, which must be in cap"):
        read_sequence(tmp_path)


def test_rescaled_values_that_32_bits_do_not_hold_are_kept(cine):
    for path in cine.iterdir():
        file = dcmread(path)
        pixels = np.frombuffer(file.PixelData, "<i2").astype("<u4") + np.uint32(3_000_000_000)
        file.RescaleSlope, file.RescaleIntercept, file.PixelRepresentation = "1", "-1", 0
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelData = 32, 32, 31, pixels.tobytes()
        file.save_as(path)

    voxels = sitk.GetArrayFromImage(read_sequence(cine)[0].image)

    assert voxels.min() >= 2_999_999_998
    assert np.ptp(voxels) == 1


def value_table():
    """Return a table of a DICOM image by which its values fall where those that are stored rise."""
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 16])
    table.add_new("LUTData", "OW", np.arange(4096, dtype="<u2")[::-1].tobytes())
    table.ModalityLUTType = "US"
    return table


def test_values_by_a_table_are_refused_and_not_read_as_they_are_stored(tmp_path):
    small_image(0, 0, ModalityLUTSequence=[value_table()]).save_as(tmp_path / "1.dcm", enforce_file_format=True)

    with pytest.raises(InputError, match=r"1\.dcm stores its values by a table \(ModalityLUTSequence\), .* convert it"):
        read_sequence(tmp_path)


def test_table_that_is_empty_is_none(tmp_path):
    small_image(0, 0, ModalityLUTSequence=[]).save_as(tmp_path / "1.dcm", enforce_file_format=True)

    assert values_of(read_sequence(tmp_path)) == [[0]]


def test_pixels_in_the_highest_bits_are_refused(tmp_path):
    """Readers disagree about them: some take the lowest bits, whatever HighBit says."""
    write_small_cine(tmp_path / "cine", lambda t, k: {"TriggerTime": 30.0 * t, "HighBit": 15})

    with pytest.raises(
        InputError, match=r"IM\d does not store its pixels in the lowest 12 bits, but up to bit 15: convert"
    ):
        read_sequence(tmp_path / "cine")


def test_pixels_of_an_unknown_representation_begin_after_their_longer_header(tmp_path):
    pixels = np.arange(12, dtype="<u2")
    write_small_cine(tmp_path / "cine", lambda t, k: {"TriggerTime": 30.0 * t, "PixelData": pixels.tobytes()})
    for path in (tmp_path / "cine").iterdir():
        head, of_pixels, rest = path.read_bytes().rpartition(b"\xe0\x7f\x10\x00OW")
        path.write_bytes(head + of_pixels[:4] + b"UN" + rest)

    for frame in read_sequence(tmp_path / "cine"):
        assert sitk.GetArrayFromImage(frame.image)[1].ravel().tolist() == pixels.tolist()


def test_voxels_that_begin_as_dicom_files_do_are_not_taken_for_dicom(tmp_path):
    for t in range(2):
        voxels = np.zeros((2, 4, 4), np.uint16)
        voxels[0, 0] = 8, 5, 16, 0  # the begin of the element SpecificCharacterSet, with 16 bytes
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / f"{t}.mhd"))

    assert len(read_sequence(tmp_path)) == 2


@pytest.mark.parametrize("syntax", [RLELossless, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_compressed_and_big_endian_images_are_read(syntax, tmp_path):
    rng = np.random.default_rng(1)
    slices = rng.integers(0, 4000, (2, 3, 48, 40)).astype(np.uint16)
    for t, k in np.ndindex(2, 3):
        image = small_image(t, k, TriggerTime=30.0 * t, Rows=48, Columns=40, PixelData=slices[t, k].tobytes())
        if syntax == RLELossless:
            image.compress(syntax, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            image.PixelData = slices[t, k].astype(">u2").tobytes()
        image.file_meta.TransferSyntaxUID = syntax
        image.save_as(tmp_path / f"IM{t}{k}", enforce_file_format=True)

    found = read_sequence(tmp_path)

    np.testing.assert_array_equal([sitk.GetArrayFromImage(frame.image) for frame in found], slices)


def test_compressed_image_that_simpleitk_does_not_read_is_refused_with_what_to_do(tmp_path):
    image = small_image(0, 0)  # of so few pixels that GDCM does not decompress them
    image.compress(RLELossless, generate_instance_uid=False)
    image.save_as(tmp_path / "1.dcm", enforce_file_format=True)

    with pytest.raises(InputError, match=r"1\.dcm cannot be read as DICOM .* compressed .*: decompress it first"):
        read_sequence(tmp_path)[0]


def test_rescale_slope_of_0_does_not_make_all_values_the_same(tmp_path):
    small_image(3, 0, RescaleSlope=0, RescaleIntercept=5).save_as(tmp_path / "IM0", enforce_file_format=True)

    found = read_sequence(tmp_path)[0].image

    in_simpleitk = sitk.ReadImage(str(tmp_path / "IM0"), imageIO="GDCMImageIO")
    assert found[0, 0, 0] == in_simpleitk[0, 0, 0] == 35


ULTRASOUND_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"


def test_enhanced_ultrasound_volume_is_read_with_its_times(tmp_path):
    image = small_image(0, 0, SOPClassUID=ULTRASOUND_VOLUME, Modality="US", NumberOfFrames=6, **NO_PLACE)
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationVolume, measures.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.5, 0.7]
    shared.PlaneOrientationVolumeSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    image.SharedFunctionalGroupsSequence, image.PerFrameFunctionalGroupsSequence = [shared], []
    slices = [(t, k) for k in range(2) for t in (2, 0, 1)]
    for t, k in slices:
        group, place, when = Dataset(), Dataset(), Dataset()
        place.ImagePositionVolume, when.TemporalPositionTimeOffset = [0, 0, 0.9 * k], 0.02 * t
        group.PlanePositionVolumeSequence, group.TemporalPositionSequence = [place], [when]
        image.PerFrameFunctionalGroupsSequence.append(group)
    image.PixelData = b"".join(bytes([10 * t + k]) * 12 for t, k in slices)
    image.save_as(tmp_path / "echo.dcm", enforce_file_format=True)

    found = read_sequence(tmp_path / "echo.dcm")

    assert values_of(found) == values_in_order(3)
    assert found.index.values == ["0", "20", "40"]
    np.testing.assert_allclose(found[0].image.GetSpacing(), (0.7, 0.5, 0.9))


def test_several_images_without_a_place_are_named_by_their_class(tmp_path):
    clip = small_image(0, 0, SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", Modality="US", NumberOfFrames=2)
    clip.PixelData = bytes(48)
    clip.save_as(tmp_path / "clip.dcm", enforce_file_format=True)

    with pytest.raises(InputError, match=r"Ultrasound Multi-frame Image .*does not say where each one lies"):
        read_sequence(tmp_path / "clip.dcm")


def test_dicom_comes_before_other_images_in_a_folder_of_folders(cine, tmp_path):
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkUInt8), str(tmp_path / "labels.nrrd"))

    assert values_of(read_sequence(tmp_path)) == values_in_order(3)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_file_is_read_or_refused_in_words(seed, cine, tmp_path):
    """Bytes are changed, inserted or cut off, in a file with one image or with several."""
    rng = np.random.default_rng(seed)
    write_enhanced(heart_sequence(0, 2, (2, 8, 8), (8.0, 4.0, 4.0))[0], tmp_path / "enhanced", trigger_time)
    damaged = [tmp_path / "enhanced", next(cine.iterdir())][seed % 2]
    content = bytearray(damaged.read_bytes())
    place = int(rng.integers(128, len(content) - 30))
    if seed % 3 == 0:
        del content[place:]
    elif seed % 3 == 1:
        content[place : place + seed // 20 + 1] = rng.bytes(seed // 20 + 1)
    else:
        content[place:place] = rng.bytes(seed // 10 + 1)
    damaged.write_bytes(content)

    with contextlib.suppress(InputError):
        list(read_sequence(cine if damaged.parent == cine else damaged))


def test_without_pydicom_the_error_says_what_to_install(cine, monkeypatch):
    for name in list(sys.modules):
        if name.startswith("CLSTMSegmentLib.io.dicom_"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydicom", None)

    with pytest.raises(InputError, match="pip install pydicom"):
        read_sequence(cine)


def test_series_is_chosen_in_dicom_only(tmp_path):
    sitk.WriteImage(sitk.Image([4, 4, 4, 2], sitk.sitkUInt8), str(tmp_path / "cine.nii"))

    with pytest.raises(InputError, match=r"cine\.nii is not DICOM"):
        read_sequence(tmp_path / "cine.nii", 1)
