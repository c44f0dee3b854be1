"""Long use leaves the use of RAM flat, and no process, file, node or observer behind. `make test-slow` runs these."""

import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from CLSTMSegmentLib.core.sequence import Frame
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.worker.events import Done, Failed, FrameDone
from CLSTMSegmentLib.worker.job_folder import JobFolder
from CLSTMSegmentLib.worker.work_folder import FOLDER_PREFIX
from CLSTMSegmentLib.worker.worker_process import SEGMENT, WorkerProcess
from conftest import smallModel
from scene.conftest import addSequence, scene  # noqa: F401

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="RAM and open files are counted in /proc"),
]

GROWTH = 1.02
"""Factor by which the use of RAM may grow after the first runs or frames."""


def resident(process="self"):
    """Return the RAM that a process uses, in MiB."""
    gc.collect()
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def openFiles():
    return len(list(Path("/proc/self/fd").iterdir()))


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def jobFolders():
    return set(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"))


class LongSequence:
    """2,000 frames, each of which is computed when it is read."""

    def __init__(self, count=2000):
        self.count = count
        self.voxels = np.random.default_rng(1).integers(0, 200, (8, 48, 48)).astype(np.int16)

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        if not 0 <= number < self.count:
            raise IndexError(number)
        image = sitk.GetImageFromArray(np.roll(self.voxels, number, 1))
        image.SetSpacing((3.0, 3.0, 8.0))
        return Frame(image, str(number))


@pytest.fixture
def logic(scene):  # noqa: F811
    """The module's logic."""
    import CLSTMSegment

    return CLSTMSegment.CLSTMSegmentLogic()


def test_200_runs_in_one_process(scene, logic, bundle, phantom):  # noqa: F811
    sequenceNode = addSequence(scene, phantom[0][:3])
    outputNode = logic.segment(sequenceNode, model=str(bundle), device="cpu")
    ram, nodes, files, observed = [], [], [], []

    for n in range(200):
        logic.segment(sequenceNode, model=str(bundle), device="cpu", output=outputNode)
        ram.append(resident())
        nodes.append(scene.GetNumberOfNodes())
        files.append(openFiles())
        observed.append([node.HasObserver("AnyEvent") for node in (sequenceNode, outputNode)])
        if n % 50 == 49:
            print(f"run {n + 1}: {ram[-1]:.0f} MiB, {nodes[-1]} nodes, {files[-1]} files")

    assert ram[-1] < GROWTH * ram[19]
    assert len(set(nodes[1:])) == 1
    assert files[-1] == files[1]
    assert observed[-1] == observed[0]
    assert children() == []


def test_2000_frames_in_one_run():
    segmenter = Segmenter(smallModel(), RunSettings(device="cpu"))

    ram = [resident() for _ in segmenter.segment(LongSequence())]

    print(f"frame 100: {ram[99]:.0f} MiB, frame 2000: {ram[-1]:.0f} MiB")
    assert len(ram) == 2000
    assert ram[-1] < GROWTH * ram[99]


def test_2000_frames_in_a_worker_process(bundle):
    frames, before = LongSequence(), jobFolders()
    folder = JobFolder.make(RunSettings(str(bundle), device="cpu"), [str(n) for n in range(len(frames))])
    for number in range(len(frames)):
        folder.write_frame(number, frames[number].image)
    worker, ram, events = WorkerProcess(SEGMENT, folder), {}, []

    worker.start()
    while not any(isinstance(event, (Done, Failed)) for event in events):
        time.sleep(0.05)
        events = worker.poll()
        for event in events:
            if isinstance(event, FrameDone) and event.number % 100 == 99:
                ram[event.number] = resident(worker.process_id)
                assert folder.read_result(event).labels.GetSize() == (48, 48, 8)
    worker.end()
    folder.remove()

    assert isinstance(events[-1], Done), events[-1]
    print(f"the worker at frame 200: {ram[199]:.0f} MiB, at 1900: {ram[1899]:.0f} MiB")
    assert ram[1899] < GROWTH * ram[199]
    assert children() == []
    assert jobFolders() <= before


def test_100_scenes_segmented_and_closed(scene, logic, bundle, phantom):  # noqa: F811
    ram = []

    for _ in range(100):
        sequenceNode = addSequence(scene, phantom[0][:2])
        logic.segment(sequenceNode, model=str(bundle), device="cpu")
        scene.Clear(0)
        ram.append(resident())

    print(f"scene 20: {ram[19]:.0f} MiB, scene 100: {ram[-1]:.0f} MiB")
    assert ram[-1] < GROWTH * ram[19]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 0
