"""Model bundles: a folder with model.json and weights.safetensors, read and written."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import InputError
from ..core.plain_files import check_path, read_text
from ..core.plain_text import plain_json
from .description import RULES, Model, described_model

if TYPE_CHECKING:
    from torch import Tensor


FORMAT = 2
"""Format of model.json. Format 1 is read too: there, `state` was `time`, and `warm_up_frames` was `prime`."""

MODELS_FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "Models"
"""The folder of the models that come with the extension."""


def bundled_models() -> list[str]:
    """Return the names of the models that come with the extension."""
    return sorted(path.parent.name for path in MODELS_FOLDER.glob("*/model.json"))


def load_model(source: str | os.PathLike) -> Model:
    """Return a model.

    Args:
        source: the name of a bundled model, the folder of a bundle, or a published checkpoint (`.pth`). A `Path` is
            never a name.

    Raises:
        InputError: there is no such file or folder, or it is not a model.
    """
    check_path(Path(source))
    path, folder_here = model_path(source), Path(source).absolute()
    if path != Path(source) and folder_here != path and (folder_here / "model.json").is_file():
        logging.getLogger(__name__).warning(
            "model %s is the one of the extension; for the folder of this name here, give %r", source, str(folder_here)
        )
    if path.suffix.lower() in (".pth", ".pt"):
        from .published import published_model  # imports torch, which takes seconds

        return published_model(path)
    if not (path / "model.json").is_file():
        raise InputError(
            f"no model {str(source)!r}: give a bundled one ({', '.join(bundled_models()) or 'there are none'}), "
            "a folder with model.json, or a .pth file"
        )
    return read_bundle(path)


def model_path(source: str | os.PathLike) -> Path:
    """Return the path of the model that `load_model` reads; the name of a bundled model is no folder of this name."""
    bundled = MODELS_FOLDER / source
    is_name = Path(source).name == source
    return bundled if is_name and (bundled / "model.json").is_file() else Path(source)


def read_bundle(folder: Path) -> Model:
    """Read the description of the model in a folder. Its weights are read when the network is built.

    Raises:
        InputError: model.json is missing or damaged, or does not describe a model.
    """
    path = folder / "model.json"
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") not in (1, FORMAT):
        raise InputError(f"{path} is not a model description of format 1 to {FORMAT}")
    if content.pop("format") == 1:
        _rename_keys_of_format_1(content)
    return described_model(content, str(path), folder / "weights.safetensors")


def _rename_keys_of_format_1(content: dict) -> None:
    if "time" in content:
        content["state"] = content.pop("time")
    state = content.get("state")
    if isinstance(state, dict) and "prime" in state:
        state["warm_up_frames"] = state.pop("prime")


def write_bundle(model: Model, state_dict: dict[str, Tensor], folder: Path) -> Model:
    """Write the bundle of a model.

    Args:
        model: the description.
        state_dict: the weights, those of a locator included; see `Model.stored_weights`.
        folder: the bundle; it is created, and must not hold a model yet.

    Returns:
        The model, read from the new folder.

    Raises:
        InputError: the folder already holds a model.
    """
    from safetensors.torch import save as save_safetensors

    if any((folder / name).exists() for name in ("model.json", "weights.safetensors")):
        raise InputError(f"{folder} already holds a model: choose another folder")
    weights = save_safetensors({k: v.contiguous() for k, v in state_dict.items()})
    content = _description(model) | {"sha256": hashlib.sha256(weights).hexdigest()}
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / "weights.safetensors").write_bytes(weights)
        (folder / "model.json").write_text(plain_json(content) + "\n", encoding="utf-8")
    except BaseException:  # a model that is written in part stands in the way of the next attempt
        for name in ("model.json", "weights.safetensors"):
            (folder / name).unlink(missing_ok=True)
        if new:
            folder.rmdir()
        raise
    return read_bundle(folder)


def model_digest(model: Model) -> str:
    """Return the SHA-256 of a model: its description, and its weights as float32, in whatever file they are.

    Raises:
        InputError: the weights cannot be read.
    """
    digest = hashlib.sha256(json.dumps(_description(model), sort_keys=True).encode())
    for key, value in sorted(model.stored_weights().items()):
        digest.update(key.encode())
        digest.update((value.float() if value.is_floating_point() else value).contiguous().numpy().data)
    return digest.hexdigest()


def description_digest(model: Model) -> str:
    """Return the SHA-256 of all that is known about a model without reading its weights; this is quick.

    The checksum of the weights file is part of it, so that another model has another digest.
    """
    content = _description(model) | {"sha256": model.sha256}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _description(model: Model) -> dict[str, object]:
    """Return the content of a model.json, except the checksum of the weights file."""
    content = {"format": FORMAT} | {
        f.name: getattr(model, f.name) for f in fields(model) if f.name not in ("weights", "sha256", "locator")
    }
    for key, _ in RULES:
        content[key] = asdict(content[key])
    if model.locator is not None:
        content["locator"] = asdict(model.locator)
    content["segments"] = [asdict(s) for s in model.segments]
    return content
