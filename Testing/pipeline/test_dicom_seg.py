"""DICOM SEG objects beside the usual output: one for each frame, with the geometry of the images it was made from."""

import shutil
import sys
from dataclasses import replace

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.pipeline.dicom_seg import DicomSegWriter
from CLSTMSegmentLib.pipeline.result_files import Outputs
from CLSTMSegmentLib.pipeline.segment_to_files import segment_to_files
from dicom_files import trigger_time, write_enhanced, write_series
from pydicom import dcmread


@pytest.fixture(scope="module")
def series(tmp_path_factory, phantom):
    """The first three frames as a folder of DICOM images."""
    folder = tmp_path_factory.mktemp("dicom") / "cine"
    write_series(folder, phantom[0][:3])
    return folder


@pytest.fixture
def outputs(tmp_path):
    return Outputs(tmp_path / "labels.seq.nrrd", dicom_seg=tmp_path / "seg")


def test_each_frame_is_an_object_whose_labels_lie_on_its_images(series, settings, outputs):
    segment_to_files(replace(settings, frames="0,2"), series, outputs)

    labels = list(read_sequence(outputs.labels))
    objects = [highdicom.seg.segread(path) for path in sorted(outputs.dicom_seg.iterdir())]
    assert [one.InstanceNumber for one in objects] == [1, 3]
    assert len({one.SeriesInstanceUID for one in objects}) == 1
    images = {image.SOPInstanceUID: image for image in map(dcmread, series.iterdir())}
    assert sitk.GetArrayFromImage(labels[0].image).any()
    for number, one, frame in zip((0, 2), objects, labels, strict=True):
        assert [s.SegmentLabel for s in one.SegmentSequence] == ["Inner", "Outer"]
        volume = one.get_volume(combine_segments=True)
        found = sitk.GetImageFromArray(volume.array.astype(np.uint8))
        # its rows are the image's columns: highdicom counts slices, rows, columns
        found.SetSpacing(volume.spacing[::-1])
        found.SetOrigin(volume.position)
        found.SetDirection(volume.direction[:, ::-1].ravel().tolist())
        resampled = sitk.Resample(found, frame.image, sitk.Transform(), sitk.sitkNearestNeighbor)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(resampled), sitk.GetArrayFromImage(frame.image))
        referred = {uid for _, _, uid in one.get_source_image_uids()}
        assert {float(images[uid].TriggerTime) for uid in referred} == {number * 37.5}
        assert one.StudyInstanceUID == next(iter(images.values())).StudyInstanceUID


def test_a_segment_is_the_same_one_in_all_frames(series, settings, outputs):
    segment_to_files(settings, series, outputs)

    objects = [highdicom.seg.segread(path) for path in outputs.dicom_seg.iterdir()]
    assert len({tuple(s.TrackingUID for s in one.SegmentSequence) for one in objects}) == 1


def test_input_that_is_not_dicom_images_in_files_of_their_own_is_refused(settings, outputs, phantom, tmp_path):
    write_enhanced(phantom[0][:2], tmp_path / "cine.dcm", trigger_time)
    sitk.WriteImage(sitk.JoinSeries([frame.image for frame in phantom[0][:2]]), str(tmp_path / "cine.nrrd"))
    before = sorted(tmp_path.iterdir())

    for name in ("cine.dcm", "cine.nrrd"):
        with pytest.raises(InputError, match="give a folder with one file for each image"):
            segment_to_files(settings, tmp_path / name, outputs)

    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("attribute", "value"), [("SOPClassUID", "1.2.3.4"), ("FrameOfReferenceUID", None)])
def test_images_of_which_no_object_can_be_made_are_named_before_the_work(
    attribute, value, series, settings, outputs, tmp_path
):
    shutil.copytree(series, tmp_path / "odd")
    segmented = []
    for path in (tmp_path / "odd").iterdir():
        image = dcmread(path)
        if attribute != "SOPClassUID" and image.TriggerTime == 0:
            continue  # those of the first frame are as they should be
        if value is None:
            delattr(image, attribute)
        else:
            setattr(image, attribute, value)
        image.save_as(path)

    with pytest.raises(InputError, match=r"frame \d: .*odd.* lacks information that a DICOM SEG object needs"):
        segment_to_files(settings, tmp_path / "odd", outputs, on_frame=segmented.append)

    assert segmented == []
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


@pytest.mark.parametrize("of_another", ["a slice", "a frame"])
def test_images_of_two_patients_make_no_object(of_another, series, model, settings, outputs, tmp_path):
    shutil.copytree(series, tmp_path / "mixed")
    frames = read_sequence(tmp_path / "mixed")
    files = [[image.path for image in frames.slices(number)] for number in range(len(frames))]
    for path in files[0][:1] if of_another == "a slice" else files[0]:
        image = dcmread(path)
        image.PatientID = "Somebody^Else"
        image.save_as(path)

    with pytest.raises(InputError, match="holds 2 different things, of 2 patients or studies"):
        segment_to_files(settings, tmp_path / "mixed", outputs)
    assert [path.name for path in tmp_path.iterdir()] == ["mixed"]
    with pytest.raises(InputError, match=r"of several patients \('1', 'Somebody\^Else'\)"):
        DicomSegWriter(tmp_path / "seg", model, files.__getitem__).check(range(len(files)))


