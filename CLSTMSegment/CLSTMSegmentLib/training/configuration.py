"""A training's configuration file: data split, stacks, schedule, and the model it makes."""

from dataclasses import dataclass
from pathlib import Path

from ..engine.bundle import Model, described_model
from ..engine.errors import InputError
from .stacks import StackRule
from .train import TrainingRule

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


@dataclass(frozen=True)
class Configuration:
    """What a training file says.

    Attributes:
        validation, test: names of hearts that are not trained on.
        model: what will be trained, without weights.
    """

    validation: tuple[str, ...]
    test: tuple[str, ...]
    stacks: StackRule
    training: TrainingRule
    model: Model


def read_configuration(path: Path) -> Configuration:
    """Read a training file.

    Raises:
        InputError: it cannot be read, or something in it is missing, unknown or contradictory.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML ({error})") from error
    try:
        model = described_model(content["model"], str(path))
        if model.geometry.spacing is None:
            raise InputError(f"{path}: training needs [model.geometry] spacing")
        stacks = content["stacks"] | {
            "patch": tuple(content["stacks"]["patch"]),
            "spacing": model.geometry.spacing,
            "intensity": model.intensity,
        }
        configuration = Configuration(
            tuple(content["data"]["validation"]),
            tuple(content["data"]["test"]),
            StackRule(**stacks),
            TrainingRule(**content["training"]),
            model,
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not a complete training file ({error})") from error
    both = set(configuration.validation) & set(configuration.test)
    if both:
        raise InputError(f"{path}: {', '.join(sorted(both))} cannot be for validation and for test")
    return configuration
