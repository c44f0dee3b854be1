"""Labelled hearts: what is annotated is known, and images are prepared as in a run."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.frame_grid import FrameGrid
from CLSTMSegmentLib.engine.intensity_window import find_intensity_window
from CLSTMSegmentLib.engine.preparation import prepare
from CLSTMSegmentLib.training.labelled_hearts import Annotation, load_hearts, read_cines, read_phases, to_grid
from CLSTMSegmentLib.training.recipe import read_recipe
from CLSTMSegmentLib.training.sparse_labels import BACKGROUND, UNKNOWN, Border, certain_labels

from training.small_training import MODEL, small_recipe

SAME_HEART = {"SCD0000101": "SC-HF-I-01"}


@pytest.fixture
def model(tmp_path):
    return read_recipe(small_recipe(tmp_path, 2)).model


def test_annotated_slices_and_classes_alone_are_known(hearts, model):
    sequences = load_hearts(hearts, model.geometry, model.intensity, same_heart=SAME_HEART)
    cine = next(s for s in sequences if len(s.frames) == 4)
    phase = next(s for s in sequences if len(s.frames) == 1)
    known = (cine.allowed[0] != UNKNOWN).any(axis=(1, 2))

    assert {s.name for s in sequences} == {"SC-HF-I-01", "A", "B"}
    assert list(cine.allowed) == [0]
    assert np.flatnonzero(known).tolist() == [2, 3, 4, 5]
    assert set(np.unique(cine.allowed[0])) == {0b001, 0b010, 0b100, UNKNOWN}
    assert set(np.unique(phase.allowed[0])) == {0b101, 0b010}


def test_slices_beyond_the_ends_are_background_where_the_annotation_says_so(hearts, model):
    border = Border(1, 2, 2.5, 4.5, 30.0, ends_annotated=True)

    sequences = load_hearts(hearts, model.geometry, model.intensity, border)

    cine = next(s for s in sequences if len(s.frames) == 4)
    assert (cine.allowed[0][[0, 1, 6, 7]] == BACKGROUND).all()
    assert not (cine.allowed[0][2:6] == UNKNOWN).any()


def test_slices_whose_annotation_is_wrong_are_unknown_in_every_sequence_of_their_heart(hearts, model):
    sequences = load_hearts(hearts, model.geometry, model.intensity, masked={"A": [3]})  # of slices 1 to 6

    unknown = {
        (s.name, t): np.flatnonzero((bits == UNKNOWN).all(axis=(1, 2))).tolist()
        for s in sequences
        if len(s.frames) < 4
        for t, bits in s.allowed.items()
    }
    assert {name: slices for (name, _), slices in unknown.items()} == {"SC-HF-I-01": [], "A": [2], "B": []}


def test_heart_is_cropped_to_what_is_annotated_in_any_frame_with_all_its_slices(hearts, model):
    heart = next(s for s in load_hearts(hearts, model.geometry, model.intensity) if len(s.frames) == 2)

    cropped = heart.cropped(12.0)

    certain = [np.argwhere(certain_labels(bits) > 0) for bits in heart.allowed.values()]
    extent = np.ptp(np.concatenate(certain), axis=0) + 1
    assert cropped.frames[0].shape[0] == heart.frames[0].shape[0]
    assert cropped.frames[0].shape[1:] == tuple(extent[1:] + 4)  # 2 voxels of 6 mm on each side
    assert sum((bits == 2).sum() for bits in cropped.allowed.values()) == sum(
        (bits == 2).sum() for bits in heart.allowed.values()
    )


def test_voxel_that_is_not_finite_is_prepared_as_in_a_run(phantom):
    array = sitk.GetArrayFromImage(phantom[0][0].image).astype(np.float32)
    array[3, 30:34, 30:34] = np.nan
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(phantom[0][0].image)
    annotation = Annotation(phantom[1][0], [1, 2], tuple(range(8)), "ED")

    sequence = to_grid("heart", [Frame(image, "0")], {0: annotation}, MODEL.geometry, MODEL.intensity)

    window = find_intensity_window(MODEL.intensity, [array])
    in_a_run = prepare(image, FrameGrid(image, MODEL.geometry), window).volume
    assert np.isfinite(sequence.frames[0]).all()
    np.testing.assert_array_equal(sequence.frames[0], in_a_run.astype(np.float16))


def test_hearts_in_one_folder_and_of_any_name_can_be_learnt_from(hearts, model, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(hearts / "sunnybrook", own)
    (own / "SCD0000101.seq.nrrd").rename(own / "mine.seq.nrrd")
    labels = json.loads((own / "labels.json").read_text(encoding="utf-8"))
    (own / "labels.json").write_text(json.dumps({"mine": labels["SCD0000101"]}), encoding="utf-8")

    (sequence,) = load_hearts(own, model.geometry, model.intensity)

    assert sequence.name == "mine"


def test_cine_is_found_by_the_name_of_its_heart(hearts):
    assert list(read_cines(hearts, ["SC-HF-I-01"], SAME_HEART)) == ["SCD0000101"]
    assert not read_cines(hearts, ["SC-HF-I-01"])
    assert list(read_cines(hearts, ["SCD0000101"])) == ["SCD0000101"]


@pytest.mark.parametrize(
    ("options", "message"), [(["--data", "nowhere"], "no labelled hearts"), ([], "give their folder with --data")]
)
def test_training_without_its_hearts_is_refused_in_words(options, message, tmp_path, capsys):
    recipe = small_recipe(tmp_path, 2)

    status = main(["train", str(recipe), "--out", str(tmp_path / "run"), *options])

    assert status == 2
    assert message in capsys.readouterr().err


def changed(hearts, folder, name, change):
    """Copy a folder of hearts, and change the content of an index in it."""
    shutil.copytree(hearts, folder)
    (path,) = folder.rglob(name)
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_hearts_of_one_name_in_two_folders_are_refused(hearts, tmp_path):
    for folder in ("a", "b"):
        shutil.copytree(hearts / "sunnybrook_ed_es", tmp_path / folder)

    with pytest.raises(InputError, match="another folder has a heart 'SC-HF-I-01' too"):
        read_phases(tmp_path)


def test_phase_whose_lengths_are_not_in_mm_is_refused(hearts, tmp_path):
    shutil.copytree(hearts / "sunnybrook_ed_es", tmp_path / "data")
    path = tmp_path / "data" / "A_ED.nrrd"
    path.write_bytes(path.read_bytes().replace(b"\nencoding:", b'\nspace units: "cm" "cm" "cm"\nencoding:', 1))

    with pytest.raises(InputError, match=r"A_ED\.nrrd.*cm"):
        read_phases(tmp_path / "data")


BROKEN = {
    "slices from last to first": (
        "labels.json",
        lambda f: f.update(labelled_slices=[5, 2]),
        "the first before the last",
    ),
    "class": ("labels.json", lambda frame: frame.update(labelled_classes=[9]), "must name classes from 1 to 2"),
    "no class": ("labels.json", lambda frame: frame.update(labelled_classes=[]), "must name classes from 1 to 2"),
    "decimal": ("labels.json", lambda frame: frame.update(labelled_classes=[1.0]), "must name classes from 1 to 2"),
    "slice": ("labels.json", lambda frame: frame.update(labelled_slices=[0, 99]), "and slices of the image"),
    "no slices": ("labels.json", lambda frame: frame.pop("labelled_slices"), "is not complete"),
    "no numbers": ("labels.json", lambda frame: frame.update(labelled_slices=["a", "b"]), "is not complete"),
    "file": ("labels.json", lambda frame: frame.update(file="gone.nrrd"), "no such file"),
    "text": ("index.json", lambda phase: phase.update(slices="x"), "is not complete"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_index_that_is_not_complete_is_refused_with_the_heart(fault, hearts, tmp_path):
    name, change, message = BROKEN[fault]
    data = changed(
        hearts, tmp_path / "data", name, lambda content: change(next(iter(next(iter(content.values())).values())))
    )

    with pytest.raises(InputError, match=message):
        read_cines(data)
        read_phases(data)


def test_index_that_is_no_json_is_refused_by_name(hearts, tmp_path):
    shutil.copytree(hearts, tmp_path / "data")
    (path,) = (tmp_path / "data").rglob("labels.json")
    path.write_text("{", encoding="utf-8")

    with pytest.raises(InputError, match=r"labels\.json is not valid JSON"):
        read_cines(tmp_path / "data")


def test_annotation_that_lies_elsewhere_is_refused_with_the_heart(hearts, tmp_path):
    shutil.copytree(hearts, tmp_path / "data")
    path = next((tmp_path / "data").rglob("A_ED_cavity.nrrd"))
    labels = sitk.ReadImage(str(path))
    labels.SetOrigin((500, 500, 500))
    sitk.WriteImage(labels, str(path))

    with pytest.raises(InputError, match=r"A, ED: its annotation lies up to .* mm away"):
        read_phases(tmp_path / "data")


def test_cine_without_an_annotated_frame_is_refused(hearts, tmp_path):
    data = changed(hearts, tmp_path / "data", "labels.json", lambda content: next(iter(content.values())).clear())

    with pytest.raises(InputError, match="names no annotated frame"):
        read_cines(data)


def with_labels(hearts, folder, change):
    """Copy a folder of hearts, and change the label image of one."""
    shutil.copytree(hearts, folder)
    path = next(folder.rglob("A_ED_cavity.nrrd"))
    sitk.WriteImage(change(sitk.ReadImage(str(path))), str(path))
    return folder


@pytest.mark.parametrize("kind", [sitk.sitkFloat32, sitk.sitkFloat64, sitk.sitkInt64, sitk.sitkUInt64])
def test_labels_that_are_whole_numbers_of_any_type_are_taken(kind, hearts, tmp_path):
    data = with_labels(hearts, tmp_path / "data", lambda labels: sitk.Cast(labels, kind))

    found, expected = (read_phases(folder)["A"]["ED"][1].labels for folder in (data, hearts))

    assert found.GetPixelID() == sitk.sitkUInt8
    assert sitk.Hash(found) == sitk.Hash(sitk.Cast(expected, sitk.sitkUInt8))


def test_labels_that_are_no_whole_numbers_are_refused_with_their_file(hearts, tmp_path):
    data = with_labels(hearts, tmp_path / "data", lambda labels: sitk.Cast(labels, sitk.sitkFloat32) * 0.5)

    with pytest.raises(InputError, match=r"A_ED_cavity\.nrrd: labels must be whole numbers from 0 to 255"):
        read_phases(data)
