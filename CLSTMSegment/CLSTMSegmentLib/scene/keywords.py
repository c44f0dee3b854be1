"""The keywords of the two calls in the Python console, `segment` and `teach`, as settings."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from ..core.errors import InputError
from ..engine.settings import RunSettings, frames_text
from ..teaching.teaching_settings import TeachingSettings


def runSettings(model: str | Path, keywords: Mapping[str, object], others: Iterable[str] = ()) -> RunSettings:
    """Return the settings of a run.

    Args:
        model: see `RunSettings.model`.
        keywords: the other fields of `RunSettings`; `frames` may be a sequence of numbers, or None for all frames.
        others: keywords of the call that are no fields, for the message about an unknown one.

    Raises:
        InputError: an unknown keyword, or a value that makes no sense.
    """
    _checkNames(keywords, (_fieldNames(RunSettings) - {"model", "series"}).union(others))
    frames = keywords.get("frames", "all")
    if not isinstance(frames, str):
        frames = "all" if frames is None else frames_text(list(frames))
    return RunSettings(str(model), **{**keywords, "frames": frames})


def checkTeachingKeywords(keywords: Mapping[str, object]) -> None:
    """Raise an InputError that names the known keywords if one of the given ones is unknown to `teach`."""
    known = _fieldNames(TeachingSettings) - {"name", "segments", "propagated_frames"}
    _checkNames(keywords, known | {"marks", "ejecting_chambers", "learn_from_propagated", "runOn"})


def _fieldNames(settingsClass: type) -> set[str]:
    return {field.name for field in fields(settingsClass)}


def _checkNames(keywords: Mapping[str, object], known: set[str]) -> None:
    unknown = set(keywords) - known
    if unknown:
        raise InputError(f"unknown settings {', '.join(sorted(unknown))}: use {', '.join(sorted(known))}")