REMOVED = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "SliceThickness",
    "SeriesNumber",
    "Manufacturer",
]


def test_objects_of_anonymised_images_have_empty_attributes(series, settings, outputs, tmp_path):
    shutil.copytree(series, tmp_path / "anonymised")
    for path in (tmp_path / "anonymised").iterdir():
        image = dcmread(path)
        for keyword in REMOVED:
            if keyword in image:
                delattr(image, keyword)
        image.save_as(path)

    segment_to_files(replace(settings, frames="1"), tmp_path / "anonymised", outputs)

    found = highdicom.seg.segread(outputs.dicom_seg / "frame-0001.dcm")
    assert not any((found.PatientID, found.PatientName, found.PatientBirthDate, found.StudyDate, found.StudyTime))
    assert found.StudyInstanceUID == dcmread(next(series.iterdir())).StudyInstanceUID


@pytest.mark.parametrize(
    ("character_sets", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 100", "Müller^Jörg"),
    ],
)
def test_name_of_the_patient_is_kept_in_any_script(character_sets, name, series, settings, outputs, tmp_path):
    shutil.copytree(series, tmp_path / "images")
    for path in (tmp_path / "images").iterdir():
        image = dcmread(path)
        image.SpecificCharacterSet = character_sets
        image.PatientName = name
        image.save_as(path)

    segment_to_files(replace(settings, frames="1"), tmp_path / "images", outputs)

    assert highdicom.seg.segread(outputs.dicom_seg / "frame-0001.dcm").PatientName == name


def test_names_in_an_unknown_script_are_refused(series, settings, outputs, tmp_path):
    shutil.copytree(series, tmp_path / "images")
    for path in (tmp_path / "images").iterdir():
        image = dcmread(path)
        image.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        image.PatientName = "Yamada^Tarou=山田^太郎"
        image["SpecificCharacterSet"].value = ["", "ISO 2022 IR 999"]
        image.save_as(path)

    with pytest.raises(InputError, match=r"lacks information that a DICOM SEG object needs"):
        segment_to_files(replace(settings, frames="1"), tmp_path / "images", outputs)


def test_number_of_the_new_series_stays_within_the_standard(series, settings, outputs, tmp_path):
    shutil.copytree(series, tmp_path / "images")
    for path in (tmp_path / "images").iterdir():
        image = dcmread(path)
        image.SeriesNumber = 2**31 - 1
        image.save_as(path)

    segment_to_files(replace(settings, frames="1"), tmp_path / "images", outputs)

    assert dcmread(outputs.dicom_seg / "frame-0001.dcm").SeriesNumber == 2**31 - 1


def test_objects_of_a_stack_with_a_series_for_each_slice_name_all_of_them(series, settings, outputs, tmp_path):
    shutil.copytree(series, tmp_path / "slices")
    series_of = {}
    for path in (tmp_path / "slices").iterdir():
        image = dcmread(path)
        image.SeriesInstanceUID = f"1.2.3.{round(image.ImagePositionPatient[2] * 10) + 10_000}"
        series_of[image.SOPInstanceUID] = image.SeriesInstanceUID
        image.save_as(path)

    segment_to_files(replace(settings, frames="1"), tmp_path / "slices", outputs)

    found = highdicom.seg.segread(outputs.dicom_seg / "frame-0001.dcm")
    referred = {
        reference.ReferencedSOPInstanceUID: item.SeriesInstanceUID
        for item in found.ReferencedSeriesSequence
        for reference in item.ReferencedInstanceSequence
    }
    assert len(set(referred.values())) == len(found.ReferencedSeriesSequence) == 8
    assert referred == {uid: series_of[uid] for uid in referred}
    assert {uid for _, _, uid in found.get_source_image_uids()} == set(referred)


def test_folder_that_exists_already_is_not_written_into(series, settings, outputs):
    outputs.dicom_seg.mkdir()

    with pytest.raises(InputError, match="give another name"):
        segment_to_files(settings, series, outputs)

    assert not list(outputs.dicom_seg.iterdir())


def test_without_highdicom_the_error_says_what_to_install(series, settings, outputs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.delitem(sys.modules, "CLSTMSegmentLib.pipeline.dicom_seg", raising=False)

    with pytest.raises(InputError, match="pip install highdicom"):
        segment_to_files(settings, series, outputs)

    assert not list(tmp_path.iterdir())


def test_images_that_have_one_identity_make_no_object(series, settings, outputs, tmp_path):
    shutil.copytree(series, tmp_path / "images")
    for path in (tmp_path / "images").iterdir():
        image = dcmread(path)
        image.SOPInstanceUID = f"1.2.3.{round(image.ImagePositionPatient[2] * 10) + 10_000}"  # in every frame the same
        image.save_as(path)
    segmented = []

    with pytest.raises(InputError, match=r"frame 1: .*IM\d+ and .*IM\d+ have the same SOPInstanceUID 1\.2\.3\.\d+"):
        segment_to_files(settings, tmp_path / "images", outputs, on_frame=segmented.append)

    assert segmented == []
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
