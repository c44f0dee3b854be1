"""The panel never makes the user wait."""

import subprocess
import sys
import time
from itertools import pairwise

import slicer
from CLSTMSegmentLib.scene.sample_phantom import addHeartPhantom
from host import qt
from PySide6.QtCore import QEventLoop


def test_panel_never_stands_still_during_a_run_on_the_demo(widget):
    """The longest gap between ticks of a 10 ms timer; the bound is generous for a busy machine."""
    sequenceNode = addHeartPhantom(slicer.mrmlScene, seed=4, frames=6)
    widget.ui.inputSelector.setCurrentNode(sequenceNode)
    ticks = []
    timer = qt.QTimer()
    timer.interval = 10
    timer.connect("timeout()", lambda: ticks.append(time.perf_counter()))
    timer.start()

    widget.ui.applyButton.click()
    while widget.ui.cancelButton.enabled:
        qt.application().processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    timer.stop()

    gap = max(after - before for before, after in pairwise(ticks))
    print(f"longest gap between ticks of a 10 ms timer: {1000 * gap:.0f} ms")
    assert gap < 0.5


def test_describing_models_and_writing_results_does_not_import_torch():
    """Importing torch takes seconds, in which the panel would stand still."""
    code = (
        "import sys; import CLSTMSegmentLib.scene.outputs, CLSTMSegmentLib.worker.worker_process\n"
        "import CLSTMSegmentLib.worker.job_folder, CLSTMSegmentLib.teaching.training_set\n"
        "from CLSTMSegmentLib.model.bundle import bundled_models, load_model\n"
        "assert [load_model(name) for name in bundled_models()]\n"
        "assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
