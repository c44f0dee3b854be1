"""Run one of our modules in a process of its own: `python run_module.py MODULE ARGUMENTS`.

`python -m` would import from the current folder first. Here our own folder comes last, so that no file in it takes the
place of a library. Python's isolated mode would be too much: PythonSlicer finds its libraries by environment variables.
"""

import runpy
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    this = Path(__file__).resolve()
    sys.path[:] = [*(path for path in sys.path if Path(path).resolve() != this.parent), str(this.parents[2])]
    del sys.argv[0]
    import_module("CLSTMSegmentLib.core.waiting_threads").let_waiting_threads_sleep()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
