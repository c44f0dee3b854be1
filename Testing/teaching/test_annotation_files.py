"""Annotations in files: each is given to the frame that it belongs to, and what is not clear is refused."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.same_grid import ImageGrid
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.file_sequence import FileSequence
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.teaching.annotation_files import read_annotations


def labels(value=1, kind=np.uint8):
    """Return labels of which one block has a value."""
    array = np.zeros((4, 4, 4), kind)
    array[1:3, 1:3, 1:3] = value
    return sitk.GetImageFromArray(array)


def images(*values, unit="s"):
    """Return a sequence with these index values."""
    count, grid = len(values), ImageGrid.of(labels())
    index = SequenceIndex(list(values), "time", unit)
    return FileSequence(index, lambda number: labels(), [grid] * count, [[Path("images.seq.nrrd")]] * count)


def annotated_frames(folder, label_values, frames, unit="s"):
    """Return the numbers of the frames that a label sequence annotates."""
    path = folder / "labels.seq.nrrd"
    write_sequence(path, SequenceIndex(list(label_values), "time", unit), [labels()] * len(label_values))
    return list(read_annotations(path, frames))


@pytest.mark.parametrize("names", [("0.nrrd", "00.nrrd"), ("3.nrrd", "3.nii.gz"), ("01.mha", "1.nrrd")])
def test_two_files_for_one_frame_are_refused_with_both_names(names, tmp_path):
    for name in names:
        sitk.WriteImage(labels(), str(tmp_path / name))

    with pytest.raises(InputError, match="annotate the same frame: remove one of them") as caught:
        read_annotations(tmp_path, images(*"01234"))

    assert all(name in str(caught.value) for name in names)


def frame_folder(folder, first, name="patient2_frame{n}.nrrd"):
    """Return a sequence of three image files that are numbered from a first number."""
    folder.mkdir()
    for n in range(first, first + 3):
        sitk.WriteImage(labels(), str(folder / name.format(n=n, time=40 * n)))
    return read_sequence(folder)


def write_labels(folder, *names):
    """Write label images with these names into a new folder."""
    folder.mkdir()
    for name in names:
        sitk.WriteImage(labels(), str(folder / name))


def test_label_images_may_have_the_names_of_the_image_files(tmp_path):
    frames = frame_folder(tmp_path / "images", first=1)
    write_labels(tmp_path / "labels", "patient2_frame1.nii.gz", "patient2_frame3.nrrd")

    assert sorted(read_annotations(tmp_path / "labels", frames)) == [0, 2]


def test_number_that_may_be_that_of_another_image_file_is_refused(tmp_path):
    write_labels(tmp_path / "labels", "2.nrrd")

    assert list(read_annotations(tmp_path / "labels", frame_folder(tmp_path / "from 0", first=0))) == [2]
    with pytest.raises(InputError, match=r"2\.nrrd may belong to frame 2, counted from 0, or to patient2_frame2\.nrrd"):
        read_annotations(tmp_path / "labels", frame_folder(tmp_path / "from 1", first=1))


def test_number_that_may_be_one_of_several_in_the_name_of_another_image_file_is_refused(tmp_path):
    write_labels(tmp_path / "labels", "1.nrrd")
    frames = frame_folder(tmp_path / "images", first=1, name="f{n}_t{time}.nrrd")

    with pytest.raises(InputError, match=r"1\.nrrd may belong to frame 1, counted from 0, or to f1_t40\.nrrd"):
        read_annotations(tmp_path / "labels", frames)


@pytest.mark.parametrize("values", [["1", "2"], ["2"], ["1"]])
def test_label_sequence_whose_numbers_may_be_those_of_other_image_files_is_refused(values, tmp_path):
    assert annotated_frames(tmp_path, values, frame_folder(tmp_path / "from 0", first=0), "") == list(map(int, values))
    with pytest.raises(InputError, match=rf"its frame 0 may belong to frame {values[0]}, counted from 0, or to pat"):
        annotated_frames(tmp_path, values, frame_folder(tmp_path / "from 1", first=1), "")


def test_numbers_from_0_are_those_of_the_frames_where_no_image_file_has_a_0_in_its_name(tmp_path):
    frames = frame_folder(tmp_path / "images", first=1)
    write_labels(tmp_path / "labels", "0.nrrd", "2.nrrd")

    assert sorted(read_annotations(tmp_path / "labels", frames)) == [0, 2]
    assert annotated_frames(tmp_path, ["0", "2"], frames, "") == [0, 2]
    assert annotated_frames(tmp_path, ["0", "1", "2"], frames, "") == [0, 1, 2]


def test_files_of_dicom_images_say_nothing_of_the_numbers_of_frames(tmp_path):
    write_labels(tmp_path / "labels", "2.nrrd")
    frames = images("0", "40", "80")
    frames.files = [[Path("2"), Path("9")], [Path("5"), Path("1")], [Path("7"), Path("3")]]

    assert list(read_annotations(tmp_path / "labels", frames)) == [2]


def test_layers_of_a_segmentation_of_slicer_are_no_frames(tmp_path):
    layers = sitk.JoinSeries([labels(), labels()])
    layers.SetMetaData("Segment0_ID", "Segment_1")
    sitk.WriteImage(layers, str(tmp_path / "heart.seg.nrrd"))

    with pytest.raises(InputError, match=r"heart\.seg\.nrrd is a segmentation of Slicer in which segments overlap"):
        read_annotations(tmp_path / "heart.seg.nrrd", images("0", "1"))


@pytest.mark.parametrize("name", ["0.0014.nrrd", "frame 0.nrrd", "-1.nrrd", "1" * 12 + ".nrrd"])
def test_file_whose_name_is_no_frame_number_is_refused(name, tmp_path):
    sitk.WriteImage(labels(), str(tmp_path / name))

    with pytest.raises(InputError, match="named by frame number"):
        read_annotations(tmp_path, images(*"01234"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (labels(2**32 - 1, np.uint32), r"0\.nrrd: labels must be whole numbers from 0 to 7"),
        (labels(np.inf, np.float32), r"0\.nrrd: labels must be whole numbers from 0 to 7"),
        (labels(np.nan, np.float32), r"0\.nrrd: labels must be whole numbers from 0 to 7"),
        (labels(-1, np.int16), r"0\.nrrd: labels must be whole numbers from 0 to 7"),
        (sitk.Compose(labels(), labels(), labels()), r"0\.nrrd: its annotation must be a 3D label image"),
    ],
)
def test_file_that_is_no_label_image_is_refused_by_name(wrong, message, tmp_path):
    sitk.WriteImage(wrong, str(tmp_path / "0.nrrd"))

    with pytest.raises(InputError, match=message):
        read_annotations(tmp_path, images(*"01234"))


@pytest.mark.parametrize(
    ("label_values", "unit", "image_values"),
    [(["0", "2", "4"], "", ["0", "2", "4", "6", "8"]), (["1", "3"], "%", ["0", "1", "2", "3", "4"])],
)
def test_label_sequence_in_another_unit_with_another_number_of_frames_is_refused(
    label_values, unit, image_values, tmp_path
):
    with pytest.raises(InputError, match=r"so that nothing says which of the 5 images .* give both the same index"):
        annotated_frames(tmp_path, label_values, images(*image_values, unit="ms"), unit)


def test_label_sequence_annotates_the_frames_of_its_index_values(tmp_path):
    frames = images("0.001", "0.0014", "0.002")

    assert annotated_frames(tmp_path, ["0.0014", "0.0020000"], frames) == [1, 2]
    assert annotated_frames(tmp_path, ["0.002", "0.0014", "0.001"], frames) == [2, 1, 0]


@pytest.mark.parametrize("values", [["0.0014"], ["0.001", "0.0014", "0.003"], ["0.001", "0.001"]])
def test_label_sequence_with_an_index_value_that_is_not_one_of_the_images_is_refused(values, tmp_path):
    with pytest.raises(InputError, match="give both the same index values"):
        annotated_frames(tmp_path, values, images("0.001", "0.002", "0.003"))


@pytest.mark.parametrize(("values", "unit"), [(["0", "1", "2"], "s"), (["0", "40", "80"], "%"), (["5", "6", "7"], "")])
def test_label_sequence_without_comparable_index_values_annotates_the_frames_in_their_order(values, unit, tmp_path):
    assert annotated_frames(tmp_path, values, images("0.1", "0.2", "0.3"), unit) == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "unit", "image_values", "image_unit", "found"),
    [
        (["3", "2", "1", "0"], "", ["0", "1", "2", "3"], "", [3, 2, 1, 0]),
        (["0", "1", "2", "3"], "", ["3", "2", "1", "0"], "", [3, 2, 1, 0]),
        (["0.3", "0.2", "0.1", "0"], "s", ["0", "100", "200", "300"], "ms", [3, 2, 1, 0]),
        (["0.1"], "s", ["0", "100", "200", "300"], "ms", [1]),
        (["0", "1", "2", "3"], "s", ["0", "40", "80", "120"], "ms", [0, 1, 2, 3]),  # they are no times
        (["43200000", "43200040", "43200080"], "ms", ["43200000", "43200040", "43200080"], "ms", [0, 1, 2]),
        (["2", "1"], "min", ["0", "60000", "120000"], "ms", [2, 1]),
        (["43200.04", "43200"], "s", ["43200000", "43200040", "43200080"], "ms", [1, 0]),
    ],
)
def test_frames_of_a_label_sequence_that_stand_in_another_order_go_by_their_index_values(
    values, unit, image_values, image_unit, found, tmp_path
):
    assert annotated_frames(tmp_path, values, images(*image_values, unit=image_unit), unit) == found


@pytest.mark.parametrize(
    ("values", "unit", "image_values", "image_unit"),
    [
        (["2", "3", "4", "5"], "", ["0", "1", "2", "3"], ""),
        (["30", "20", "10", "0"], "%", ["0", "40", "80", "120"], "ms"),
        (["0", "1", "2", "3"], "", ["120", "80", "40", "0"], "ms"),
        (["0", "50", "80", "120"], "ms", ["0", "0.04", "0.08", "0.12"], "s"),
        (["100", "200", "300", "400"], "", ["0", "100", "200", "300"], "ms"),
    ],
)
def test_label_sequence_is_refused_where_order_and_index_values_may_contradict_each_other(
    values, unit, image_values, image_unit, tmp_path
):
    with pytest.raises(InputError, match="give both the same index"):
        annotated_frames(tmp_path, values, images(*image_values, unit=image_unit), unit)


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", "mha"])
def test_single_image_does_not_say_which_of_several_frames_it_annotates(suffix, tmp_path):
    path = tmp_path / f"labels.{suffix}"
    sitk.WriteImage(labels(), str(path))

    with pytest.raises(InputError, match=r"a single 3D image, which does not say what frame it annotates"):
        read_annotations(path, images("0", "40", "80"))
    assert list(read_annotations(path, images("0"))) == [0]
