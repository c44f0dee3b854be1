"""`clstm-segment train`: a model bundle from a training file and a folder of labelled hearts."""

import shutil
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from ..core.devices import choose_device
from ..core.errors import InputError
from ..model.bundle import load_model, write_bundle
from ..network.inference import ready_to_run
from ..training.labelled_hearts import DATA


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("configuration", type=Path, metavar="CONFIG.toml")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help=f"labelled hearts (default: {DATA})")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="log, checkpoints and the finished bundle"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument(
        "--initial", metavar="NAME|FOLDER|FILE.pth", help="begin with the weights of this model, at most as wide"
    )
    parser.add_argument(
        "--start", type=Path, metavar="CHECKPOINT", help="branch off another training, from its stage-N.pt"
    )
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")


def run(options: Namespace) -> None:
    """Train, then write the bundle into a folder of the model's name in `options.out`.

    Raises:
        InputError: a training file, data or folder that cannot be used.
    """
    # MONAI is needed by this command alone, and not installed everywhere
    from ..training.configuration import read_configuration
    from ..training.split import examples, split_sequences
    from ..training.trainer import CHECKPOINT, train
    from ..training.validation import typical_of

    configuration = read_configuration(options.configuration)
    model, checkpoint = configuration.model, options.out / CHECKPOINT
    if checkpoint.exists() and not options.resume:
        raise InputError(f"{options.out} holds a training already: go on with --resume, or choose another folder")
    device, warnings = choose_device(options.device)
    for warning in warnings:
        print(warning)
    initial = None if options.initial is None else load_model(options.initial)
    split = split_sequences(configuration, options.data)
    if options.start is not None and not checkpoint.exists():
        if not options.start.is_file():
            raise InputError(f"{options.start} is not there: give the stage-N.pt of another training")
        options.out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(options.start, checkpoint)
    network = train(
        model,
        split.training,
        split.validation,
        configuration.phantom,
        configuration.training,
        options.out,
        device,
        None if initial is None else initial.build_network().state_dict(),
    )
    folder = options.out / model.name
    description = {"training_file": options.configuration.name} | split.description
    if initial is not None:
        description["began_with"] = f"{initial.name}, version {initial.version}"
    # half precision takes half the space and changes no figure that is reported
    state = network.cpu().state_dict()
    weights = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    typical = typical_of(ready_to_run(network, device), examples(configuration, split), model, device)
    finished = replace(model, training=description, typical=typical)
    write_bundle(finished, weights, folder)
    print(f"{folder}: the finished model")
