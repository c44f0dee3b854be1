"""Temporary folders of killed processes are removed by the next process; everything else stays."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from CLSTMSegmentLib.core.own_folder import MARKER, OwnFolder
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER

MAKER = """
import sys, time
from pathlib import Path
from CLSTMSegmentLib.core.own_folder import OwnFolder

folder = OwnFolder("ours-", Path(sys.argv[1]))
(folder.path / "part").write_text("of an output", encoding="utf-8")
print(folder.path.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def maker(tmp_path):
    """A process that has made a folder, and the folder."""
    command = [sys.executable, "-c", MAKER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process, tmp_path / process.stdout.readline().strip()
        process.kill()


@pytest.fixture
def orphan(maker):
    """The folder of a process that was killed."""
    process, folder = maker
    process.kill()
    process.wait()
    return folder


def test_folder_of_a_killed_process_is_removed_when_the_next_one_is_made(orphan, tmp_path):
    with OwnFolder("ours-", tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_folder_of_a_killed_process_is_removed_though_a_child_of_it_lives(tmp_path):
    forking = MAKER.replace("print(", "import os\nif os.fork() == 0:\n    time.sleep(8)\n    os._exit(0)\nprint(")
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-c", forking, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        name = process.stdout.readline().strip()
        process.kill()
        process.wait()

        OwnFolder("ours-", tmp_path).remove()

        assert not (tmp_path / name).exists()
        process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows renames no folder with an open file in it")
def test_process_that_is_killed_before_it_has_marked_its_folder_leaves_none_of_this_name(tmp_path):
    waiting = (
        "from CLSTMSegmentLib.core import own_folder\nown_folder._lock = lambda _: print(flush=True) or time.sleep(600)"
    )
    slow = MAKER.replace("\nfolder =", f"\n{waiting}\nfolder =")
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-c", slow, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        process.stdout.readline()

        process.kill()

    assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.glob("ours-*")) == []


def test_folder_of_a_running_process_stays(maker, tmp_path):
    with OwnFolder("ours-", tmp_path), OwnFolder("ours-", tmp_path):
        assert len(list(tmp_path.iterdir())) == 3

    assert (maker[1] / "part").exists()


def test_folder_with_another_prefix_stays(orphan, tmp_path):
    OwnFolder("others-", tmp_path).remove()

    assert orphan.exists()


def test_folder_of_the_user_with_a_similar_name_stays(tmp_path):
    names = ("ours-2025-thesis", f"ours-{2**22 - 1}-data", "ours-")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "chapter").write_text("one", encoding="utf-8")

    OwnFolder("ours-", tmp_path).remove()

    assert all((tmp_path / name / "chapter").exists() for name in names)


@pytest.mark.parametrize("what", ["host", "processes", "lock"])
def test_folder_of_another_computer_or_container_stays(what, orphan, tmp_path):
    marker = json.loads((orphan / MARKER).read_text(encoding="utf-8"))
    (orphan / MARKER).write_text(json.dumps(marker | {what: "another"}), encoding="utf-8")

    OwnFolder("ours-", tmp_path).remove()

    assert (orphan / "part").exists()


def test_copy_of_such_a_folder_stays(orphan, tmp_path):
    copy = shutil.copytree(orphan, tmp_path / "ours-copy")

    OwnFolder("ours-", tmp_path).remove()

    assert (copy / "part").exists()
    assert not orphan.exists()


def test_link_to_such_a_folder_is_not_followed(orphan, tmp_path):
    target = orphan.rename(tmp_path / "elsewhere")
    orphan.symlink_to(target, target_is_directory=True)

    OwnFolder("ours-", tmp_path).remove()

    assert (target / "part").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_marker_that_is_a_pipe_does_not_stop_the_next_process(tmp_path):
    (tmp_path / "ours-pipe").mkdir()
    os.mkfifo(tmp_path / "ours-pipe" / MARKER)

    OwnFolder("ours-", tmp_path).remove()

    assert (tmp_path / "ours-pipe" / MARKER).is_fifo()
