"""Events: each survives being written as a line and read again, and a damaged line is an error of ours."""

import pytest
from CLSTMSegmentLib.core.errors import InputError, StorageError
from CLSTMSegmentLib.core.progress import Progress, TeachingProgress
from CLSTMSegmentLib.engine.run_report import RunReport
from CLSTMSegmentLib.worker.events import (
    Done,
    Failed,
    FrameDone,
    Note,
    Started,
    event_from_line,
    event_to_line,
)

REPORT = RunReport("cpu", "float32", (8, 32, 32), 3, {"read": 0.5, "network": 2.0}, ["frame 1: 3 voxels"])
EVENTS = [
    Started("cuda:0"),
    Note("begins with the weights of « Cœur »"),
    Progress(1, 20, 2, 3, None),
    Progress(2, 20, 1, 3, 12.5),
    TeachingProgress(1, 5, 20, 400, 0.71, None, None),
    TeachingProgress(5, 5, 400, 400, 0.12, 0, 0.934),
    FrameDone(3, "37.5"),
    FrameDone(4, "心臓", ("brightness", "noise")),
    Done(report=REPORT),
    Done(model_folder="/home/käthe/Models/Hook"),
    Failed("the disk is full", "Traceback (most recent call last):\n  ..."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_survives_writing_and_reading(event):
    line = event_to_line(event)

    read = event_from_line(line.encode("utf-8"))

    assert "\n" not in line
    assert read == event


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"Done"',
        b"{}",
        b'{"event": 3}',
        b'{"event": "Unknown"}',
        b'{"event": ["Done"]}',
        b'{"event": "Started"}',
        b'{"event": "Started", "device": "cpu", "more": 1}',
        b'{"event": "FrameDone", "number": 1, "index_value": "1", "out_of_distribution": 5}',
        b'{"event": "Done", "report": "good"}',
        b"[" * 100_000,
    ],
)
def test_damaged_line_is_an_input_error(line):
    with pytest.raises(InputError, match="damaged"):
        event_from_line(line)


@pytest.mark.parametrize("error", [InputError("no frames"), StorageError("disk full"), OSError("no folder")])
def test_expected_error_becomes_a_failure_without_lines_of_code(error):
    assert Failed.from_error(error) == Failed(str(error))


def test_memory_error_without_a_text_is_named():
    assert Failed.from_error(MemoryError()).message == "MemoryError"


def test_unexpected_error_becomes_a_failure_with_lines_of_code():
    try:
        [].pop()
    except IndexError as error:
        failure = Failed.from_error(error)

    assert failure.message == "IndexError: pop from empty list"
    assert "Traceback" in failure.details
