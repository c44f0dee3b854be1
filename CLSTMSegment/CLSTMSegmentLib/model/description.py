"""The description of a model: what model.json says, checked."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.checks import are_numbers, is_number
from ..core.errors import InputError
from ..core.segment import Segment
from .rules import GeometryRule, IntensityRule, TimeRule

if TYPE_CHECKING:
    from torch import Tensor

    from ..network.unet import CLSTMUNet4D


def check_name(name: object) -> None:
    """Raise an InputError unless this can be a model's name, and that of its folder."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w. -]{0,99}", name):
        raise InputError(f"a model's name is letters, digits, dots, spaces, - and _, not {name!r}")


NETWORK_LIMITS = {"in_channels": 64, "classes": 255, "width": 1024, "lstm_layers": 16, "lstm_kernel_size": 15}
"""Largest sensible values: a description must not make the computer allocate without end."""


@dataclass(frozen=True)
class Model:
    """A network with all that is needed to apply it, and where it comes from.

    Attributes:
        network: keyword arguments of `CLSTMUNet4D`.
        activation: "softmax" (class 0 is background) or "sigmoid" (every class is a segment).
        typical: least and greatest value, over the training, of each of `familiarity.MEASURES`; empty
            where it is not known.
        components: "largest" keeps only the largest connected piece of all segments together;
            "all" keeps everything.
        training, scores: free text and figures for people.
        sha256: of the weights file; empty where it is not known.
        weights: the file, or a state dict already in memory.
    """

    name: str
    title: str
    segments: tuple[Segment, ...]
    network: dict[str, object]
    activation: str
    version: str = "1"
    description: str = ""
    modality: str = ""
    licence: str = ""
    citation: str = ""
    geometry: GeometryRule = field(default_factory=GeometryRule)
    intensity: IntensityRule = field(default_factory=IntensityRule)
    typical: dict[str, tuple[float, float]] = field(default_factory=dict)
    time: TimeRule = field(default_factory=TimeRule)
    components: str = "all"
    training: dict[str, object] = field(default_factory=dict)
    scores: dict[str, object] = field(default_factory=dict)
    sha256: str = ""
    weights: Path | dict[str, Tensor] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        check_name(self.name)
        texts = (self.title, self.version, self.description, self.modality, self.licence, self.citation, self.sha256)
        if not all(isinstance(text, str) for text in texts):
            raise InputError(f"model {self.name}: title, version and all that describes it must be text")
        if not all(isinstance(t, dict) for t in (self.network, self.training, self.scores, self.typical)):
            raise InputError(f"model {self.name}: network, training, scores and typical must be tables")
        for option, most in NETWORK_LIMITS.items():
            value = self.network.get(option, 1)
            if not is_number(value, whole=True) or not 1 <= value <= most:
                raise InputError(f"model {self.name}: {option} must be a whole number from 1 to {most}, not {value!r}")
        for limits in self.typical.values():
            if not are_numbers(limits, 2):
                raise InputError(f"model {self.name}: typical must give the least and greatest value of each measure")
        classes = self.network.get("classes")
        expected = len(self.segments) + (self.activation == "softmax")
        if self.activation not in ("softmax", "sigmoid"):
            raise InputError(f"model {self.name}: unknown activation {self.activation!r}")
        if classes != expected:
            raise InputError(
                f"model {self.name}: {len(self.segments)} segments with {self.activation} need a network of "
                f"{expected} classes, but it has {classes}"
            )
        if len({s.id for s in self.segments}) != len(self.segments):
            raise InputError(f"model {self.name}: two segments have the same id")
        if self.components not in ("largest", "all"):
            raise InputError(f"model {self.name}: unknown components rule {self.components!r}")
        if self.network.get("last_stage") == "published" and self.geometry.patch is None:
            raise InputError(f"model {self.name}: a network with the published last stage needs its patch size")

    def build_network(self) -> CLSTMUNet4D:
        """The network with its weights, float32, on the CPU, in eval mode; float32 weights are not copied.

        Raises:
            InputError: the weights are missing, damaged or do not fit.
        """
        import torch

        from ..network.unet import CLSTMUNet4D
        from .weights import load_weights

        try:
            with torch.device("meta"):  # random weights would be made for nothing
                network = CLSTMUNet4D(**self.network)
        except (TypeError, ValueError) as error:
            raise InputError(f"model {self.name}: the network in model.json cannot be built ({error})") from error
        state_dict = self.weights if isinstance(self.weights, dict) else self._read_weights()
        load_weights(network, {k: v.float() if v.is_floating_point() else v for k, v in state_dict.items()}, self.name)
        return network.eval()

    def _read_weights(self) -> dict[str, Tensor]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        digest = hashlib.sha256()
        try:
            with self.weights.open("rb") as file:
                while chunk := file.read(2**20):
                    digest.update(chunk)
        except OSError as error:
            raise InputError(f"model {self.name}: {self.weights} cannot be read ({error.strerror})") from error
        if self.sha256 and digest.hexdigest() != self.sha256:
            raise InputError(f"model {self.name}: {self.weights.name} is not the file model.json was written for")
        try:
            mapped = load_file(self.weights)
        except SafetensorError as error:
            raise InputError(f"model {self.name}: {self.weights.name} is damaged ({error})") from error
        # where a mapped file cannot be replaced, nobody could teach this model again while it runs
        return {key: value.clone() for key, value in mapped.items()} if os.name == "nt" else mapped


def described_model(content: dict, source: str, weights: Path | dict[str, Tensor] | None = None) -> Model:
    """A model from the keys of model.json, which are `Model`'s attributes.

    Args:
        source: where the description is from, for messages.

    Raises:
        InputError: keys are missing, unknown, or of the wrong kind.
    """
    try:
        content = dict(content)
        for key, kind in (("geometry", GeometryRule), ("intensity", IntensityRule), ("time", TimeRule)):
            if key in content:
                content[key] = kind(**{k: _tuples(v) for k, v in content[key].items()})
        content["segments"] = tuple(
            Segment(**{k: _tuples(v) if k == "color" else v for k, v in s.items()}) for s in content["segments"]
        )
        return Model(**content, weights=weights)
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{source} is not a complete model description ({error})") from error


def _tuples(value: object) -> object:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
