"""`clstm-segment propagate`: labels of all frames from files with one or a few annotated frames."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.io.sequence_nrrd import SequenceNrrdWriter


@pytest.fixture
def cine(phantom, tmp_path):
    """A file with the phantom heart, whose frames have times."""
    frames, path = phantom[0], tmp_path / "cine.seq.nrrd"
    index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
    writer = SequenceNrrdWriter(path, index, frames[0].image)
    for frame in frames:
        writer.add(frame.image)
    writer.close()
    return path


@pytest.fixture
def drawn(phantom, tmp_path):
    """A folder with the labels of the first frame."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    sitk.WriteImage(phantom[1][0], str(folder / "0.nrrd"))
    return folder


def dice(a, b):
    return 2 * np.sum(a & b) / (np.sum(a) + np.sum(b))


@pytest.mark.parametrize("suffix", [".seq.nrrd", ".nii.gz", ".seq.mrb"])
def test_all_frames_are_labelled_from_one(suffix, cine, drawn, phantom, tmp_path, capsys):
    out, volumes = tmp_path / f"labels{suffix}", tmp_path / "volumes.csv"

    options = ["--cyclic", "--segments", "Cavity,Muscle", "--measurements", str(volumes)]
    status = main(["propagate", str(cine), str(drawn), "-o", str(out), *options])

    assert status == 0, capsys.readouterr().err
    with volumes.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["time [ms]"] for row in rows] == [frame.index_value for frame in phantom[0]]
    true_ml = [np.sum(sitk.GetArrayFromImage(one) == 1) * 0.072 for one in phantom[1]]
    assert [float(row["Cavity [ml]"]) for row in rows] == pytest.approx(true_ml, rel=0.35)
    if suffix != ".seq.mrb":
        for frame, truth in zip(read_sequence(out), phantom[1], strict=True):
            labels = sitk.GetArrayFromImage(frame.image)
            assert dice(labels == 1, sitk.GetArrayFromImage(truth) == 1) > 0.75


def test_names_in_the_header_are_those_of_the_volumes_and_given_names_must_not_contradict_them(
    cine, drawn, phantom, tmp_path, capsys
):
    labels, volumes = phantom[1][0] + 0, tmp_path / "volumes.csv"
    for n, name in enumerate(("Cavity", "Muscle")):
        labels.SetMetaData(f"Segment{n}_Name", name)
        labels.SetMetaData(f"Segment{n}_LabelValue", str(n + 1))
    sitk.WriteImage(labels, str(drawn / "0.nrrd"))
    arguments = ["propagate", str(cine), str(drawn), "-o", str(tmp_path / "out.seq.nrrd"), "--quiet"]

    contradicts = main([*arguments, "--segments", "Muscle,Cavity"])
    status = main([*arguments, "--measurements", str(volumes)])

    assert (contradicts, status) == (2, 0)
    assert "Cavity is label 2 by the names that you give, and label 1 by the header" in capsys.readouterr().err
    assert "Cavity [ml],Muscle [ml]" in volumes.read_text(encoding="utf-8")


def test_label_image_of_one_frame_is_taken_with_its_number(cine, drawn, phantom, tmp_path):
    out = tmp_path / "labels.seq.nrrd"

    assert main(["propagate", str(cine), str(drawn / "0.nrrd"), "--frame", "0", "-o", str(out)]) == 0

    first = sitk.GetArrayFromImage(read_sequence(out)[0].image)
    np.testing.assert_array_equal(first, sitk.GetArrayFromImage(phantom[1][0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: [*words, "--segments", "Cavity"], "labels up to 2, but there are 1 names"),
        (lambda words: [*words, "--frame", "9"], "folder, and a file is needed"),
        (lambda words: [*words[:3], "-o", str(words[1])], "would be replaced"),
        (lambda words: [*words[:3], "-o", "labels.png"], "give a name that ends in"),
    ],
    ids=["few names", "folder for one frame", "input as output", "suffix"],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(change, message, cine, drawn, tmp_path, capsys):
    before = cine.read_bytes()
    out = tmp_path / "labels.seq.nrrd"

    status = main(change(["propagate", str(cine), str(drawn), "-o", str(out)]))

    assert status == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
    assert cine.read_bytes() == before


def test_label_image_with_the_name_of_another_frame_is_refused(phantom, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for n, frame in enumerate(phantom[0][:3]):
        sitk.WriteImage(frame.image, str(tmp_path / "images" / f"frame{n + 1}.nrrd"))
    drawn = tmp_path / "frame1.nrrd"
    sitk.WriteImage(phantom[1][0], str(drawn))
    command = ["propagate", str(tmp_path / "images"), str(drawn), "-o", str(tmp_path / "out.seq.nrrd"), "--frame"]

    assert main([*command, "1"]) == 2

    assert "has the name of the image of frame 0, counted from 0, and not of frame 1" in capsys.readouterr().err
    assert main([*command, "0"]) == 0


def test_label_image_whose_frame_may_be_counted_from_0_or_be_the_number_of_a_file_is_refused(phantom, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for n, frame in enumerate(phantom[0][:3]):
        sitk.WriteImage(frame.image, str(tmp_path / "images" / f"im_{n + 1}.nrrd"))
    sitk.WriteImage(phantom[1][1], str(tmp_path / "seg_2.nrrd"))
    out = tmp_path / "out.seq.nrrd"

    status = main(["propagate", str(tmp_path / "images"), str(tmp_path / "seg_2.nrrd"), "-o", str(out), "--frame", "2"])

    assert status == 2
    assert "seg_2.nrrd may belong to frame 2, counted from 0, or to im_2.nrrd" in capsys.readouterr().err
    assert not out.exists()


def test_frame_that_the_sequence_lacks_is_named(cine, drawn, tmp_path, capsys):
    out = tmp_path / "labels.seq.nrrd"

    status = main(["propagate", str(cine), str(drawn / "0.nrrd"), "--frame", "9", "-o", str(out)])

    assert status == 2
    assert "frame 9 is annotated, but the sequence has frames 0 to 5" in capsys.readouterr().err
