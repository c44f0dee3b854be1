"""The interpreter of the worker processes."""

import shutil
import sys


def pythonOfWorkers() -> str:
    """Return the interpreter of the worker processes: Slicer's, or outside of it the one that runs this."""
    return shutil.which("PythonSlicer") or sys.executable
