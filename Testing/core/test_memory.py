"""The memory of this process."""

import subprocess
import sys

import numpy as np
from conftest import REPOSITORY


def test_peak_memory_is_that_of_the_process_alone_however_large_the_process_that_started_it():
    held = np.ones(2**27)  # 1 GiB
    program = "from CLSTMSegmentLib.core.memory import peak_memory; print(peak_memory())"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY / "CLSTMSegment", check=True
    )

    assert int(done.stdout) < held.nbytes
