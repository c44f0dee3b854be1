"""Changes to the models that the user added or taught: another name, and removal."""

import json
import os
import shutil
from pathlib import Path

from slicer.i18n import tr as _

from ..core.atomic_write import patiently, write_text
from ..core.errors import InputError
from ..model.description import check_name


def isOwnModel(source: str, folder: Path) -> bool:
    """Return whether a model is one that the user added or taught.

    Args:
        source: the source from which `model.bundle.load_model` loads it.
        folder: the folder of the models that the user added.
    """
    return Path(source).parent == folder


def renameModel(source: str, name: str) -> str:
    """Give a model of the user another name, under which it is listed and its folder is found.

    Returns:
        The new source.

    Raises:
        InputError: this cannot be the name of a model, or there is a model of this name.
        OSError: the files cannot be changed, for instance because a run reads them.
    """
    check_name(name)
    before, after = Path(source), Path(source).with_name(name)
    if os.path.lexists(after):
        raise InputError(_("There is a model {name!r} already: choose another name.").format(name=name))
    description = json.loads((before / "model.json").read_text(encoding="utf-8"))
    patiently(lambda: before.rename(after))
    write_text(after / "model.json", json.dumps(description | {"name": name, "title": name}, indent=2))
    return str(after)


def removeModel(source: str) -> None:
    """Remove a model of the user: as a whole, or not at all.

    Raises:
        OSError: it cannot be removed, for instance because a run reads it.
    """
    folder = Path(source)
    # a folder whose name begins with a dot is not listed, whatever is left in it
    removed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    patiently(lambda: folder.rename(removed))
    shutil.rmtree(removed, ignore_errors=True)
