"""Plain files: devices, pipes, folders and names that no library can read are refused before they are opened."""

import os
import sys
from pathlib import Path

import pytest
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.core.plain_files import check_path, check_plain_file, file_name, read_text

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX has devices and pipes among its files")


def test_file_and_a_link_to_it_are_plain(tmp_path):
    (tmp_path / "a.txt").write_text("ü", encoding="utf-8")
    if sys.platform != "win32":
        (tmp_path / "b.txt").symlink_to(tmp_path / "a.txt")

    assert {read_text(path) for path in tmp_path.iterdir()} == {"ü"}


@POSIX
def test_pipe_and_device_are_refused_also_behind_a_link(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe link").symlink_to(tmp_path / "pipe")
    (tmp_path / "device link").symlink_to("/dev/zero")

    for path in tmp_path.iterdir():
        with pytest.raises(InputError, match=f"{path.name} cannot be read: it is a device or a pipe"):
            check_plain_file(path)


def test_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="it is a folder"):
        check_plain_file(tmp_path)
    with pytest.raises(InputError, match="there is no such file"):
        check_plain_file(tmp_path / "missing")


@pytest.mark.parametrize(
    ("path", "message"), [("a\0b.nrrd", "a character NUL"), ("a\udcff.nrrd", "not in UTF-8"), ("é" * 128, "256 bytes")]
)
def test_path_that_no_file_or_no_library_can_have_is_refused(path, message):
    with pytest.raises(InputError, match=message):
        check_path(Path(path))


def test_text_that_is_not_utf_8_is_refused_and_a_byte_order_mark_is_not(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"\xb5s")
    (tmp_path / "mark.txt").write_bytes(b"\xef\xbb\xbfa")

    with pytest.raises(InputError, match=r"latin\.txt is not a text in UTF-8"):
        read_text(tmp_path / "latin.txt")
    assert read_text(tmp_path / "mark.txt") == "a"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Herz 4 äöü", "Herz 4 äöü"),
        ("../x", "x"),
        ("/abs/x", "abs-x"),
        ("C:\\x:y?*", "C--x-y--"),
        ("..", "result"),
        ("", "result"),
        ("new\nline \udcff. ", "new-line -"),
    ],
)
def test_file_name_made_from_a_text_leads_to_no_other_folder(text, name):
    assert file_name(text, "result") == name


@pytest.mark.parametrize("character", ["x", "心", "𠀀"])
def test_file_name_made_from_a_long_text_can_be_stored_with_an_ending(character):
    check_path(Path(file_name(300 * character, "result") + " DICOM SEG"))
