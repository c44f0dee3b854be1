"""The files of the results of a run: all are put in their places at its end, or what was there stays."""

import errno
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from CLSTMSegmentLib.core.errors import Cancelled, InputError, StorageError
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.io.sequence_nrrd import SequenceNrrdWriter
from CLSTMSegmentLib.network.inference import InferenceNetwork
from CLSTMSegmentLib.pipeline.result_files import Outputs
from CLSTMSegmentLib.pipeline.segment_to_files import segment_to_files


@pytest.fixture
def three_outputs(tmp_path):
    return Outputs(tmp_path / "labels.seq.nrrd", volumes=tmp_path / "volumes.csv", report=tmp_path / "report.json")


def test_result_that_cannot_be_put_in_its_place_at_the_end_is_named_with_those_that_are(
    cine, settings, three_outputs, tmp_path, monkeypatch
):
    path_replace = Path.replace

    def in_use(path, target):
        if target.name == "report.json":
            raise OSError(errno.EBUSY, "in use", str(path), None, str(target))
        return path_replace(path, target)

    monkeypatch.setattr(Path, "replace", in_use)

    with pytest.raises(
        StorageError, match=r"report\.json cannot be put in its place .*labels\.seq\.nrrd, .*volumes\.csv"
    ):
        segment_to_files(replace(settings, frames="0"), cine, three_outputs)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.seq.nrrd", "volumes.csv"]


@pytest.mark.parametrize("name", ["labels.seq.nrrd", "report.json"])
def test_file_that_somebody_writes_in_the_place_of_a_result_during_the_run_stays(
    name, cine, settings, three_outputs, tmp_path
):
    def write(_: SegmentedFrame) -> None:
        (tmp_path / name).write_text("drawn by hand", encoding="utf-8")

    with pytest.raises(InputError, match=f"{name} was made or changed by somebody else during the run"):
        segment_to_files(replace(settings, frames="0"), cine, three_outputs, on_frame=write)

    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {name: "drawn by hand"}


def test_signal_to_stop_waits_until_all_results_are_in_place(cine, settings, three_outputs, tmp_path, monkeypatch):
    path_replace, places = Path.replace, []

    def interrupted(path, target):
        places.append(target.name)
        signal.raise_signal(signal.SIGINT)
        return path_replace(path, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may let it be ignored

    try:
        with pytest.raises(KeyboardInterrupt):
            segment_to_files(replace(settings, frames="0"), cine, three_outputs)
    finally:
        signal.signal(signal.SIGINT, before)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(places)
    assert len(places) == 3


def test_report_is_put_in_place_last_so_that_where_it_is_the_rest_is_too(cine, settings, tmp_path, monkeypatch):
    appeared, path_replace = [], Path.replace

    def recorded(path, target):
        appeared.append(target.name)
        return path_replace(path, target)

    monkeypatch.setattr(Path, "replace", recorded)
    outputs = Outputs(tmp_path / "out.seq.nrrd", volumes=tmp_path / "out.csv", report=tmp_path / "out.json")

    segment_to_files(replace(settings, frames="0"), cine, outputs)

    assert appeared == ["out.seq.nrrd", "out.csv", "out.json"]


@pytest.fixture
def earlier(tmp_path):
    """A result of an earlier run."""
    path = tmp_path / "out.seq.nrrd"
    path.write_bytes(b"an earlier result")
    return path


def test_cancelled_run_leaves_the_earlier_output(cine, settings, earlier):
    frames = []

    with pytest.raises(Cancelled):
        segment_to_files(settings, cine, Outputs(earlier), cancelled=lambda: len(frames) == 2, on_frame=frames.append)

    assert len(frames) == 2
    assert earlier.read_bytes() == b"an earlier result"
    assert list(earlier.parent.iterdir()) == [earlier]


@pytest.mark.parametrize("stage", ["add", "close"])
def test_full_disk_is_a_storage_error_that_names_the_file(stage, cine, settings, earlier, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SequenceNrrdWriter, stage, full)

    with pytest.raises(StorageError, match=r"out\.seq\.nrrd cannot be written \(No space left on device\)"):
        segment_to_files(settings, cine, Outputs(earlier))

    assert earlier.read_bytes() == b"an earlier result"
    assert list(earlier.parent.iterdir()) == [earlier]


def test_run_out_of_memory_leaves_the_earlier_output(cine, settings, earlier, monkeypatch):
    def out_of_memory(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(InferenceNetwork, "step", out_of_memory)

    with pytest.raises(MemoryError, match="out of memory"):
        segment_to_files(settings, cine, Outputs(earlier))

    assert earlier.read_bytes() == b"an earlier result"
    assert list(earlier.parent.iterdir()) == [earlier]


@pytest.mark.parametrize("name", ["volumes", "preview", "report", "dicom_seg"])
def test_place_that_cannot_be_written_is_refused_before_any_frame_is_read(name, cine, settings, tmp_path):
    frames = []
    outputs = Outputs(tmp_path / "out.seq.nrrd", **{name: tmp_path / "missing" / "out"})

    with pytest.raises(InputError, match="cannot be written"):
        segment_to_files(settings, cine, outputs, on_frame=frames.append)

    assert not frames
    assert not list(tmp_path.iterdir())
