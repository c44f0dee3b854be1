"""Long use: memory stays, and no process, file, node or observer is left over. `make test-slow` runs these."""

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
from CLSTMSegmentLib.worker.job_folder import Job
from CLSTMSegmentLib.worker.worker_process import JobRunner
from conftest import smallModel
from scene.conftest import addSequence, scene  # noqa: F401

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory and files are counted in /proc"),
]

GROWTH = 1.02


def resident(process="self"):
    gc.collect()
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def test_200_runs_in_one_process(scene, bundle, phantom):  # noqa: F811
    import CLSTMSegment

    sequenceNode = addSequence(scene, phantom[0][:3])
    logic = CLSTMSegment.CLSTMSegmentLogic()
    output = logic.segment(sequenceNode, model=str(bundle), device="cpu")
    memory, nodes, files, observed = [], [], [], []
    for n in range(200):
        logic.segment(sequenceNode, model=str(bundle), device="cpu", output=output)
        memory.append(resident())
        nodes.append(scene.GetNumberOfNodes())
        files.append(open_files())
        observed.append([node.HasObserver("AnyEvent") for node in (sequenceNode, output)])
        if n % 50 == 49:
            print(f"run {n + 1}: {memory[-1]:.0f} MiB, {nodes[-1]} nodes, {files[-1]} files")
    assert memory[-1] < GROWTH * memory[19]
    assert len(set(nodes[1:])) == 1
    assert files[-1] == files[1]
    assert observed[-1] == observed[0]
    assert children() == []


class Endless:
    """2,000 frames, made when they are asked for."""

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


def test_2000_frames_in_one_run():
    memory = [resident() for _ in Segmenter(smallModel(), "cpu").segment(Endless())]
    assert len(memory) == 2000
    print(f"frame 100: {memory[99]:.0f} MiB, frame 2000: {memory[-1]:.0f} MiB")
    assert memory[-1] < GROWTH * memory[99]


def test_2000_frames_in_a_worker(bundle):
    frames, folders = Endless(), set(Path(tempfile.gettempdir()).glob("CLSTMSegment-*"))
    runner = JobRunner(Job(str(bundle), [str(n) for n in range(len(frames))], device="cpu"))
    for number in range(len(frames)):
        runner.put_frame(number, frames[number].image)
    runner.start()
    memory, event = {}, {"event": ""}
    while event["event"] not in ("done", "failed"):
        time.sleep(0.05)
        for event in runner.poll():
            if event["event"] == "frame" and event["number"] % 100 == 99:
                memory[event["number"]] = resident(runner._process.pid)
                assert runner.result(event["number"]).GetSize() == (48, 48, 8)
    assert event["event"] == "done", event
    print(f"the worker at frame 200: {memory[199]:.0f} MiB, at 1900: {memory[1899]:.0f} MiB")
    assert memory[1899] < GROWTH * memory[199]
    runner.close()
    assert children() == []
    assert set(Path(tempfile.gettempdir()).glob("CLSTMSegment-*")) <= folders


def test_100_scenes_opened_segmented_and_closed(scene, bundle, phantom):  # noqa: F811
    import CLSTMSegment

    memory = []
    for _ in range(100):
        sequenceNode = addSequence(scene, phantom[0][:2])
        CLSTMSegment.CLSTMSegmentLogic().segment(sequenceNode, model=str(bundle), device="cpu")
        scene.Clear(0)
        memory.append(resident())
    print(f"scene 20: {memory[19]:.0f} MiB, scene 100: {memory[-1]:.0f} MiB")
    assert memory[-1] < GROWTH * memory[19]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 0
