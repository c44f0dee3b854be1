"""The sequences of a cohort in folders as archives give them, and what is said of them before the work."""

import shutil

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.pipeline.cohort_table import read_cohort
from CLSTMSegmentLib.pipeline.cohort_task import segment_sequence
from CLSTMSegmentLib.pipeline.segment_to_files import Outputs, segment_to_files
from CLSTMSegmentLib.pipeline.watch_to_files import WatchSettings, watch_folder
from dicom_files import small_image, write_series, write_small_cine


def cine(number, description="cine", **attributes):
    """Return the attributes of the images of a series."""
    series = {"SeriesInstanceUID": f"1.2.3.{number}", "SeriesNumber": number, "SeriesDescription": description}
    return lambda t, k: {"TriggerTime": 30.0 * t, **series, **attributes}


def write_4d(path, frames=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.Image([4, 4, 4, frames], sitk.sitkUInt8), str(path))


def write_3d(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkUInt8), str(path))


def found_in(source, results="results"):
    """Return the name, the path and the series of each sequence, and what was said of the folder."""
    cohort = read_cohort(source, source.parent / results)
    return [(one.name, one.input.relative_to(source).as_posix(), one.series) for one in cohort.sequences], cohort.found


def test_each_dicom_patient_is_searched_and_each_of_its_series_over_time_is_a_sequence(tmp_path):
    source = tmp_path / "archive"
    write_small_cine(source / "p1" / "DICOM" / "A", cine(3))
    for k in range(2):  # a folder and a series for each slice
        place = {"ImagePositionPatient": [10, 5.0 * k, 20]}
        write_small_cine(source / "p2" / f"sax_{k}", cine(5 + k, f"sax {k}", **place), slices=1)
    write_small_cine(source / "p3" / "x", cine(8, "short axis"))
    write_small_cine(source / "p3" / "x", cine(9, "long axis"), prefix="L")
    write_small_cine(source / "p3" / "y", cine(4, "T2"), times=1)

    sequences, said = found_in(source)

    assert sequences == [("p1", "p1", None), ("p2", "p2", None), ("p3-series2", "p3", 2), ("p3-series3", "p3", 3)]
    assert said[0] == f"{source} holds 4 sequences:"
    assert "  p2: DICOM, sax 0 (2 series): 6 images, 3 at each of 2 places" in said
    assert any(line.startswith("  left out: p3: T2 (number 4)") for line in said)


def test_patients_in_folders_of_hospitals_are_told_apart_by_their_studies(tmp_path):
    source = tmp_path / "archive"
    for number in range(2):
        study = cine(3, StudyInstanceUID=f"1.5.{number}", SeriesInstanceUID=f"1.5.{number}.1")
        write_small_cine(source / "hospital" / "2020" / f"patient{number}" / "scan", study)

    sequences, _ = found_in(source)

    assert sequences == [(f"hospital-2020-patient{n}", f"hospital/2020/patient{n}", None) for n in range(2)]


def test_study_in_several_sub_folders_stays_in_one_piece(tmp_path):
    """Beside another study of the same patient, in a folder for each series."""
    source = tmp_path / "archive"
    for k in range(2):
        place = {"ImagePositionPatient": [10, 5.0 * k, 20]}
        write_small_cine(source / "p1" / "DICOM" / f"sax_{k}", cine(5 + k, f"sax {k}", **place), slices=1)
    other = cine(3, StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1")
    write_small_cine(source / "p1" / "DICOM" / "sax_1", other, prefix="X")

    sequences, said = found_in(source)

    assert sequences == [("p1-series1", "p1", 1), ("p1-series2", "p1", 2)]
    assert "  p1-series2: DICOM, sax 0 (2 series): 6 images, 3 at each of 2 places" in said


def test_4d_file_of_a_patient_is_taken_and_not_its_frames_and_labels(tmp_path):
    source = tmp_path / "training"
    for number in (1, 2):
        name = f"patient00{number}"
        write_4d(source / name / f"{name}_4d.nii.gz")
        for part in ("frame01", "frame01_gt", "frame12", "frame12_gt"):
            write_3d(source / name / f"{name}_{part}.nii.gz")
        (source / name / "Info.cfg").write_text("ED: 1", encoding="utf-8")
    write_4d(source / "patient002" / "patient002_4d_seg.nii.gz")

    sequences, said = found_in(source)

    assert sequences == [(f"patient00{n}_4d", f"patient00{n}/patient00{n}_4d.nii.gz", None) for n in (1, 2)]
    assert "  left out: patient001: labels, by their names: patient001_frame01_gt.nii.gz and 1 more" in said
    assert "  left out: patient001: 3D images beside a sequence: patient001_frame01.nii.gz and 1 more" in said
    assert "  left out: patient002: labels, by their names: patient002_4d_seg.nii.gz and 2 more" in said


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        *(("sa", "seg_sa"), ("sa", "label_sa"), ("sub-1_cine", "sub-1_label-LV_mask"), ("cine", "segmentation")),
        *(("cine", "cine_manual"), ("cine", "cine_contours"), ("4d", "4d_gt")),
    ],
)
def test_labels_are_told_by_the_usual_names(image, labels, tmp_path):
    for name in (image, labels):
        write_4d(tmp_path / "data" / "p1" / f"{name}.nii.gz")

    sequences, said = found_in(tmp_path / "data")

    assert [name for name, _, _ in sequences] == [image]
    assert f"  left out: p1: labels, by their names: {labels}.nii.gz" in said


