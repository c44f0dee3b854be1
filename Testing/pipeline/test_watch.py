"""Volume files that are segmented while another program writes them into a folder."""

import csv
import errno
import os
import shutil
import signal
import sys
import tempfile
import threading
import time

import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError, RunFailed
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.engine.stream import SegmentationStream
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.pipeline.watch_to_files import WatchSettings, watch_folder
from CLSTMSegmentLib.pipeline.watched_folder import WatchedFolder

from pipeline.cohort_processes import started, wait_until

HEADER = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 32 32 6\nencoding: raw\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "scanner"
    made.mkdir()
    return made


def watched(bundle, folder, out, **watch):
    """Watch until nothing comes for a second; return the curve and the notes."""
    notes = []
    settings = WatchSettings(folder, out, **({"quiet_s": 1.0} | watch))
    curve = watch_folder(RunSettings(str(bundle), device="cpu"), settings, lambda *_: None, notes.append)
    return curve, notes


def names_of(curve):
    return [frame.index_value for frame in curve.frames]


def write(frame, path):
    sitk.WriteImage(frame.image, str(path))


def written_slowly(frame, path, seconds=1.0, parts=10):
    """Write a file in parts, in a thread; return the thread."""
    write(frame, path.with_name(f".whole-{path.name}"))
    content = path.with_name(f".whole-{path.name}").read_bytes()

    def work():
        with path.open("wb") as file:
            for n in range(parts):
                file.write(content[n * len(content) // parts : (n + 1) * len(content) // parts])
                file.flush()
                time.sleep(seconds / parts)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_labels_are_those_of_a_stream_and_volumes_are_written_at_the_end(bundle, phantom, folder, tmp_path):
    frames, out = phantom[0], tmp_path / "labels"
    for number, frame in enumerate(frames):
        write(frame, folder / f"volume {number * 3}.nrrd")
    stream = Segmenter(load_model(str(bundle)), RunSettings(device="cpu")).open_stream()

    curve, notes = watched(bundle, folder, out)

    assert names_of(curve) == [f"volume {number * 3}.nrrd" for number in range(len(frames))]
    for number, frame in enumerate(frames):
        labels = sitk.ReadImage(str(out / f"volume {number * 3}-labels.nrrd"))
        assert sitk.Hash(labels) == sitk.Hash(stream.push(frame.image).labels)
    with (out / "volumes.csv").open(encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == names_of(curve)
    assert notes == []


@pytest.mark.parametrize("suffix", ["nrrd", "nii", "mha"])
def test_file_is_taken_when_all_of_it_is_there(suffix, bundle, phantom, folder, tmp_path):
    write(phantom[0][0], folder / f"0.{suffix}")
    writing = written_slowly(phantom[0][1], folder / f"1.{suffix}")
    write(phantom[0][2], folder / f"2.{suffix}")

    curve, notes = watched(bundle, folder, tmp_path / "labels", patience_s=5.0, quiet_s=3.0)
    writing.join()

    assert names_of(curve) == [f"{n}.{suffix}" for n in range(3)]
    assert notes == []


def test_files_are_taken_in_the_order_of_their_times_where_asked_for(bundle, phantom, folder, tmp_path):
    for number in (2, 0, 1):
        write(phantom[0][number], folder / f"{number}.nrrd")
        time.sleep(0.02)

    curve, _ = watched(bundle, folder, tmp_path / "labels", order="time")

    assert names_of(curve) == ["2.nrrd", "0.nrrd", "1.nrrd"]


def test_late_file_is_segmented_and_said(bundle, phantom, folder, tmp_path):
    write(phantom[0][2], folder / "2.nrrd")
    later = threading.Timer(1.0, write, (phantom[0][1], folder / "1.nrrd"))
    later.start()

    curve, notes = watched(bundle, folder, tmp_path / "labels", quiet_s=3.0)

    assert names_of(curve) == ["2.nrrd", "1.nrrd"]
    assert any("1.nrrd came late" in note for note in notes)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("t0.5.nrrd", "t0.25.nrrd"), "t0.5.nrrd and t0.25.nrrd is not clear, as they may have decimals"),
        (("t-10.nrrd", "t-20.nrrd", "t-30.nrrd"), "as in t-10.nrrd, is not taken for a minus"),
    ],
)
def test_names_whose_order_is_not_clear_are_said(names, said, bundle, phantom, folder, tmp_path):
    for n, name in enumerate(names):
        write(phantom[0][n], folder / name)

    _, notes = watched(bundle, folder, tmp_path / "out")

    assert [said in note for note in notes].count(True) == 1, notes


