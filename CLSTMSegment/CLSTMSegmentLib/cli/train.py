"""`clstm-segment train`: train a model by a recipe, on a folder of labelled hearts."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from tqdm import tqdm

from ..core.atomic_write import replacing
from ..core.device_names import check_device_name
from ..core.errors import InputError, RunFailed
from ..core.own_folder import alone_in
from ..core.plain_files import check_plain_file
from ..model.bundle import load_model, write_bundle
from ..model.description import LOCATOR_PREFIX, Locator, Model
from ..pipeline.output_paths import check_own_folder
from .run_options import path_in
from .terminal import show


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("recipe", type=path_in, metavar="RECIPE.toml", help="how the model is trained")
    parser.add_argument(
        "--data",
        type=path_in,
        metavar="FOLDER",
        help="folder of labelled hearts; not needed for a training on phantoms alone",
    )
    parser.add_argument(
        "--out",
        type=path_in,
        required=True,
        metavar="FOLDER",
        help="folder of the log, the checkpoints and the finished model",
    )
    parser.add_argument("--resume", action="store_true", help="resume from the checkpoint in --out, if there is one")
    parser.add_argument(
        "--initial",
        metavar="NAME|FOLDER|FILE.pth",
        help="begin with the weights of this model, whose network is at most as wide",
    )
    parser.add_argument(
        "--locator",
        metavar="NAME|FOLDER",
        help="the model that becomes the locator of the new one; needed if the recipe has a table [locator]",
    )
    parser.add_argument(
        "--start",
        type=path_in,
        metavar="CHECKPOINT",
        help="continue from the end of a stage of another training: its stage-N.pt",
    )
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Train, then write the model into a folder with the model's name in `options.out`.

    Raises:
        InputError: a recipe, data or folder that cannot be used.
        RunFailed: the training could not be finished.
    """
    check_plain_file(options.recipe)
    check_device_name(options.device)
    check_own_folder(options.out)
    # torch takes seconds to import; MONAI is needed by this command, and not installed everywhere
    from ..core.devices import choose_device
    from ..network.inference import inference_network
    from ..training.recipe import read_recipe
    from ..training.split import examples, split_sequences
    from ..training.trainer import Trainer
    from ..training.training_task import TrainingStep, TrainingTask
    from ..training.validation import typical_of

    recipe = read_recipe(options.recipe)
    if (recipe.margin_mm is None) != (options.locator is None):
        wants = "no" if recipe.margin_mm is None else "a"
        raise InputError(f"{options.recipe} wants {wants} locator: see the option --locator and its table [locator]")
    if os.path.lexists(options.out / recipe.model.name):
        raise InputError(f"{options.out / recipe.model.name} exists already: choose another folder for the training")
    locator = None if options.locator is None else _loaded_locator(options.locator)
    if Trainer.has_begun(options.out) and not options.resume:
        raise InputError(f"{options.out} holds a training already: give --resume, or choose another folder")
    if not Trainer.has_begun(options.out):
        for path in sorted(options.out.glob("stage-*.pt")) + sorted(options.out.glob("log.csv")):
            raise InputError(
                f"{path} exists, and the training would write over it: choose another folder, or move this file"
            )
    device, warnings = choose_device(options.device)
    for warning in warnings:
        show(warning)
    initial = None if options.initial is None else load_model(options.initial)
    split = split_sequences(recipe, options.data)
    task = TrainingTask(
        recipe.model,
        split.drawn,
        split.validation,
        recipe.training,
        recipe.phantom,
        None if initial is None else initial.build_network().state_dict(),
    )
    trainer = Trainer(task, options.out, device, options.start)
    with alone_in(options.out, "training"), tqdm(total=task.rule.iterations) as bar:

        def on_step(step: TrainingStep) -> None:
            precision = "bfloat16" if step.bfloat16 else "float32"
            bar.set_description_str(f"stage {step.stage} of {step.stages}, {precision}", refresh=False)
            bar.update(step.iteration - bar.n)

        result = trainer.run(on_step)
    if result.error is not None:
        raise result.error
    if result.network is None:
        raise RunFailed(f"the training in {options.out} ended without a network: begin it again in another folder")
    description = {"training_file": options.recipe.name} | split.description
    if initial is not None:
        description["began_with"] = f"{initial.name}, version {initial.version}"
    weights, model = result.weights(), replace(task.model, training=description)
    if locator is not None:
        model = replace(model, locator=Locator(locator.network, locator.geometry, recipe.margin_mm))
        weights |= {f"{LOCATOR_PREFIX}{key}": value for key, value in locator.stored_weights().items()}
    network = inference_network(result.network, device)
    model = replace(model, typical=typical_of(network, examples(recipe, split), model, device))
    folder = options.out / model.name
    with replacing(folder) as partial:  # a model that is written in part is never seen
        write_bundle(model, weights, partial)
    show(f"{folder}: the finished model")


def _loaded_locator(name: str) -> Model:
    """Return the model that becomes the locator, whose weights are checked before the training, which takes hours."""
    locator = load_model(name)
    if locator.locator is not None:
        raise InputError(f"{name} has a locator of its own: give a model of one stage for --locator")
    locator.build_network()
    return locator
