"""How long *Live* stops the panel, and how much time it takes beside the network, while frames arrive every 100 ms.

`cd Testing && PYTHONPATH=.:../CLSTMSegment python -m benchmarks.live_latency SEQUENCE` lets the frames of a sequence
arrive from a timer, which writes their voxels into a volume, and then from a played sequence.
"""

import time
from argparse import ArgumentParser
from itertools import cycle
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from host import application, qt

FRAMES = 60
"""Number of frames that arrive from each source."""

INTERVAL_MS = 100


def measured(logic, volumeNode, model, arrive):
    """Return the gaps between ticks of a timer of 10 ms, and how long each frame took beside the network, in ms.

    A frame that arrives while the network works on the one before is handed over when that one is shown. The time
    until then is not counted, because it depends on the network alone.

    Args:
        arrive: lets the next frame arrive in the volume.
    """
    beside, ticks, arrived, segmented, shown = [], [], [], 0, -np.inf

    def onChanged(live):
        nonlocal segmented, shown
        if live.segmented > segmented:
            segmented, before, shown = live.segmented, shown, time.perf_counter()
            since = min(live.latency.newest, shown - before)
            beside.append(1000 * (since - live.networkLatency.newest))

    live = logic.live(volumeNode, model=model, device="cpu", onChanged=onChanged)
    until(lambda: live.segmented >= 1)
    del beside[:]  # the first frame waits for the model
    ticker, source = qt.QTimer(), qt.QTimer()
    ticker.interval, source.interval = 10, INTERVAL_MS
    ticker.connect("timeout()", lambda: ticks.append(time.perf_counter()))
    source.connect("timeout()", lambda: arrived.append(arrive()))
    for timer in (ticker, source):
        timer.start()
    until(lambda: len(arrived) >= FRAMES)
    for timer in (ticker, source):
        timer.stop()
    live.stop()
    network = 1000 * live.networkLatency.median
    print(f"  {len(arrived)} frames arrived, {live.segmented} segmented, network {network:.0f} ms")
    return 1000 * np.diff(ticks), np.array(beside)


def until(condition):
    while not condition():
        qt.application().processEvents()
        time.sleep(0.001)


def show(name, gaps, beside):
    for what, ms in (("gaps between ticks", gaps), ("beside the network", beside)):
        print(f"  {name}, {what}: median {np.median(ms):.0f} ms, 95 % {np.percentile(ms, 95):.0f}, most {ms.max():.0f}")


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("sequence", type=Path)
    parser.add_argument("--model", default="cardiac-cine-lv")
    options = parser.parse_args()
    application.start()
    import slicer
    from CLSTMSegmentLib.io.sequence_files import read_sequence
    from CLSTMSegmentLib.scene.images import volumeFromImage
    from CLSTMSegmentLib.scene.inputs import resolveInput
    from scene.conftest import addSequence

    from CLSTMSegment import CLSTMSegmentLogic

    frames = list(read_sequence(options.sequence))
    arrays = cycle([sitk.GetArrayFromImage(frame.image) for frame in frames])
    logic, scene = CLSTMSegmentLogic(), slicer.mrmlScene
    volumeNode = scene.AddNode(volumeFromImage(frames[0].image))
    show(
        "timer",
        *measured(
            logic, volumeNode, options.model, lambda: slicer.util.updateVolumeFromArray(volumeNode, next(arrays))
        ),
    )
    source = resolveInput(addSequence(scene, frames))
    show("played", *measured(logic, source.proxyNode, options.model, source.browserNode.SelectNextItem))


if __name__ == "__main__":
    main()
