"""`clstm-segment train`: a model bundle from a training file and a folder of labelled hearts."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

import torch

from ..engine.bundle import write_bundle
from ..engine.devices import choose_device
from ..engine.errors import InputError
from ..engine.network import CLSTMUNet4D
from ..training.datasets import DATA


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("configuration", type=Path, metavar="CONFIG.toml")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help=f"labelled hearts (default: {DATA})")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="log, checkpoints and the finished bundle"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")


def run(options: Namespace) -> None:
    """Train, then write the bundle into a folder of the model's name in `options.out`.

    Raises:
        InputError: a training file, data or folder that cannot be used.
    """
    # MONAI is needed by this command alone, and not installed everywhere
    from ..training.configuration import read_configuration
    from ..training.datasets import load_hearts
    from ..training.train import CHECKPOINT, train

    configuration = read_configuration(options.configuration)
    model = configuration.model
    if (options.out / CHECKPOINT).exists() and not options.resume:
        raise InputError(f"{options.out} holds a training already: go on with --resume, or choose another folder")
    device, warnings = choose_device(options.device)
    for warning in warnings:
        print(warning)
    hearts = load_hearts(options.data, model.geometry, model.intensity)
    kept_out = {*configuration.validation, *configuration.test}
    missing = kept_out - {heart.name for heart in hearts}
    if missing:
        raise InputError(f"{options.data} has no heart {', '.join(sorted(missing))}, named in {options.configuration}")
    torch.manual_seed(configuration.training.seed)
    network = train(
        CLSTMUNet4D(**model.network),
        [heart for heart in hearts if heart.name not in kept_out],
        # whole single phases: the frames of "both" hold the same slices again
        [heart for heart in hearts if heart.name in configuration.validation and len(heart.frames) == 1],
        model.geometry,
        configuration.stacks,
        configuration.training,
        options.out,
        device,
    )
    split = {
        "training_file": options.configuration.name,
        "trained_on": sorted({heart.name for heart in hearts} - kept_out),
        "validated_on": sorted(configuration.validation),
        "kept_for_test": sorted(configuration.test),
    }
    folder = options.out / model.name
    write_bundle(replace(model, training=model.training | split), network.cpu().state_dict(), folder)
    print(f"{folder}: the best network so far by validation")
