"""`clstm-segment model`: list the bundled models, describe one, or import a published checkpoint."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from ..model.bundle import bundled_models, load_model, write_bundle
from ..model.description import Model
from ..model.rules import StateRule
from ..pipeline.output_paths import check_own_folder
from .run_options import path_in
from .terminal import show


def add_options(parser: ArgumentParser) -> None:
    """Define the commands `model list`, `model info` and `model import`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="list the models that come with the extension")
    listing.set_defaults(command=list_models)
    info = commands.add_parser("info", help="print everything that is known about a model")
    info.add_argument("name", metavar="NAME|FOLDER|FILE.pth")
    info.set_defaults(command=describe)
    importing = commands.add_parser("import", help="make a model from a published checkpoint (of eksubin/CLSTM-Unet4D)")
    importing.add_argument("file", type=path_in, metavar="FILE.pth")
    importing.add_argument("-o", "--output", type=path_in, required=True, metavar="FOLDER")
    importing.set_defaults(command=import_checkpoint)


def list_models(options: Namespace) -> None:
    """Print a line for each bundled model."""
    for name in bundled_models():
        model = load_model(name)
        show(f"{name}: {model.title}; segments: {', '.join(s.name for s in model.segments)}; {model.modality}")


def describe(options: Namespace) -> None:
    """Print everything that is known about one model."""
    for line in description(load_model(options.name)):
        show(line)


def import_checkpoint(options: Namespace) -> None:
    """Write a bundle with the weights of a published checkpoint (of eksubin/CLSTM-Unet4D).

    All defaults of such checkpoints are written into its model.json, where they can be changed.
    """
    from ..model.published import published_model  # with torch, which takes seconds to import

    check_own_folder(options.output)
    model = published_model(options.file)
    write_bundle(model, model.weights, options.output)
    show(f"{options.output}: imported. Check model.json, and give its segments their names there.")


def description(model: Model) -> list[str]:
    """Return what is known about a model, a line for each subject, and as many as the description has."""
    lines = [
        f"{model.title} ({model.name}, version {model.version})",
        *model.description.split("\n"),
        f"Segments: {', '.join(s.name for s in model.segments)}",
        f"Modality: {model.modality}",
        f"Network: {', '.join(f'{k} {v}' for k, v in asdict(model.network).items())}",
        f"State rule: {state_rule_text(model.state)}",
        f"Licence: {model.licence}",
        f"Citation: {model.citation}",
    ]
    lines += [f"Training, {key}: {value}" for key, value in model.training.items()]
    lines += [f"Score, {key}: {value}" for key, value in model.scores.items()]
    return lines


def state_rule_text(state: StateRule) -> str:
    """Return a state rule in words, such as "carry, 3 warm-up frames, cyclic"."""
    warm_up = f"{state.warm_up_frames} warm-up frame{'' if state.warm_up_frames == 1 else 's'}"
    return f"{state}, {warm_up}{', cyclic' if state.cyclic else ''}"
