"""Trainings that take seconds: the recipes of the heart models made small, and small networks."""

import math
from dataclasses import replace

import torch
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.phantoms.heart import HeartPhantom
from CLSTMSegmentLib.training.recipe import read_recipe
from CLSTMSegmentLib.training.split import split_sequences
from CLSTMSegmentLib.training.stack_loss import stack_loss
from CLSTMSegmentLib.training.stacks import StackRule, TrainingStacks
from CLSTMSegmentLib.training.training_task import TrainingTask
from conftest import REPOSITORY, smallModel

HEARTS = REPOSITORY / "recipes" / "sunnybrook-hearts.toml"
CPU = torch.device("cpu")
RULE = StackRule(
    frames=3,
    lead=2,
    labelled=1,
    batch=2,
    patches=((8, 24, 24),),
    phantom_share=1.0,
    cine_share=0.5,
    animated_share=0.0,
    corrupted_share=0.0,
)
MODEL = smallModel(geometry=GeometryRule(spacing=(8.0, 6.0, 6.0)))


def stacks(sequences=(), **changes):
    """Return training stacks on the small model's grid, of phantoms unless the rule is changed."""
    return TrainingStacks(list(sequences), HeartPhantom, MODEL, replace(RULE, **changes), seed=4)


STAGE = """
[[training.stages]]
iterations = {iterations}
learning_rate = 1.5e-3
frames = {frames}
lead = {lead}
labelled = 1
batch = 2
patches = [[8, 24, 24]]
phantom_share = 0.25
cine_share = 0.25
animated_share = 0.3
corrupted_share = 0.2
elsewhere_share = 0.5
slice_shift = 0.5
"""


def small_recipe(folder, iterations, width=2):
    """Write a recipe for a heart model with three short stages, and return its path."""
    text = f"""like = "{HEARTS.as_posix()}"
[data]
validation = ["A"]
test = ["B"]

[training]
validate_every = 2
norms_frozen_from = 3
seed = 5
keep = "last"
deep_supervision = true

[model]
name = "cardiac-cine-lv"
title = "Left ventricle (cine MR)"

[model.network]
width = {width}

[model.geometry]
spacing = ["own", 6.0, 6.0]
"""
    stages = (
        STAGE.format(iterations=iterations, frames=frames, lead=lead) for frames, lead in ((1, 0), (3, 1), (3, 1))
    )
    path = folder / f"small-{iterations}-{width}.toml"
    path.write_text(text + "".join(stages), encoding="utf-8")
    return path


def small_task(path, hearts):
    """Return the task of a recipe, on labelled phantoms."""
    recipe = read_recipe(path)
    split = split_sequences(recipe, hearts)
    return TrainingTask(recipe.model, split.drawn, split.validation, recipe.training, recipe.phantom)


def small_network(**changes):
    """Return a network with fixed random weights."""
    torch.manual_seed(0)
    return CLSTMUNet4D(NetworkOptions(**{"classes": 3, "width": 2, "last_stage": "none"} | changes)).eval()


def diverging_after(steps):
    """Return a loss that is no number after some steps."""
    taken = []

    def loss(*arguments):
        taken.append(True)
        return stack_loss(*arguments) * (math.nan if len(taken) > steps else 1.0)

    return loss
