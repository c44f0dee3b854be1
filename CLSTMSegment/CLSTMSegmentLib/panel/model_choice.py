"""Models to choose from: those that come with the extension, and those that the user added."""

import html
import shutil
from pathlib import Path

from slicer.i18n import tr as _

from ..core.atomic_write import replacing
from ..core.errors import InputError
from ..model.bundle import bundled_models, load_model, write_bundle
from ..model.description import Model


def choosableModels(folder: Path) -> list[tuple[str, Model]]:
    """(name or folder to load it by, model) of all bundled models and all in the user's folder.

    What is damaged in the user's folder is left out: a run with it would say why.
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
        file: the model.json of a bundle, or a published .pth.

    Returns:
        What to load it by.

    Raises:
        InputError: not a model, damaged, or one of that name is there already.
    """
    model = load_model(file.parent if file.name == "model.json" else file)
    network = model.build_network()  # before anything is copied: the weights must fit
    target = folder / model.name
    if target.exists():
        raise InputError(
            _("there is a model {name} in {folder} already: rename or remove it first").format(
                name=repr(model.name), folder=folder
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(target) as copy:  # one that breaks off half-way is never seen
        if file.name == "model.json":
            shutil.copytree(file.parent, copy)
        else:
            write_bundle(model, network.state_dict(), copy)
    return str(target)


def summaryAsHtml(model: Model) -> str:
    """What a user wants to know to choose a model: what it finds, and in which images."""
    segments = ", ".join(segment.name for segment in model.segments)
    lines = [("", model.description), (_("Finds"), segments), (_("In"), model.modality)]
    return _asHtml(lines)


def detailsAsHtml(model: Model) -> str:
    """What a user wants to know before trusting a model: licence, citation, figures."""
    lines = [(_("Licence"), model.licence), (_("Please cite"), model.citation)]
    return _asHtml(lines + list(model.scores.items()))


def _asHtml(lines: list[tuple[str, object]]) -> str:
    """A line for each (label, text) that has a text."""
    shown = [(label, html.escape(str(text))) for label, text in lines if text]
    return "<br>".join(f"<b>{html.escape(label)}:</b> {text}" if label else text for label, text in shown)