def test_folder_of_frames_and_labels_is_read_as_it_is_listed(tmp_path):
    # given
    folder = tmp_path / "data" / "p1"
    for name in ("frame1", "frame2", "frame1_gt", "frame2_gt"):
        write_3d(folder / f"{name}.nii.gz")

    # when
    sequences, said = found_in(tmp_path / "data")
    found = read_sequence(folder)

    # then
    assert sequences == [("p1", "p1", None)]
    assert "  left out: p1: labels, by their names: frame1_gt.nii.gz and 1 more" in said
    assert [files[0].name for files in found.files] == ["frame1.nii.gz", "frame2.nii.gz"]


def test_series_that_got_another_number_since_it_was_found_is_not_segmented(bundle, tmp_path):
    source = tmp_path / "archive"
    write_small_cine(source / "p1" / "x", cine(8, "short axis"))
    write_small_cine(source / "p1" / "x", cine(9, "long axis"), prefix="L")
    first, _ = read_cohort(source, tmp_path / "results").sequences
    write_small_cine(source / "p1" / "x", cine(4, "flow"), prefix="F")

    row = segment_sequence(first, RunSettings(str(bundle), device="cpu"), "")

    assert "its series have changed since the cohort began: series 1 is no longer DICOM, short axis" in row.error


@pytest.mark.parametrize("folder", ["labelsTr", "Masks", "ground_truth"])
def test_folders_of_labels_beside_those_of_images_are_left_out(folder, tmp_path):
    source = tmp_path / "dataset"
    for name in ("heart_001", "heart_002"):
        write_4d(source / "imagesTr" / f"{name}_0000.nii.gz")
        write_4d(source / folder / f"{name}.nii.gz")

    sequences, said = found_in(source)
    alone, _ = found_in(source / folder)

    assert [name for name, _, _ in sequences] == ["heart_001_0000", "heart_002_0000"]
    assert f"  left out: {folder}: labels, by the name of the folder: heart_001.nii.gz and 1 more" in said
    assert [name for name, _, _ in alone] == ["heart_001", "heart_002"], "a folder that was given is meant"


def test_labels_of_bids_are_left_out_by_their_names(tmp_path):
    source = tmp_path / "study"
    write_4d(source / "sub-1" / "anat" / "sub-1_cine.nii.gz")
    write_4d(source / "derivatives" / "manual" / "sub-1" / "anat" / "sub-1_desc-lv_dseg.nii.gz")

    sequences, said = found_in(source)

    assert sequences == [("sub-1_cine", "sub-1/anat/sub-1_cine.nii.gz", None)]
    assert any(text.endswith("labels, by their names: sub-1_desc-lv_dseg.nii.gz") for text in said)


def test_labels_of_earlier_runs_and_of_slicer_are_left_out_by_their_headers(bundle, phantom, tmp_path):
    source = tmp_path / "data"
    source.mkdir()
    images = [frame.image for frame in phantom[0][:2]]
    write_sequence(source / "p1.seq.nrrd", SequenceIndex(["0", "1"]), images)
    for name in ("p1_result.seq.nrrd", "of_p1.nii.gz"):
        segment_to_files(RunSettings(str(bundle), device="cpu"), source / "p1.seq.nrrd", Outputs(source / name))
    of_slicer = sitk.Image([4, 4, 4], sitk.sitkUInt8)
    of_slicer.SetMetaData("Segment0_ID", "lv")
    sitk.WriteImage(of_slicer, str(source / "heart.seg.nrrd"))
    (source / "live").mkdir()
    sitk.WriteImage(images[0], str(tmp_path / "frame.nrrd"))
    settings = WatchSettings(tmp_path, source / "live", quiet_s=1.0)
    watch_folder(RunSettings(str(bundle), device="cpu"), settings, lambda *_: None, lambda *_: None)

    sequences, said = found_in(source)

    assert sequences == [("p1", "p1.seq.nrrd", None)]
    assert "  left out: data: labels, by their headers: heart.seg.nrrd and 2 more" in said
    assert "  left out: live: labels, by their headers: frame-labels.nrrd" in said
    assert any("holds labels, by its header" in text for text in read_sequence(source / "of_p1.nii.gz").warnings)


