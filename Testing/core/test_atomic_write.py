"""Files and folders are replaced as a whole, or stay as they were."""

import errno
import os
import sys
from pathlib import Path

import pytest
from CLSTMSegmentLib.core import atomic_write
from CLSTMSegmentLib.core.atomic_write import replacing, write_bytes, write_text
from CLSTMSegmentLib.core.errors import InputError


def test_file_is_replaced_once_all_of_it_is_written(tmp_path):
    path = tmp_path / "volumes.csv"
    write_text(path, "before")

    write_text(path, "größer")

    assert path.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [path]


def test_file_stays_as_it_was_when_writing_fails(tmp_path):
    path = tmp_path / "volumes.csv"
    write_bytes(path, b"before")

    with pytest.raises(OSError, match="disk full"), replacing(path) as partial:
        partial.write_bytes(b"half")
        raise OSError("disk full")

    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_appears_once_all_of_it_is_written(tmp_path):
    with replacing(tmp_path / "model") as partial:
        partial.mkdir()
        (partial / "model.json").write_text("{}", encoding="utf-8")
        assert not (tmp_path / "model").exists()

    assert (tmp_path / "model" / "model.json").is_file()


def test_folder_is_never_replaced(tmp_path):
    (tmp_path / "model").mkdir()

    with pytest.raises(InputError, match="model is a folder that exists already"), replacing(tmp_path / "model"):
        pytest.fail("the block must not run")


def test_place_that_does_not_exist_is_named_before_anything_is_written(tmp_path):
    path = tmp_path / "nowhere" / "volumes.csv"

    with pytest.raises(InputError, match=r"volumes\.csv cannot be written"), replacing(path):
        pytest.fail("the block must not run")


@pytest.fixture
def fileInUse(monkeypatch):
    """Let the system refuse to replace files, as Windows does while another process reads them, a number of times."""
    replace = Path.replace

    def begin(times):
        left = [times]

        def refuse(path, target):
            left[0] -= 1
            if left[0] >= 0:
                raise PermissionError(13, "Access is denied", str(target))
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", refuse)

    return begin


def test_file_that_is_in_use_for_a_moment_is_replaced_after_it(tmp_path, fileInUse):
    path = tmp_path / "control"
    write_text(path, "run")
    fileInUse(3)

    write_text(path, "stop")

    assert path.read_text(encoding="utf-8") == "stop"


def test_file_that_stays_in_use_is_an_error_and_stays_as_it_was(tmp_path, fileInUse, monkeypatch):
    monkeypatch.setattr(atomic_write, "PATIENCE_S", 0.05)
    path = tmp_path / "control"
    write_text(path, "run")
    fileInUse(10**6)

    with pytest.raises(PermissionError, match="Access is denied"):
        write_text(path, "stop")

    assert path.read_text(encoding="utf-8") == "run"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="files of Windows have no such permissions")
def test_file_hands_on_its_permissions_when_it_is_replaced(tmp_path):
    path = tmp_path / "secret.csv"
    path.write_text("before", encoding="utf-8")
    path.chmod(0o600)

    write_text(path, "after")

    assert path.read_text(encoding="utf-8") == "after"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="to make a link needs a right on Windows")
def test_link_leads_to_the_new_file(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "labels.nrrd").write_text("before", encoding="utf-8")
    (tmp_path / "link.nrrd").symlink_to(Path("store") / "labels.nrrd")

    write_text(tmp_path / "link.nrrd", "after")

    assert (tmp_path / "link.nrrd").is_symlink()
    assert (tmp_path / "store" / "labels.nrrd").read_text(encoding="utf-8") == "after"
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["labels.nrrd"]


@pytest.mark.skipif(sys.platform == "win32", reason="to make a link needs a right on Windows")
def test_link_that_leads_to_nothing_is_refused(tmp_path):
    (tmp_path / "link.nrrd").symlink_to(tmp_path / "elsewhere.nrrd")

    with pytest.raises(InputError, match=r"link\.nrrd is a link that leads to nothing"):
        write_text(tmp_path / "link.nrrd", "labels")

    assert not (tmp_path / "elsewhere.nrrd").exists()


def test_write_protected_file_is_not_replaced(tmp_path):
    path = tmp_path / "final.csv"
    path.write_text("signed", encoding="utf-8")
    path.chmod(0o444)

    with pytest.raises(InputError, match=r"final\.csv is write-protected"):
        write_text(path, "another")

    assert path.read_text(encoding="utf-8") == "signed"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the attributes of a file")
def test_file_is_replaced_on_a_file_system_without_access_control_lists(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(os, "listxattr", unsupported)
    path = tmp_path / "volumes.csv"
    write_text(path, "before")

    write_text(path, "after")

    assert path.read_text(encoding="utf-8") == "after"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files to any group")
@pytest.mark.parametrize("may_give", [True, False])
def test_group_of_a_file_keeps_its_rights_and_another_group_gets_none(may_give, tmp_path, monkeypatch):
    path = tmp_path / "study.csv"
    path.write_text("before", encoding="utf-8")
    os.chown(path, -1, 4242)
    path.chmod(0o660)
    if not may_give:
        monkeypatch.setattr(os, "chown", refuse)

    write_text(path, "after")

    found = path.stat()
    assert (found.st_gid == 4242, found.st_mode & 0o777) == ((True, 0o660) if may_give else (False, 0o600))


def refuse(*_):
    raise PermissionError