def test_damaged_and_foreign_files_are_left_out_and_said(bundle, phantom, folder, tmp_path):
    write(phantom[0][0], folder / "0.nrrd")
    whole = (folder / "0.nrrd").read_bytes()
    (folder / "1.nrrd").write_bytes(whole[: len(whole) // 2])
    sitk.WriteImage(sitk.Image([8, 8, 8], sitk.sitkVectorUInt8, 3), str(folder / "2.nrrd"))
    write(phantom[0][3], folder / "3.nrrd")
    (folder / "notes.txt").write_text("no image", encoding="utf-8")

    curve, notes = watched(bundle, folder, tmp_path / "labels", patience_s=0.5, quiet_s=2.0)

    assert names_of(curve) == ["0.nrrd", "3.nrrd"]
    assert any("1.nrrd" in note and "left out" in note for note in notes)
    assert any("2.nrrd" in note and "colour" in note for note in notes)


def test_damaged_file_that_is_written_again_is_taken(phantom, folder):
    notes = []
    files = WatchedFolder(folder, "name", 0.2, notes.append)
    (folder / "1.nrrd").write_bytes(b"NRRD0004\n")
    wait_until(lambda: files.look() or notes, folder / "1.nrrd")

    write(phantom[0][0], folder / "1.nrrd")
    path, image = wait_until(files.look, folder / "1.nrrd")

    assert path.name == "1.nrrd"
    assert image.GetSize() == phantom[0][0].image.GetSize()


def test_file_that_changes_after_it_was_segmented_is_said(phantom, folder):
    notes = []
    files = WatchedFolder(folder, "name", 0.2, notes.append)
    write(phantom[0][0], folder / "latest.nrrd")
    wait_until(files.look, folder / "latest.nrrd")

    for frame in phantom[0][1:3]:
        write(frame, folder.parent / "new.nrrd")
        (folder.parent / "new.nrrd").replace(folder / "latest.nrrd")
        assert files.look() is None

    assert [note for note in notes if "latest.nrrd has changed after it was segmented" in note] == notes
    assert len(notes) == 2


def test_what_is_odd_about_a_file_is_said_as_in_a_run(bundle, phantom, folder, tmp_path):
    voxels = sitk.GetArrayFromImage(phantom[0][0].image).astype("<i2")
    header = "NRRD0005\ntype: short\ndimension: 3\nsizes: 64 64 8\nendian: little\nencoding: raw\n"
    for name, more in (("0.nrrd", ""), ("1.nrrd", 'spacings: 0.3 0.3 0.8\nunits: "cm" "cm" "cm"\n')):
        (folder / name).write_bytes(f"{header}{more}\n".encode() + voxels.tobytes())
    sitk.WriteImage(sitk.JoinSeries([frame.image for frame in phantom[0][:2]]), str(folder / "2.nii"))

    curve, notes = watched(bundle, folder, tmp_path / "labels", patience_s=0.3, quiet_s=2.0)

    assert names_of(curve) == ["0.nrrd"]
    for words in ("0.nrrd: its header gives voxels no size", "lengths in cm", "2.nii has 2 frames"):
        assert any(words in note for note in notes)


def test_file_without_its_voxels_is_said(phantom, folder):
    notes = []
    files = WatchedFolder(folder, "name", 0.2, notes.append)
    sitk.WriteImage(phantom[0][0].image, str(folder / "a.mhd"))
    (folder / "a.raw").unlink()
    files.look()
    time.sleep(0.3)

    assert files.look() is None

    (note,) = notes
    assert "a.mhd waits for its voxels" in note


def test_file_whose_voxels_did_not_come_until_the_end_is_said(bundle, phantom, folder, tmp_path):
    write(phantom[0][0], folder / "1.mhd")
    write(phantom[0][1], folder / "2.mhd")
    (folder / "2.raw").unlink()

    curve, notes = watched(bundle, folder, tmp_path / "labels", patience_s=60.0, quiet_s=0.7)

    assert names_of(curve) == ["1.mhd"]
    (note,) = notes
    assert "2.mhd waits for its voxels" in note
    assert "the file is left out" in note


def test_file_that_is_segmented_when_the_watch_is_stopped_is_said(bundle, phantom, folder, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(SegmentationStream, "push", stopped)
    write(phantom[0][0], folder / "1.nrrd")

    curve, notes = watched(bundle, folder, tmp_path / "labels")

    assert names_of(curve) == []
    assert any("1.nrrd is left out" in note and "stopped" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("0.nhdr", HEADER + b"data file: a\0b.raw\n", "a character NUL"),
        ("0.nhdr", HEADER + b"data file: s%d%d.raw\n", "not three whole numbers"),
        ("0.nrrd", HEADER.replace(b"32 32 6", b"32 nan 6") + b"\n", "0.nrrd"),
        ("a" * 245 + ".nrrd", None, "257 bytes, more than any disk can store"),
    ],
)
def test_bad_file_does_not_end_the_watch(name, content, said, bundle, phantom, folder, tmp_path):
    write(phantom[0][0], folder / "b.nrrd")
    (folder / name).write_bytes((folder / "b.nrrd").read_bytes() if content is None else content)

    curve, notes = watched(bundle, folder, tmp_path / "labels", patience_s=0.2, quiet_s=0.7)

    assert names_of(curve) == ["b.nrrd"]
    (note,) = notes
    assert said in note
    assert "left out" in note


@pytest.mark.parametrize("error", [ValueError("what no reader foresaw"), MemoryError()])
def test_file_that_a_reader_fails_on_in_any_way_is_left_out(error, folder, phantom, monkeypatch):
    def fails(*_):
        raise error

    notes = []
    files = WatchedFolder(folder, "name", 0.1, notes.append)
    write(phantom[0][0], folder / "0.nrrd")
    monkeypatch.setattr("CLSTMSegmentLib.pipeline.watched_folder.read_sequence", fails)

    wait_until(lambda: files.look() or notes, folder / "0.nrrd")

    (note,) = notes
    assert "0.nrrd cannot be read" in note


def test_watch_does_not_end_while_a_file_may_become_complete(bundle, phantom, folder, tmp_path):
    (folder / "0.nrrd").write_bytes(b"NRRD0004\n")
    write(phantom[0][1], folder / "1.nrrd")

    curve, notes = watched(bundle, folder, tmp_path / "labels", patience_s=2.0, quiet_s=0.5)

    assert names_of(curve) == ["1.nrrd"]
    (note,) = notes
    assert "0.nrrd" in note
    assert "the file is left out" in note


def test_files_that_wait_when_the_watch_is_stopped_are_said(folder, phantom):
    notes = []
    files = WatchedFolder(folder, "name", 60.0, notes.append)
    (folder / "0.nrrd").write_bytes(b"NRRD0004\n")
    write(phantom[0][1], folder / "1.nrrd")
    time.sleep(0.4)
    files.look()
    time.sleep(0.4)
    files.look()

    files.end()

    assert [note.count("the file is left out") for note in notes] == [1, 1]
    assert all(any(name in note for note in notes) for name in ("0.nrrd", "1.nrrd"))


def test_files_of_one_name_do_not_replace_each_others_labels(bundle, phantom, folder, tmp_path):
    write(phantom[0][0], folder / "1.mha")
    write(phantom[0][1], folder / "1.nrrd")

    curve, notes = watched(bundle, folder, tmp_path / "labels")

    assert names_of(curve) == ["1.mha"]
    assert any("1.nrrd is left out" in note for note in notes)


@pytest.mark.skipif(sys.platform == "win32", reason="a folder of Windows has no pipes")
def test_pipe_and_link_to_a_device_are_left_out_and_said(bundle, phantom, folder, tmp_path):
    os.mkfifo(folder / "0.nrrd")
    (folder / "1.nhdr").symlink_to("/dev/zero")
    write(phantom[0][2], folder / "2.nrrd")

    curve, notes = watched(bundle, folder, tmp_path / "labels", patience_s=0.3, quiet_s=2.0)

    assert names_of(curve) == ["2.nrrd"]
    assert all(any(name in note and "device or a pipe" in note for note in notes) for name in ("0.nrrd", "1.nhdr"))


def test_watched_folder_is_no_folder_of_labels(bundle, folder, tmp_path):
    with pytest.raises(InputError, match="is the watched folder"):
        watched(bundle, folder, tmp_path / "scanner" / ".." / "scanner")

    assert list(folder.iterdir()) == []


def test_folder_of_labels_that_cannot_be_written_is_named(bundle, folder, tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "labels").mkdir()
    monkeypatch.setattr(tempfile, "mkdtemp", denied)

    with pytest.raises(InputError, match=r"labels cannot be written \(Permission denied\): choose another place"):
        watched(bundle, folder, tmp_path / "labels")


def test_two_watches_do_not_share_a_folder_of_labels(bundle, folder, tmp_path):
    out = tmp_path / "labels"
    first = threading.Thread(target=watched, args=(bundle, folder, out), kwargs={"quiet_s": 2.0})
    first.start()
    wait_until(lambda: out.exists() and any(out.iterdir()), out)

    with pytest.raises(InputError, match="another watch is at work"):
        watched(bundle, folder, out)
    first.join()

    assert [path.name for path in out.iterdir()] == ["volumes.csv"]


def test_table_that_somebody_wrote_during_the_watch_stays(bundle, phantom, folder, tmp_path):
    out = tmp_path / "labels"
    write(phantom[0][0], folder / "0.nrrd")
    settings = WatchSettings(folder, out, quiet_s=1.0)
    notes = []

    def write_table(*_):
        (out / "volumes.csv").write_text("mine", encoding="utf-8")

    watch_folder(RunSettings(str(bundle), device="cpu"), settings, write_table, notes.append)

    assert (out / "volumes.csv").read_text(encoding="utf-8") == "mine"
    assert "0.nrrd" in (out / "volumes-2.csv").read_text(encoding="utf-8")
    assert any("volumes-2.csv" in note for note in notes)


@pytest.mark.parametrize("removed", ["scanner", "labels"])
def test_folder_that_vanishes_ends_the_watch(removed, bundle, phantom, folder, tmp_path):
    out = tmp_path / "labels"
    for number in range(3):
        write(phantom[0][number], folder / f"{number}.nrrd")
    settings = WatchSettings(folder, out)

    with pytest.raises((RunFailed, InputError), match="cannot be"):
        watch_folder(
            RunSettings(str(bundle), device="cpu"), settings, lambda *_: shutil.rmtree(tmp_path / removed, True), print
        )

    assert out.exists() == (removed == "scanner")
    if out.exists():
        assert "0.nrrd" in (out / "volumes.csv").read_text(encoding="utf-8")


def test_folder_of_labels_must_be_empty(bundle, folder, tmp_path):
    out = tmp_path / "labels"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(InputError, match="not an empty folder"):
        watched(bundle, folder, out)

    assert [path.name for path in out.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--order", "size"), "unknown order"),
        (("--patience", "0"), "more than 0 seconds"),
        (("--stop-after", "nan"), "more than 0 quiet"),
        (("--frames", "0:3"), "all frames"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message, bundle, folder, tmp_path, capsys):
    status = main(["watch", str(folder), "-o", str(tmp_path / "labels"), "--model", str(bundle), *options])

    assert status == 2
    assert message in capsys.readouterr().err


def test_missing_folder_is_refused(bundle, tmp_path, capsys):
    status = main(["watch", str(tmp_path / "none"), "-o", str(tmp_path / "labels"), "--model", str(bundle)])

    assert status == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "labels").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can handle")
def test_stopped_watch_writes_the_volumes(bundle, phantom, folder, tmp_path):
    out, log = tmp_path / "labels", tmp_path / "log"
    write(phantom[0][0], folder / "0.nrrd")
    arguments = ["watch", folder, "-o", out, "--model", bundle, "--device", "cpu"]
    process = started(["CLSTMSegmentLib", *arguments], log)
    wait_until(lambda: (out / "0-labels.nrrd").exists() and "0.nrrd:" in log.read_text(encoding="utf-8"), log)

    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert "0.nrrd" in (out / "volumes.csv").read_text(encoding="utf-8")
    assert "labels of 1 frames" in log.read_text(encoding="utf-8")