def test_sub_folder_of_3d_files_is_one_sequence_and_equal_names_get_those_of_their_folders(tmp_path):
    source = tmp_path / "data"
    for patient in ("a", "b"):
        for number in range(3):
            write_3d(source / patient / "phases" / f"{number}.nrrd")
        write_4d(source / patient / "cine.nii")
    write_4d(source / "c" / "heart.nrrd")

    sequences, _ = found_in(source)

    assert sorted(sequences) == [
        ("a-cine", "a/cine.nii", None),
        ("a-phases", "a/phases", None),
        ("b-cine", "b/cine.nii", None),
        ("b-phases", "b/phases", None),
        ("heart", "c/heart.nrrd", None),
    ]


def test_two_files_of_one_name_in_one_folder_are_refused(tmp_path):
    for suffix in ("nii", "mha"):
        write_4d(tmp_path / "data" / f"cine.{suffix}")

    with pytest.raises(InputError, match="two sequences of the name cine"):
        found_in(tmp_path / "data")


def test_hidden_files_results_and_images_beside_dicom_are_no_sequences(tmp_path):
    source = tmp_path / "data"
    write_small_cine(source / "p1", cine(3))
    write_4d(source / "p1" / "labels.nii.gz")
    write_4d(source / "results" / "earlier.seq.nrrd")
    write_4d(source / ".trash" / "old.nii")
    write_4d(source / "p2" / "._cine.nii")
    write_4d(source / "p2" / "cine.nii")

    sequences, said = found_in(source, "data/results")

    assert sequences == [("p1", "p1", None), ("cine", "p2/cine.nii", None)]
    assert "  left out: p1: images beside DICOM: labels.nii.gz" in said


@pytest.mark.parametrize("results", [".", "data"])
def test_results_in_the_folder_of_the_sequences_or_around_it_hide_none(results, tmp_path):
    write_4d(tmp_path / "data" / "p1" / "cine.nii")

    sequences, _ = found_in(tmp_path / "data", results)

    assert sequences == [("cine", "p1/cine.nii", None)]


def test_patient_that_cannot_be_read_fails_alone_and_what_was_found_is_said_before(bundle, phantom, tmp_path, capsys):
    source = tmp_path / "archive"
    source.mkdir()
    write_series(source / "good", phantom[0][:2])
    (source / "bad").mkdir()
    small_image(0, 0, ImagePositionPatient=None).save_as(source / "bad" / "IM1", enforce_file_format=True)
    words = ["--model", str(bundle), "--device", "cpu", "--quiet", "--workers", "1"]

    status = main(["batch", str(source), "--out", str(tmp_path / "out"), *words])

    assert status == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"{source} holds 2 sequences:")
    assert "  good: DICOM, " in said.out
    assert "IM1 does not say where it lies" in said.err + said.out
    assert (tmp_path / "out" / "good.seq.nrrd").is_file()


def test_series_of_a_table_is_chosen_and_kept_by_resume(bundle, phantom, tmp_path, capsys):
    write_series(tmp_path / "both", phantom[0][:2])
    write_series(tmp_path / "other", phantom[0][2:4])
    shutil.move(tmp_path / "other", tmp_path / "both" / "other")
    table = tmp_path / "list.csv"
    table.write_text("input,name,series\nboth,one,1\nboth,two,2\n", encoding="utf-8")
    words = ["--model", str(bundle), "--device", "cpu", "--quiet", "--workers", "1"]
    out = tmp_path / "out"

    statuses = [main(["batch", str(table), "--out", str(out), *words, *more]) for more in ([], ["--resume"])]

    assert statuses == [0, 0]
    assert "segmented again" not in capsys.readouterr().err
    labels = [sitk.GetArrayFromImage(sitk.ReadImage(str(out / f"{name}.seq.nrrd"))) for name in ("one", "two")]
    assert (labels[0] != labels[1]).any()


@pytest.mark.parametrize("series", ["0", "first", "-1", "1.5"])
def test_series_of_a_table_that_is_no_number_is_refused(series, tmp_path):
    (tmp_path / "list.csv").write_text(f"input,series\na.nrrd,{series}\n", encoding="utf-8")

    with pytest.raises(InputError, match=f"row 1 below the titles has the series '{series}'"):
        read_cohort(tmp_path / "list.csv", tmp_path / "out")
