"""The recipe of a model, read from a file: data split, stages of the training, and the model that is made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.plain_files import read_text, resolved
from ..model.description import Model, described_model
from ..phantoms.airway import AirwayPhantom
from ..phantoms.foreign import heart_or_foreign
from ..phantoms.heart import HeartPhantom
from ..phantoms.phantom import Phantom
from .sparse_labels import Border
from .stacks import StackRule
from .training_rule import Stage, TrainingRule

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

PHANTOMS: dict[str, Callable[[int], Phantom]] = {
    "heart": HeartPhantom,
    "airway": AirwayPhantom,
    "heart or foreign": heart_or_foreign,
}


@dataclass(frozen=True)
class Recipe:
    """What a recipe says.

    Attributes:
        phantom: makes a phantom from a seed.
        validation, test: names of hearts that are not trained on. Without any, no real data are needed: the network
            is trained and validated on phantoms.
        twice: beginnings of the names of hearts that are drawn twice as often as the others.
        excluded: names of hearts that are not used at all, because their annotations are wrong.
        masked_slices: by heart, numbers of slices of the whole image whose annotation is wrong.
        same_heart: the name of the heart for each cine that shows a heart with single phases under another name.
        border: what is known from anatomy about a surrounding class where it is not annotated; None for nothing.
        margin_mm: a locator will crop each frame to the box of the structures and this margin; None without one.
        training: how the training goes.
        model: what will be trained, without weights.
    """

    phantom: Callable[[int], Phantom]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    twice: tuple[str, ...]
    excluded: tuple[str, ...]
    masked_slices: dict[str, list[int]]
    same_heart: dict[str, str]
    border: Border | None
    margin_mm: float | None
    training: TrainingRule
    model: Model


TABLES = ("model", "data", "training", "locator")
"""Names of the tables of a recipe."""


def read_recipe(path: Path) -> Recipe:
    """Return what a recipe says.

    A file that begins with `like = "OTHER.toml"` says only how it differs from that file in the same folder: tables
    are merged, all other values are replaced. A spacing of "own" along an axis of the grid is that of the image.

    Raises:
        InputError: the file cannot be read, or something in it is missing, unknown or contradictory.
    """
    content = _read(path)
    unknown = sorted(content.keys() - TABLES)
    if unknown:
        raise InputError(f"{path}: {unknown[0]} is no table of a recipe: use {', '.join(TABLES)}")
    try:
        model = described_model(_own_spacing_as_none(content["model"]), str(path))
        if model.geometry.spacing is None or None in model.geometry.spacing[1:]:
            raise InputError(f"{path}: training needs the spacing of rows and columns in [model.geometry]")
        training = dict(content["training"])
        stages = tuple(_stage(**stage) for stage in training.pop("stages"))
        data = dict(content["data"])
        border = data.pop("border", None)
        recipe = Recipe(
            phantom=PHANTOMS[data.pop("phantom")],
            validation=tuple(data.pop("validation", ())),
            test=tuple(data.pop("test", ())),
            twice=tuple(data.pop("twice", ())),
            excluded=tuple(data.pop("excluded", ())),
            masked_slices=data.pop("masked_slices", {}),
            same_heart=data.pop("same_heart", {}),
            border=None if border is None else Border(**border),
            margin_mm=_margin(**content["locator"]) if "locator" in content else None,
            training=TrainingRule(stages, **training),
            model=model,
            **data,  # an unknown key is a TypeError
        )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a complete recipe ({error})") from error
    both = set(recipe.validation) & set(recipe.test)
    if both:
        raise InputError(f"{path}: {', '.join(sorted(both))} cannot be used both for validation and for test")
    return recipe


def _read(path: Path, built_on: tuple[Path, ...] = ()) -> dict:
    """Return the content of a recipe with what it builds on.

    Args:
        built_on: the recipes that build on this one.
    """
    if resolved(path) in built_on:
        raise InputError(f"{path} builds on itself: correct `like`")
    text = read_text(path)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid TOML ({error})") from error
    other = content.pop("like", None)
    if other is None:
        return content
    return _merged(_read(path.parent / str(other), (*built_on, resolved(path))), content)


def _own_spacing_as_none(model: dict) -> dict:
    """Return the description of a model with None, which TOML does not have, for each spacing that is "own"."""
    geometry = dict(model.get("geometry", {}))
    if isinstance(geometry.get("spacing"), list):
        geometry["spacing"] = [None if step == "own" else step for step in geometry["spacing"]]
    return model | {"geometry": geometry}


def _merged(content: dict, changes: dict) -> dict:
    changed = {
        key: _merged(content[key], value) if isinstance(value, dict) and isinstance(content.get(key), dict) else value
        for key, value in changes.items()
    }
    return content | changed


def _margin(margin_mm: float) -> float:
    return margin_mm


def _stage(
    iterations: int, learning_rate: float, patches: list[list[int]], encoder_rate: float = 1.0, **rule: object
) -> Stage:
    return Stage(iterations, learning_rate, StackRule(patches=tuple(map(tuple, patches)), **rule), encoder_rate)
