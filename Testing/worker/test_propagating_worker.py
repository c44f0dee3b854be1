"""A propagation in a real worker process: the same as in this process, and its failures are reported."""

import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.progress import Progress
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.propagation.propagator import Propagator
from CLSTMSegmentLib.worker.events import Done, Failed, FrameDone, Started
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.process_ids import kill
from CLSTMSegmentLib.worker.worker_process import CYCLIC, PACKAGE_FOLDER, PROPAGATE, WorkerProcess

from worker.waiting import events_of, events_until

DAMAGED = 3


@pytest.fixture(scope="module")
def beat():
    """Six frames of a beating heart, one of which shows nothing but noise, and their true labels."""
    frames, labels = heart_sequence(5, frames=6, shape=(8, 48, 48), spacing=(8.0, 4.0, 4.0))
    noise = np.random.default_rng(0).uniform(0, 400, (8, 48, 48)).astype(np.float32)
    image = sitk.GetImageFromArray(noise)
    image.CopyInformation(frames[DAMAGED].image)
    frames[DAMAGED] = type(frames[DAMAGED])(image, frames[DAMAGED].index_value)
    return frames, labels


@pytest.fixture
def startPropagation(beat, python, tmp_path):
    """Start a propagation of frame 0, and end it after the test; returns its folder and its worker."""
    started = []

    def begin(arrived=range(6), images=None, arguments=(CYCLIC,)):
        folder = JobFolder.make(None, [frame.index_value for frame in beat[0]], tmp_path)
        folder.write_annotation(0, beat[1][0])
        for number in arrived:
            folder.write_frame(number, beat[0][number].image if images is None else images[number])
        worker = WorkerProcess(PROPAGATE, folder, arguments, python)
        started.append((folder, worker))
        worker.start()
        return folder, worker

    yield begin
    for folder, worker in started:
        worker.end()
        folder.remove()
    assert not list(tmp_path.glob("CLSTMSegment-*"))


@pytest.mark.parametrize("arguments", [(CYCLIC,), ()], ids=["cyclic", "not cyclic"])
def test_frames_and_flags_equal_those_of_a_propagation_in_this_process(arguments, startPropagation, beat):
    folder, worker = startPropagation(arguments=arguments)
    expected = list(Propagator(beat[0], {0: beat[1][0]}, cyclic=bool(arguments)).run())

    events = events_until(worker, Done, Failed)

    assert events[0] == Started("cpu")
    assert events[-1] == Done()
    found = events_of(FrameDone, events)
    assert [event.number for event in found if event.flags] == [DAMAGED]
    assert [[flag.frame for flag in event.flags] for event in found] == [
        [flag.frame for flag in one.flags()] for one in expected
    ]
    for event, one in zip(found, expected, strict=True):
        labels = folder.read_result(event).labels
        np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(one.result.labels))
    assert events_of(Progress, events)[-1].frame == 6


def test_frame_of_another_geometry_is_named_before_any_frame_is_done(startPropagation, beat):
    images = [frame.image for frame in beat[0]]
    images[4] = images[4][:-1, :, :]

    _folder, worker = startPropagation(images=images)
    events = events_until(worker, Done, Failed)

    assert "frame 4 differs in geometry from the annotated frame 0" in events[-1].message
    assert not events_of(FrameDone, events)


def test_killed_propagation_is_a_failure_that_says_so(startPropagation):
    folder, worker = startPropagation(arrived=range(3))  # it waits for the others
    while folder.process_id() is None:
        pass

    kill(folder.process_id())
    events = events_until(worker, Done, Failed)

    assert "the worker was killed" in events[-1].message


def test_propagation_needs_no_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None; "
        "import CLSTMSegmentLib.worker.propagate_in_folder, CLSTMSegmentLib.propagation.propagator"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}

    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
