"""The names of labels in the headers of label files: used where they are clear, refused where they are not."""

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.teaching.label_names import label_names

CAVITY_FIRST, MUSCLE_FIRST = ("Cavity", "Muscle"), ("Muscle", "Cavity")


def label_file(path, names=(), first=1):
    """Write a label image whose header names its labels as Slicer does; return its path."""
    image = sitk.Image([4, 4, 4], sitk.sitkUInt8)
    for n, name in enumerate(names):
        for key, value in {"ID": f"S{n}", "Name": name, "LabelValue": str(n + first)}.items():
            image.SetMetaData(f"Segment{n}_{key}", value)
    sitk.WriteImage(image, str(path))
    return path


def test_names_in_all_headers_are_taken(tmp_path):
    files = [label_file(tmp_path / f"{n}.nrrd", CAVITY_FIRST) for n in range(2)]

    assert label_names([*files, tmp_path / "notes.txt"], 2, None) == ["Cavity", "Muscle"]


def test_structures_that_are_drawn_in_some_frames_only_are_named_by_the_files_that_have_them(tmp_path):
    files = [label_file(tmp_path / "0.nrrd", ["Cavity"]), label_file(tmp_path / "1.nrrd", ["Muscle"], first=2)]

    assert label_names(files, 2, None) == ["Cavity", "Muscle"]


@pytest.mark.parametrize("other", [("1.nrrd", ()), ("1.nii.gz", ()), ("1.nrrd", ["Cavity"])])
def test_labels_that_not_all_files_name_are_numbered(other, tmp_path):
    files = [label_file(tmp_path / "0.nrrd", ["Cavity"]), label_file(tmp_path / other[0], other[1])]

    assert label_names(files, 2, None) == ["Segment 1", "Segment 2"]


@pytest.mark.parametrize("given", [None, ["Cavity", "Muscle"]])
@pytest.mark.parametrize(
    ("names", "first", "message"),
    [
        (MUSCLE_FIRST, 1, "label 1 is Cavity in the first one, and label 1 is Muscle in the second one"),
        (["Muscle"], 1, "label 1 is Cavity in the first one, and label 1 is Muscle in the second one"),
        (["cavity"], 3, "label 1 is Cavity in the first one, and label 3 is cavity in the second one"),
    ],
)
def test_files_that_contradict_each_other_are_refused_with_their_names(given, names, first, message, tmp_path):
    files = [label_file(tmp_path / "0.nrrd", CAVITY_FIRST), label_file(tmp_path / "2.nrrd", names, first)]

    with pytest.raises(InputError, match=rf"0\.nrrd and 2\.nrrd contradict each other: {message}"):
        label_names(files, 2, given)


def test_given_names_in_another_order_than_in_a_header_are_refused_with_its_file(tmp_path):
    file = label_file(tmp_path / "0.nrrd", CAVITY_FIRST)

    with pytest.raises(InputError, match=r"Cavity is label 2 by the names that you give, and label 1 by .*0\.nrrd"):
        label_names([file], 2, MUSCLE_FIRST)


@pytest.mark.parametrize("given", [CAVITY_FIRST, ("LV", "Wall")])
def test_given_names_replace_those_in_the_headers(given, tmp_path):
    file = label_file(tmp_path / "0.nrrd", CAVITY_FIRST)

    assert label_names([file], 2, given) == list(given)
