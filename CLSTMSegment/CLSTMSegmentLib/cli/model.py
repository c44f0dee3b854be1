"""`clstm-segment model`: list the bundled models, tell about one, import a published checkpoint."""

from argparse import Namespace

from ..model.bundle import bundled_models, load_model, write_bundle
from ..model.description import Model
from ..model.published import published_model


def list_models() -> None:
    """A line for each bundled model."""
    for name in bundled_models():
        model = load_model(name)
        print(f"{name}: {model.title}; segments: {', '.join(s.name for s in model.segments)}; {model.modality}")


def tell(options: Namespace) -> None:
    """All there is to know about one model."""
    print(description(load_model(options.name)))


def import_checkpoint(options: Namespace) -> None:
    """Make a bundle of a published .pth; its model.json shows every default, to be changed there."""
    model = published_model(options.file)
    write_bundle(model, model.weights, options.output)
    print(f"{options.output}: imported; look through model.json, and name its segments there")


def description(model: Model) -> str:
    """A model in lines for people."""
    lines = [
        f"{model.title} ({model.name}, version {model.version})",
        model.description,
        f"Segments: {', '.join(s.name for s in model.segments)}",
        f"Modality: {model.modality}",
        f"Network: {', '.join(f'{k} {v}' for k, v in model.network.items())}",
        f"Time rule: {model.time}, prime {model.time.prime}{', cyclic' if model.time.cyclic else ''}",
        f"Licence: {model.licence}",
        f"Citation: {model.citation}",
    ]
    lines += [f"Training, {key}: {value}" for key, value in model.training.items()]
    lines += [f"Score, {key}: {value}" for key, value in model.scores.items()]
    return "\n".join(lines)
