"""The folders of a teaching job and of the model that it makes."""

import os
from pathlib import Path

from ..core.errors import InputError
from ..core.own_folder import alone_in


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
        with alone_in(folder, "teaching job"):
            raise InputError(f"{folder} holds an unfinished teaching job: {advice}, or remove it")
    except OSError as error:
        raise InputError(
            f"{folder} holds a teaching job of another user ({error.strerror}): choose another name for the model"
        ) from error


def teaching_folder(models: Path, name: str) -> Path:
    """Return the folder of a model's teaching job, in the folder in which the model will be."""
    return models / f".{name}.teaching"


def preview_path(folder: Path) -> Path:
    """Return the path of the PNG that shows the result of a teaching job so far; the file is missing at first."""
    return folder / "preview.png"
