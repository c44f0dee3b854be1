"""A training's configuration file: data split, stacks, schedule, and the model it makes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..model.description import Model, described_model
from ..phantoms.airway import AirwayPhantom
from ..phantoms.heart import HeartPhantom
from ..phantoms.phantom import Phantom
from .sparse_labels import Rim
from .stacks import StackRule
from .trainer import Stage, TrainingRule

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

PHANTOMS: dict[str, Callable[[int], Phantom]] = {"heart": HeartPhantom, "airway": AirwayPhantom}


@dataclass(frozen=True)
class Configuration:
    """What a training file says.

    Attributes:
        phantom: makes a phantom from a seed.
        validation, test: names of hearts that are not trained on; without any, no real data are
            needed, and phantoms are for training and validation.
        left_out: names of hearts that are not used at all, as their annotations are wrong.
        rim: what anatomy says where a surrounding class was not drawn.
        model: what will be trained, without weights.
    """

    phantom: Callable[[int], Phantom]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    left_out: tuple[str, ...]
    rim: Rim | None
    training: TrainingRule
    model: Model


def read_configuration(path: Path) -> Configuration:
    """Read a training file.

    One that begins with `like = "OTHER.toml"` says only what differs from that file beside it: tables
    are merged, anything else is replaced.

    Raises:
        InputError: it cannot be read, or something in it is missing, unknown or contradictory.
    """
    content = _read(path)
    try:
        model = described_model(content["model"], str(path))
        if model.geometry.spacing is None:
            raise InputError(f"{path}: training needs [model.geometry] spacing")
        training = dict(content["training"])
        stages = tuple(_stage(**stage) for stage in training.pop("stages"))
        configuration = Configuration(
            PHANTOMS[content["data"]["phantom"]],
            tuple(content["data"].get("validation", ())),
            tuple(content["data"].get("test", ())),
            tuple(content["data"].get("left_out", ())),
            Rim(**content["data"]["rim"]) if "rim" in content["data"] else None,
            TrainingRule(stages, **training),
            model,
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not a complete training file ({error})") from error
    both = set(configuration.validation) & set(configuration.test)
    if both:
        raise InputError(f"{path}: {', '.join(sorted(both))} cannot be for validation and for test")
    return configuration


def _read(path: Path) -> dict:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML ({error})") from error
    other = content.pop("like", None)
    return content if other is None else _merged(_read(path.parent / other), content)


def _merged(content: dict, changes: dict) -> dict:
    changed = {
        key: _merged(content[key], value) if isinstance(value, dict) and isinstance(content.get(key), dict) else value
        for key, value in changes.items()
    }
    return content | changed


def _stage(iterations: int, learning_rate: float, patches: list[list[int]], **rule: object) -> Stage:
    return Stage(iterations, learning_rate, StackRule(patches=tuple(map(tuple, patches)), **rule))
