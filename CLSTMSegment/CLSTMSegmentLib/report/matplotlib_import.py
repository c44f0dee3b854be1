"""The import of matplotlib, which would else read settings of the current folder."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import InputError


def import_matplotlib() -> None:
    """Import matplotlib without the file `matplotlibrc` of the current folder, which may be a folder of somebody else.

    matplotlib looks for this file first, in the current folder of the moment at which it is imported. Where the file
    is a pipe, it would wait for ever. The user's own settings are read.

    Raises:
        InputError: matplotlib is not installed, or cannot read the user's settings.
    """
    if sys.modules.get("matplotlib") is not None:
        return
    here = Path.cwd()
    os.chdir(here.anchor)
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"pictures need matplotlib, which is not installed ({error}): pip install matplotlib"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"matplotlib, which draws the pictures, cannot read its settings ({error}): correct or remove the file "
            "matplotlibrc in the folder of its settings, or the variable MPLBACKEND"
        ) from error
    finally:
        os.chdir(here)


def import_matplotlib_if_installed() -> None:
    """Do what `import_matplotlib` does for MONAI, which would import matplotlib, too, but can do without it.

    Raises:
        InputError: matplotlib cannot read the user's settings.
    """
    if find_spec("matplotlib") is not None:
        import_matplotlib()
