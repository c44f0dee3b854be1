"""The models to choose from: the bundled ones, and those that the user added."""

import html
import os
import shutil
from pathlib import Path

from slicer.i18n import tr as _

from ..core.atomic_write import replacing
from ..core.errors import InputError
from ..model.bundle import bundled_models, load_model, write_bundle
from ..model.description import Model

MOST_BYTES = {"model.json": 2**20, "weights.safetensors": 2**34}
"""The files of a bundle, and how large each may be; nothing else that lies beside them is copied."""


def choosableModels(folder: Path) -> list[tuple[str, Model]]:
    """Return all bundled models and all in the user's folder, each with the source from which it is loaded.

    A damaged model is omitted.

    Args:
        folder: the folder of the models that the user added.
    """
    sources = [*bundled_models(), *(str(path.parent) for path in sorted(folder.glob("*/model.json")))]
    models = []
    for source in sources:
        try:
            models.append((source, load_model(source)))
        except InputError:
            continue
    return models


def addModel(file: Path, folder: Path) -> str:
    """Copy a model into the user's folder.

    Args:
        file: the model.json of a bundle, or a published checkpoint of eksubin/CLSTM-Unet4D (`.pth`).
        folder: the folder of the models that the user added.

    Returns:
        The source from which `model.bundle.load_model` loads it.

    Raises:
        InputError: the file is no model or is damaged, or the folder has a model of this name already.
    """
    names = MOST_BYTES if file.name == "model.json" else {file.name: MOST_BYTES["weights.safetensors"]}
    for name, mostBytes in names.items():
        _checkFile(file.with_name(name), mostBytes)
    model = load_model(file.parent if file.name == "model.json" else file)
    model.build_network()  # checks the weights before anything is copied
    target = folder / model.name
    if os.path.lexists(target):
        raise InputError(
            _("there is already a model {name} in {folder}: rename or remove it first").format(
                name=repr(model.name), folder=folder
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(target) as copy:  # an incomplete copy is never seen
        if file.name == "model.json":
            copy.mkdir()
            for name in names:
                shutil.copyfile(file.with_name(name), copy / name)
        else:
            write_bundle(model, model.stored_weights(), copy)
    return str(target)


def _checkFile(path: Path, mostBytes: int) -> None:
    """Raise an InputError unless this is a file, or a link to one, of a size that can be copied."""
    if not path.is_file():
        raise InputError(_("{path} is missing, or is no file").format(path=path))
    if path.stat().st_size > mostBytes:
        raise InputError(_("{path} is larger than such a file can be: is it another one?").format(path=path))


def summaryAsHtml(model: Model) -> str:
    """Return what a user needs to choose a model: what it finds, and in which images."""
    segments = ", ".join(segment.name for segment in model.segments)
    lines = [("", model.description), (_("Finds"), segments), (_("In"), model.modality)]
    return _asHtml(lines)


def detailsAsHtml(model: Model) -> str:
    """Return what a user needs to judge a model: licence, citation and scores."""
    lines = [(_("Licence"), model.licence), (_("Please cite"), model.citation)]
    return _asHtml(lines + list(model.scores.items()))


def _asHtml(lines: list[tuple[str, object]]) -> str:
    """Return a line for each (label, text) pair with a text."""
    shown = [(label, html.escape(str(text))) for label, text in lines if text]
    return "<br>".join(f"<b>{html.escape(label)}:</b> {text}" if label else text for label, text in shown)
