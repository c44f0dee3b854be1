"""Model bundles: a folder with model.json and weights.safetensors.

Reading a description needs no torch, which takes seconds to import: who only shows models does not wait.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from .checks import are_numbers, is_number
from .errors import InputError
from .frames import GeometryRule
from .intensity import IntensityRule
from .timeline import TimeRule

if TYPE_CHECKING:
    from torch import Tensor

    from .network import CLSTMUNet4D

FORMAT = 1
MODELS_FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "Models"
PUBLISHED_PATCH = (64, 64, 64)


@dataclass(frozen=True)
class Segment:
    """One structure that a model finds.

    Attributes:
        id: stable and unique in the model.
        color: red, green, blue, 0 to 1.
        terminology: "category" and "type", each [coding scheme, code, meaning]; may be empty.
    """

    id: str
    name: str
    color: tuple[float, float, float]
    terminology: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self):
        if not all(isinstance(text, str) and text for text in (self.id, self.name)):
            raise InputError("every segment needs an id and a name")
        color = self.color
        if not isinstance(color, tuple) or not are_numbers(color, 3) or min(color) < 0 or max(color) > 1:
            raise InputError(f"segment {self.name}: color must be three numbers from 0 to 1, not {self.color}")
        codes = self.terminology.values() if isinstance(self.terminology, dict) else [None]
        if not all(
            isinstance(code, list) and len(code) == 3 and all(isinstance(c, str) for c in code) for code in codes
        ):
            raise InputError(f"segment {self.name}: terminology must give [scheme, code, meaning] for each entry")


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

        from .checkpoint import load_weights
        from .network import CLSTMUNet4D

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


def bundled_models() -> list[str]:
    """Names of the models that come with the extension."""
    return sorted(path.parent.name for path in MODELS_FOLDER.glob("*/model.json"))


def load_model(source: str | os.PathLike) -> Model:
    """A model by the name of a bundled one, by its folder, or from a published `.pth`.

    Raises:
        InputError: nothing there, or what is there is not a model.
    """
    path = Path(source)
    if path.suffix.lower() in (".pth", ".pt"):
        return published_model(path)
    if not (path / "model.json").is_file():
        bundled = MODELS_FOLDER / path.name
        if path.name != str(source) or not (bundled / "model.json").is_file():
            raise InputError(
                f"no model {str(source)!r}: give a bundled one ({', '.join(bundled_models()) or 'there are none'}), "
                "a folder with model.json, or a .pth file"
            )
        path = bundled
    return read_bundle(path)


def read_bundle(folder: Path) -> Model:
    """Read model.json; the weights are read when the network is built."""
    path = folder / "model.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not a model description of format {FORMAT}")
    del content["format"]
    return described_model(content, str(path), folder / "weights.safetensors")


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


def write_bundle(model: Model, state_dict: dict[str, Tensor], folder: Path) -> Model:
    """Write a bundle; the folder is made, and must not hold another model.

    Returns:
        The model as read back from the folder.
    """
    from safetensors.torch import save as save_safetensors

    if (folder / "model.json").exists():
        raise InputError(f"{folder} already holds a model: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    weights = save_safetensors({k: v.contiguous() for k, v in state_dict.items()})
    content = {"format": FORMAT} | {
        f.name: getattr(model, f.name) for f in fields(model) if f.name not in ("weights", "sha256")
    }
    for key in ("geometry", "intensity", "time"):
        content[key] = asdict(content[key])
    content["segments"] = [asdict(s) for s in model.segments]
    content["sha256"] = hashlib.sha256(weights).hexdigest()
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "model.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return read_bundle(folder)


PALETTE = ((0.90, 0.62, 0.0), (0.34, 0.71, 0.91), (0.0, 0.62, 0.45), (0.94, 0.89, 0.26), (0.80, 0.47, 0.65))
"""Colours that most colour-blind people tell apart (Okabe and Ito 2008)."""


def published_model(path: Path) -> Model:
    """A published checkpoint with exactly the handling it was trained with.

    Its training: stacks of 5 frames with an empty memory each, the image's own index axes and
    spacing, min-max over the stack to [0, 1], below 0.08 set to 0, cropped to what is above 0,
    patches of 64 x 64 x 64.
    """
    from .checkpoint import network_options, read_published

    state_dict = read_published(path)
    options = network_options(state_dict)
    classes = options["classes"]
    model = Model(
        name=re.sub(r"[^\w. -]", "-", path.stem[:100]).lstrip(". -") or "model",
        title=path.stem,
        description="Imported from a published checkpoint.",
        segments=tuple(
            Segment(f"segment-{n + 1}", f"Segment {n + 1}", PALETTE[n % len(PALETTE)]) for n in range(classes)
        ),
        network=options,
        activation="sigmoid",
        geometry=GeometryRule(patch=PUBLISHED_PATCH, crop="foreground"),
        intensity=IntensityRule(scale="min-max", over="stack", zero_below=0.08),
        time=TimeRule("window", 5),
        weights=state_dict,
    )
    model.build_network()
    return model
