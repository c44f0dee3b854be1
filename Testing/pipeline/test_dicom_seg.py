"""DICOM SEG objects beside the usual output: one a frame, over the images that they were made from."""

import sys

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.io.sequence_files import read_sequence
from dicom_files import trigger_time, write_enhanced, write_series
from pydicom import dcmread


@pytest.fixture(scope="module")
def series(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("dicom") / "cine"
    write_series(folder, phantom[0][:3])
    return folder


def segment(source, folder, bundle, *options):
    output = str(folder / "labels.seq.nrrd")
    options = ("-o", output, "--dicom-seg", str(folder / "seg"), "--model", str(bundle), "--device", "cpu", *options)
    return main(["segment", str(source), *options])


def test_each_frame_is_an_object_with_the_labels_where_they_belong(series, bundle, tmp_path):
    assert segment(series, tmp_path, bundle, "--frames", "0,2") == 0
    labels = list(read_sequence(tmp_path / "labels.seq.nrrd"))
    objects = [highdicom.seg.segread(path) for path in sorted((tmp_path / "seg").iterdir())]
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


def test_the_same_segment_is_known_as_such_in_all_frames(series, bundle, tmp_path):
    assert segment(series, tmp_path, bundle) == 0
    objects = [highdicom.seg.segread(path) for path in (tmp_path / "seg").iterdir()]
    assert len({tuple(s.TrackingUID for s in one.SegmentSequence) for one in objects}) == 1


def test_what_is_not_of_dicom_images_one_a_file_is_refused_and_nothing_is_written(bundle, phantom, tmp_path, capsys):
    write_enhanced(phantom[0][:2], tmp_path / "cine.dcm", trigger_time)
    sitk.WriteImage(sitk.JoinSeries([frame.image for frame in phantom[0][:2]]), str(tmp_path / "cine.nrrd"))
    before = sorted(tmp_path.iterdir())
    for name in ("cine.dcm", "cine.nrrd"):
        assert segment(tmp_path / name, tmp_path, bundle) == 2
        assert "give a folder of one file an image" in capsys.readouterr().err
        assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_there_is_not_written_into(series, bundle, tmp_path, capsys):
    (tmp_path / "seg").mkdir()
    assert segment(series, tmp_path, bundle) == 2
    assert "give another name" in capsys.readouterr().err


def test_without_highdicom_the_option_says_what_to_install(series, bundle, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.delitem(sys.modules, "CLSTMSegmentLib.cli.dicom_seg", raising=False)
    assert segment(series, tmp_path, bundle) == 2
    assert "pip install highdicom" in capsys.readouterr().err
