"""The files of a folder from which a sequence is read."""

import os

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.io.sequence_files import read_sequence


def write_frames(folder, suffix=".nrrd"):
    """Write twelve frames, numbered from 1 without zeros; frame n has the value n."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 13):
        sitk.WriteImage(sitk.Image(3, 3, 3, sitk.sitkUInt8) + number, str(folder / f"frame{number}{suffix}"))


def values(sequence):
    return [frame.image[0, 0, 0] for frame in sequence]


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_frames_of_a_folder_come_in_natural_order_without_hidden_files(suffix, tmp_path):
    write_frames(tmp_path, suffix)
    (tmp_path / f"._frame1{suffix}").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / ".DS_Store").write_bytes(b"Bud1")
    (tmp_path / "notes.txt").write_text("of the user", encoding="utf-8")

    assert values(read_sequence(tmp_path)) == list(range(1, 13))


def test_only_sub_folder_with_images_stands_for_the_folder(tmp_path):
    write_frames(tmp_path / "patient" / "phases")
    (tmp_path / "patient" / "empty").mkdir()

    assert values(read_sequence(tmp_path / "patient")) == list(range(1, 13))


def test_images_in_several_sub_folders_are_refused(tmp_path):
    for name in ("rest", "stress"):
        write_frames(tmp_path / "patient" / name)

    with pytest.raises(InputError, match=r"patient holds images in 2 folders \(rest, stress ...\): give one of them"):
        read_sequence(tmp_path / "patient")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("odd", ["pipe", "device"])
def test_frame_that_may_never_end_is_refused(odd, tmp_path):
    write_frames(tmp_path)
    last = sorted(tmp_path.iterdir())[-1]
    last.unlink()
    if odd == "pipe":
        os.mkfifo(last)
    else:
        last.symlink_to("/dev/zero")

    with pytest.raises(InputError, match="it is a device or a pipe, which may never end"):
        read_sequence(tmp_path)
