"""The description of a model, as model.json gives it, and the checks of its values."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.checks import are_numbers, is_number
from ..core.errors import InputError
from ..core.plain_files import check_plain_file, file_digest
from ..core.structure import Segment, check_different
from ..network.options import NetworkOptions
from .rules import GeometryRule, IntensityRule, StateRule

if TYPE_CHECKING:
    from torch import Tensor

    from ..network.unet import CLSTMUNet4D


def check_name(name: object) -> None:
    """Raise an InputError unless this can be the name of a model and of its folder."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w. -]{0,99}", name):
        raise InputError(f"a model's name is letters, digits, dots, spaces, - and _, not {name!r}")


LOCATOR_PREFIX = "locator."
"""In the weights file of a model, the names of the weights of its locator begin with it."""


@dataclass(frozen=True)
class Locator:
    """A small network that finds the structures of a model in the whole frame, so that the model sees only their box.

    Its classes are those of the model.

    Attributes:
        network: the options of its network.
        geometry: its grid, usually a coarse one.
        margin_mm: margin on each side of the box of what it finds, in mm along H and W. Along D, the box holds all
            slices.

    Raises:
        InputError: the margin is not a length.
    """

    network: NetworkOptions
    geometry: GeometryRule
    margin_mm: float

    def __post_init__(self):
        if not is_number(self.margin_mm) or not 0 <= self.margin_mm <= 1000:
            raise InputError(f"locator: margin_mm must be a length from 0 to 1000 mm, not {self.margin_mm!r}")


