"""The folder of a worker: what is written to it is read again, and the control file pauses and stops."""

import io
import json
import shutil
import threading

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.errors import InputError, StorageError
from CLSTMSegmentLib.core.sequence import SegmentedFrame
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.worker.events import Failed, FrameDone, Note, Started
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.segment_in_folder import segment_in_folder
from CLSTMSegmentLib.worker.work_folder import PAUSE, RUN, STOP, WorkFolder
from CLSTMSegmentLib.worker.worker_process import SEGMENT, WorkerProcess

from worker.waiting import events_until


@pytest.fixture
def folder(tmp_path):
    """The folder of a run on two frames."""
    made = JobFolder.make(RunSettings("model"), ["0", "12.50"], tmp_path)
    yield made
    made.remove()


def test_settings_and_index_values_are_read_as_they_were_written(tmp_path):
    settings = RunSettings(
        "model",
        frames="1",
        region=Region((1.0, 2.0, 3.0), (30.0, 30.0, 30.0)),
        tile=(8, 32, 32),
        ram_gb=1.5,
        state_rule="window:2",
        warm_up_frames=2,
    )

    made = JobFolder.make(settings, ["0", "12.50", "25"], tmp_path)

    assert JobFolder(made.path).settings() == settings
    assert JobFolder(made.path).index_values() == ["0", "12.50", "25"]


def test_input_frame_is_read_exactly_as_it_was_written(folder):
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetOrigin((1 / 3, -2e-7, 12345.678))
    image.SetSpacing((0.1, 0.7, 8.0))
    assert not folder.has_frame(1)

    folder.write_frame(1, image)
    read = folder.read_frame(1)

    assert folder.has_frame(1)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    assert (read.GetOrigin(), read.GetSpacing(), read.GetDirection()) == (
        image.GetOrigin(),
        image.GetSpacing(),
        image.GetDirection(),
    )


def test_finished_frame_is_reported_and_read_as_it_was_written(folder):
    labels = sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8))
    frame = SegmentedFrame(1, "12.50", labels, ("noise",))

    folder.write_result(frame)
    (event,) = folder.new_events()
    read = folder.read_result(event)

    assert event == FrameDone(1, "12.50", ("noise",))
    assert (read.number, read.index_value, read.out_of_distribution) == (1, "12.50", ("noise",))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.labels), sitk.GetArrayFromImage(labels))


def test_frame_that_cannot_be_written_is_a_storage_error_that_names_it(folder):
    image = sitk.Image(4, 3, 2, sitk.sitkUInt8)
    shutil.rmtree(folder.path)

    with pytest.raises(StorageError, match="frame 1 cannot be written"):
        folder.write_frame(1, image)
    with pytest.raises(StorageError, match=r"frame 1 \(12\.50\) is done but cannot be written"):
        folder.write_result(SegmentedFrame(1, "12.50", image))


def test_result_that_is_damaged_is_an_input_error(folder):
    folder.write_result(SegmentedFrame(0, "0", sitk.Image(4, 3, 2, sitk.sitkUInt8)))
    (event,) = folder.new_events()
    for path in (folder.path / "results").iterdir():
        path.write_bytes(b"NRRD0004\n")

    with pytest.raises(InputError):
        folder.read_result(event)


def test_each_event_is_returned_once(folder):
    folder.append(Started("cpu"))
    folder.append(Note("one"))
    first = folder.new_events()
    folder.append(Note("two"))

    second = folder.new_events()

    assert first == [Started("cpu"), Note("one")]
    assert second == [Note("two")]
    assert folder.new_events() == []


def test_incomplete_line_is_left_until_it_is_complete(tmp_path):
    folder = WorkFolder(tmp_path)
    assert folder.new_events() == []
    with (tmp_path / "events.jsonl").open("wb") as file:
        file.write(b'{"event": "Started", "device": "cpu"}\n{"event": "No')
        file.flush()

        first = folder.new_events()
        file.write(b'te", "text": "one"}\n')
        file.flush()
        second = folder.new_events()

    assert first == [Started("cpu")]
    assert second == [Note("one")]


@pytest.mark.parametrize(("command", "stops"), [(None, False), (RUN, False), (STOP, True)])
def test_control_file_says_whether_to_stop(command, stops, tmp_path):
    folder = WorkFolder(tmp_path)
    if command is not None:
        folder.control(command)

    assert folder.should_stop() == stops


@pytest.mark.parametrize(("command", "stops"), [(RUN, False), (STOP, True)])
def test_worker_waits_while_the_control_file_says_pause(command, stops, tmp_path):
    folder, answers = WorkFolder(tmp_path), []
    folder.control(PAUSE)
    worker = threading.Thread(target=lambda: answers.append(folder.should_stop()))
    worker.start()
    worker.join(0.5)
    assert worker.is_alive()

    folder.control(command)
    worker.join(10)

    assert answers == [stops]


def test_worker_that_starts_again_in_a_folder_begins_without_the_events_and_the_command_of_before(tmp_path, phantom):
    folder = JobFolder.make(RunSettings("no such model"), ["0"], tmp_path)
    folder.append(Failed("the disk is full"))
    folder.control(STOP)
    worker = WorkerProcess(SEGMENT, folder)

    worker.start()
    (failure,) = events_until(worker, Failed)
    worker.end()

    assert "no model 'no such model'" in failure.message
    assert not folder.should_stop()


def test_files_that_are_in_use_for_a_moment_are_read_and_written_after_it(folder, monkeypatch):
    """As on Windows, where one process cannot open a file that another one replaces at this moment."""
    refused, openFile = set(), io.open

    def refuseOnce(path, *arguments, **keywords):
        if path.parent == folder.path and path.name not in refused:
            refused.add(path.name)
            raise PermissionError(13, "Access is denied", str(path))
        return openFile(path, *arguments, **keywords)

    monkeypatch.setattr(io, "open", refuseOnce)
    folder.append(Note("one"))
    folder.control(STOP)
    assert refused == {"events.jsonl"}
    refused.clear()

    events, stops = folder.new_events(), folder.should_stop()

    assert events == [Note("one")]
    assert stops
    assert refused == {"events.jsonl", "control"}


def test_worker_refuses_a_model_that_is_not_the_one_of_its_run(bundle, tmp_path):
    model = shutil.copytree(bundle, tmp_path / "model")
    folder = JobFolder.make(RunSettings(str(model), device="cpu"), ["0"], tmp_path, load_model(model))
    description = json.loads((model / "model.json").read_text(encoding="utf-8"))
    description["segments"].reverse()
    (model / "model.json").write_text(json.dumps(description), encoding="utf-8")

    with pytest.raises(InputError, match="was replaced by another one under its name: choose it again"):
        segment_in_folder(folder)

    folder.remove()
