"""A live segmentation in a real worker process: each frame is answered, and the worker goes with its parent."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.core.boxes import bounding_box
from CLSTMSegmentLib.core.errors import StorageError
from CLSTMSegmentLib.core.same_grid import ImageGrid
from CLSTMSegmentLib.engine.region import Region
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.model.bundle import read_bundle
from CLSTMSegmentLib.worker.events import Failed, FrameArrived, FrameRefused, LiveFrameDone, Note, Started
from CLSTMSegmentLib.worker.live_folder import LiveFolder
from CLSTMSegmentLib.worker.worker_process import LIVE, PACKAGE_FOLDER, WorkerProcess

from worker.waiting import events_of, events_until, wait


def hand_over(folder, number, image, voxels=None, region=None):
    """Hand an image to the worker, with other voxels or a region if they are given."""
    voxels = sitk.GetArrayFromImage(image) if voxels is None else voxels
    folder.write_frame(FrameArrived(number, str(number), voxels.dtype.str, ImageGrid.of(image), region), voxels)


def test_frames_are_answered_with_the_labels_of_a_stream_and_a_bad_one_does_not_end_it(
    bundle, phantom, python, tmp_path
):
    folder = LiveFolder.make_own(RunSettings(str(bundle), device="cpu"), tmp_path)
    worker = WorkerProcess(LIVE, folder, python=python)
    stream = Segmenter(read_bundle(bundle), RunSettings(device="cpu")).open_stream()
    try:
        worker.start()
        assert events_until(worker, Started)[-1] == Started("cpu")

        hand_over(folder, 0, phantom[0][0].image, np.zeros(7, np.int16))
        (refused,) = events_of(FrameRefused, events_until(worker, FrameRefused))
        assert refused.number == 0
        assert "frame 0 cannot be read" in refused.message

        smaller = sitk.RegionOfInterest(phantom[0][2].image, (48, 56, 8))
        for number, image in enumerate((phantom[0][0].image, phantom[0][1].image, smaller), start=1):
            hand_over(folder, number, image)
            events = events_until(worker, LiveFrameDone)
            done, expected = events[-1], sitk.GetArrayFromImage(stream.push(image).labels)
            assert done.number == number
            assert done.box == bounding_box(expected)
            part = expected[tuple(slice(*ends) for ends in done.box)]
            np.testing.assert_array_equal(folder.read_result(done), part)
            voxel_ml = np.prod(image.GetSpacing()) / 1000
            np.testing.assert_allclose(done.ml, np.bincount(part.ravel(), minlength=3)[1:] * voxel_ml)
            assert 0 < done.seconds < 60
        assert events_of(Note, events), "the new geometry is said"

        hand_over(folder, 4, smaller, region=Region((5000.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
        (refused,) = events_of(FrameRefused, events_until(worker, FrameRefused))
        assert "the region of interest lies outside the image" in refused.message
    finally:
        worker.end()
        folder.remove()
    assert not list(tmp_path.glob("CLSTMSegment-*"))


def test_labels_of_a_frame_in_which_nothing_is_found_come_back(tmp_path):
    folder = LiveFolder.make_own(RunSettings(), tmp_path)
    for box in (((0, 2), (1, 3), (2, 4)), ((0, 0),) * 3, ((5, 6),) * 3):
        size = tuple(stop - start for start, stop in box)
        folder.write_result(LiveFrameDone(0, box, (0.0,), 0.1), np.ones(size, np.uint8))

        (done,) = folder.new_events()

        assert done.box == box
        np.testing.assert_array_equal(folder.read_result(done), np.ones(size, np.uint8))
    folder.remove()


def test_full_disk_is_said_with_the_frame_and_the_folder_on_both_sides(phantom, tmp_path):
    folder = LiveFolder(tmp_path)
    for name in ("labels.raw", "frame.raw", "events.jsonl"):
        (tmp_path / name).mkdir()  # nothing can be written to a file of this name
    advice = rf"cannot be written to {re.escape(str(tmp_path))}: is the disk full\?"

    with pytest.raises(StorageError, match=f"frame 7 is done but {advice}"):
        folder.write_result(LiveFrameDone(7, ((0, 1),) * 3, (0.0,), 0.1), np.ones((1, 1, 1), np.uint8))
    with pytest.raises(StorageError, match=f"frame 8 {advice}"):
        hand_over(folder, 8, phantom[0][0].image)
    with pytest.raises(StorageError, match=f"what the worker reports {advice}"):
        folder.append(Started("cpu"))


def test_worker_that_cannot_report_its_failure_on_a_full_disk_is_not_said_to_be_killed(tmp_path, monkeypatch):
    worker = WorkerProcess("no_such_module", LiveFolder(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))

    worker.start()
    (failed,) = events_until(worker, Failed)

    assert f"the disk is full on which {tmp_path} is" in failed.message


PARENT = """
import sys, time
from pathlib import Path
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.worker.live_folder import LiveFolder
from CLSTMSegmentLib.worker.worker_process import LIVE, WorkerProcess

worker = WorkerProcess(LIVE, LiveFolder.make_own(RunSettings(sys.argv[1], device="cpu"), Path(sys.argv[2])))
worker.start()
while not worker.poll():
    time.sleep(0.01)
print("started", flush=True)
time.sleep(600)
"""


def test_worker_that_waits_for_a_frame_goes_with_its_parent(bundle, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-c", PARENT, str(bundle), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout.readline()
        parent.kill()

    wait(lambda: not list(tmp_path.iterdir()))
