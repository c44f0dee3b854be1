"""The folders of a teaching job and of the model that it makes."""

import os
from pathlib import Path

from ..core.errors import InputError
from ..core.own_folder import AT_WORK, OwnFolder, alone_in, remove_orphans

STARTED = ".clstm-segment-started-"
"""Begin of the name of the folder by which who has started the worker of a job says so, see `started_job`."""


def check_new_model(models: Path, name: str) -> Path:
    """Return the folder of a model that is going to be taught.

    Args:
        models: the folder in which the folder of the model will be made.
        name: name of the model.

    Raises:
        InputError: there is a model of this name already, or anything else, such as a link that leads to nothing.
    """
    target = models / name
    if os.path.lexists(target):
        left = teaching_folder(models, name)
        hint = f", and remove {left}, which is left of the teaching job that made it" if left.exists() else ""
        raise InputError(f"there is a model {name!r} in {models} already: choose another name{hint}")
    return target


def check_no_job(folder: Path, advice: str) -> None:
    """Raise an InputError if there is a folder with a teaching job, or one in which somebody teaches now.

    Args:
        folder: the folder of the job.
        advice: what to do with an unfinished job.
    """
    if not folder.exists():
        return
    try:
        check_nobody_teaches(folder)
        with alone_in(folder, "teaching job"):
            raise InputError(f"{folder} holds an unfinished teaching job: {advice}, or remove it")
    except OSError as error:
        raise InputError(
            f"{folder} holds a teaching job of another user ({error.strerror}): choose another name for the model"
        ) from error


def started_job(folder: Path) -> OwnFolder:
    """Return the sign, in the folder of a job, that this process has it done by a worker or a cluster.

    The process removes the sign at the end of the job. The worker itself comes to its folder late, and on a cluster not
    to this one.

    Raises:
        OSError: the folder cannot be written.
    """
    return OwnFolder(STARTED, folder)


def check_nobody_teaches(folder: Path) -> None:
    """Raise an InputError if another process, or this one, has begun the job in a folder and has not ended it."""
    for prefix in (STARTED, AT_WORK):
        remove_orphans(prefix, folder)
        for sign in folder.glob(f"{prefix}*"):
            raise InputError(
                f"another teaching job is at work in {folder}, perhaps in another Slicer: wait for its end, or choose "
                f"another name for the model (if there is none, remove {sign})"
            )


def teaching_folder(models: Path, name: str) -> Path:
    """Return the folder of a model's teaching job, in the folder in which the model will be."""
    return models / f".{name}.teaching"


def preview_path(folder: Path) -> Path:
    """Return the path of the PNG that shows the result of a teaching job so far; the file is missing at first."""
    return folder / "preview.png"