@dataclass(frozen=True)
class Model:
    """A network, the rules to apply it, and its origin.

    Attributes:
        name: name of the model and of its folder; letters, digits, dots, spaces, - and _.
        title: the name for people.
        segments: the structures that the model segments; label n is the n-th.
        network: the options of the network.
        activation: "softmax" (class 0 is background) or "sigmoid" (every class is a segment).
        version, description, modality, licence, citation: texts for people.
        geometry: the axes and spacing of the frames that the network reads.
        intensity: how intensities are scaled.
        typical: the least and the greatest value of each measure of `engine.out_of_distribution` in the training;
            empty where they are not known.
        state: how long the recurrent state lasts.
        locator: finds the box of the frame that the network reads; None where it reads the whole frame.
        components: "largest" keeps only the largest connected component of all segments together; "all" keeps
            everything.
        training, scores: texts and figures for people.
        sha256: checksum of the weights file; empty where it is not known.
        weights: the weights file, or a state dict in RAM.

    Raises:
        InputError: a value is of the wrong kind, or two values contradict each other.
    """

    name: str
    title: str
    segments: tuple[Segment, ...]
    network: NetworkOptions
    activation: str
    version: str = "1"
    description: str = ""
    modality: str = ""
    licence: str = ""
    citation: str = ""
    geometry: GeometryRule = field(default_factory=GeometryRule)
    intensity: IntensityRule = field(default_factory=IntensityRule)
    typical: dict[str, tuple[float, float]] = field(default_factory=dict)
    state: StateRule = field(default_factory=StateRule)
    locator: Locator | None = None
    components: str = "all"
    training: dict[str, object] = field(default_factory=dict)
    scores: dict[str, object] = field(default_factory=dict)
    sha256: str = ""
    weights: Path | dict[str, Tensor] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        check_name(self.name)
        texts = (self.title, self.version, self.description, self.modality, self.licence, self.citation, self.sha256)
        if not all(isinstance(text, str) for text in texts):
            raise InputError(
                f"model {self.name}: title, version, description, modality, licence, citation and sha256 must be text"
            )
        if not all(isinstance(t, dict) for t in (self.training, self.scores, self.typical)):
            raise InputError(f"model {self.name}: training, scores and typical must be tables")
        for limits in self.typical.values():
            if not are_numbers(limits, 2):
                raise InputError(f"model {self.name}: typical must give the least and greatest value of each measure")
        expected = len(self.segments) + (self.activation == "softmax")
        if self.activation not in ("softmax", "sigmoid"):
            raise InputError(f"model {self.name}: unknown activation {self.activation!r}")
        if self.network.classes != expected:
            raise InputError(
                f"model {self.name}: {len(self.segments)} segments with {self.activation} need a network of "
                f"{expected} classes, but it has {self.network.classes}"
            )
        if self.locator is not None and self.locator.network.classes != self.network.classes:
            raise InputError(f"model {self.name}: its locator needs {self.network.classes} classes, as the model has")
        try:
            check_different(self.segments)
        except InputError as error:
            raise InputError(f"model {self.name}: {error}") from error
        if self.components not in ("largest", "all"):
            raise InputError(f"model {self.name}: unknown components rule {self.components!r}")
        if self.network.last_stage == "published" and self.geometry.patch is None:
            raise InputError(f"model {self.name}: a network with the published last stage needs its patch size")

    def build_network(self) -> CLSTMUNet4D:
        """Return the network with its weights as float32 on the CPU, in eval mode.

        Weights that are float32 already are shared with the network, not copied.

        Raises:
            InputError: the weights are missing or damaged, or do not fit the network.
        """
        import torch

        from ..network.unet import CLSTMUNet4D
        from .weights import load_weights

        with torch.device("meta"):  # no random weights, since the weights are loaded below
            network = CLSTMUNet4D(self.network)
        weights = {
            key: value.float() if value.is_floating_point() else value
            for key, value in self.stored_weights().items()
            if self.locator is None or not key.startswith(LOCATOR_PREFIX)
        }
        load_weights(network, weights, self.name)
        return network.eval()

    def locator_model(self) -> Model | None:
        """Return the locator as a model of its own, which segments single frames; None where there is no locator.

        Raises:
            InputError: the weights are missing or damaged.
        """
        if self.locator is None:
            return None
        return replace(
            self,
            name=f"{self.name} locator",
            network=self.locator.network,
            geometry=self.locator.geometry,
            typical={},
            state=StateRule("reset"),
            locator=None,
            components="largest",
            weights={key.removeprefix(LOCATOR_PREFIX): value for key, value in self.locator_weights().items()},
        )

    def locator_weights(self) -> dict[str, Tensor]:
        """Return the part of the stored weights that belongs to the locator, with the names that it has there."""
        weights = {} if self.locator is None else self.stored_weights()
        return {key: value for key, value in weights.items() if key.startswith(LOCATOR_PREFIX)}

    def stored_weights(self) -> dict[str, Tensor]:
        """Return all weights as they are stored, those of the locator included.

        Raises:
            InputError: the weights are missing or damaged.
        """
        return self.weights if isinstance(self.weights, dict) else self._read_weights()

    def _read_weights(self) -> dict[str, Tensor]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        check_plain_file(self.weights)
        try:
            digest = file_digest(self.weights)
        except OSError as error:
            raise InputError(f"model {self.name}: {self.weights} cannot be read ({error.strerror})") from error
        if self.sha256 and digest != self.sha256:
            raise InputError(
                f"model {self.name}: {self.weights.name} is not the file model.json was written for: copy both again"
            )
        try:
            mapped = load_file(self.weights)
        except SafetensorError as error:
            raise InputError(f"model {self.name}: {self.weights.name} is damaged ({error})") from error
        # Windows cannot replace a file that is mapped: nobody could teach this model again while it runs
        return {key: value.clone() for key, value in mapped.items()} if os.name == "nt" else mapped


RULES = (
    ("network", NetworkOptions),
    ("geometry", GeometryRule),
    ("intensity", IntensityRule),
    ("state", StateRule),
)
"""The tables in model.json: their keys, and the classes that they are read as."""


def described_model(content: dict, source: str, weights: Path | dict[str, Tensor] | None = None) -> Model:
    """Return the model that the content of a model.json describes.

    Args:
        content: the keys of model.json, which are the attributes of `Model`.
        source: name of the file, for messages.
        weights: see `Model`.

    Raises:
        InputError: a key is missing or unknown, or its value is of the wrong kind.
    """
    try:
        content = dict(content)
        for key, kind in RULES:
            if key in content:
                content[key] = _rule(kind, content[key])
        if content.get("locator") is not None:
            locator = {**content["locator"]}  # a TypeError where it is no table
            network, geometry = (_rule(kind, locator.pop(key)) for key, kind in RULES[:2])
            content["locator"] = Locator(network, geometry, **locator)
        content["segments"] = tuple(
            Segment(**{k: _tuples(v) if k == "color" else v for k, v in s.items()}) for s in content["segments"]
        )
        return Model(**content, weights=weights)
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{source} is not a complete model description ({error})") from error


def _rule(kind: type, values: dict) -> object:
    return kind(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: object) -> object:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
