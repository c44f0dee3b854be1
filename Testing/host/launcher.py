"""Stands in for PythonSlicer: a launcher that starts the real interpreter as its child, and is as deaf as Slicer's."""

import os
import sys
from pathlib import Path

PROGRAM = """#!{python} -IS
import subprocess, sys
# no signal is handed on, and any crash becomes exit status 1
status = subprocess.call([{python!r}, *sys.argv[1:]])
sys.exit(status if status >= 0 else 1)
"""


def write_launcher(folder: Path) -> str:
    """Write the launcher into a folder; return its path, or on Windows the interpreter itself."""
    if sys.platform == "win32":  # in a virtual environment, the interpreter is such a launcher there
        return sys.executable
    path = folder / "PythonSlicer"
    path.write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def put_on_path(folder: Path) -> None:
    """Let `shutil.which` find the launcher, as it finds PythonSlicer in Slicer."""
    write_launcher(folder)
    os.environ["PATH"] = os.pathsep.join((str(folder), os.environ["PATH"]))
