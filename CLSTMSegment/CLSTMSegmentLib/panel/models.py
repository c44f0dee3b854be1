"""Models to choose from: those that come with the extension, and those that the user added."""

import html
import shutil
from pathlib import Path

from ..engine.bundle import Model, bundled_models, load_model, write_bundle
from ..engine.errors import InputError


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
        raise InputError(f"there is a model {model.name!r} in {folder} already: rename or remove it first")
    if file.name == "model.json":
        shutil.copytree(file.parent, target)
    else:
        write_bundle(model, network.state_dict(), target)
    return str(target)


def detailsAsHtml(model: Model) -> str:
    """What a user wants to know before trusting a model."""
    lines = [html.escape(model.description)]
    if model.segments:
        lines.append("<b>Finds:</b> " + html.escape(", ".join(segment.name for segment in model.segments)))
    for label, text in (("In", model.modality), ("Licence", model.licence), ("Please cite", model.citation)):
        if text:
            lines.append(f"<b>{label}:</b> {html.escape(text)}")
    for name, value in model.scores.items():
        lines.append(f"{html.escape(name)}: {html.escape(str(value))}")
    return "<br>".join(line for line in lines if line)
