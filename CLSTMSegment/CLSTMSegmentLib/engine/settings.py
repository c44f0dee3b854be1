"""The settings of a run: one form for the command line, the panel, the console, the job folder and a cohort."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from ..core.boxes import Shape, read_shape
from ..core.device_names import check_device_name
from ..core.errors import InputError
from ..model.rules import StateRule
from .region import Region

DEFAULT_MODEL = "cardiac-cine-lv"
MOST_RAM_GB = 1e6
"""A RAM limit in GB that no computer reaches."""

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""Precisions in which a run can compute; `core.devices.choose_precision` says what "auto" is on which device."""


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run.

    Attributes:
        model: name of a bundled model, folder of a model, or path of a published checkpoint (`.pth`).
        frames: "all", a slice such as "0:20:2", or numbers such as "0,5,7", ascending and counted from 0. The labels
            of a frame do not depend on which other frames are chosen.
        region: box in space outside of which every label is 0; None for the whole image.
        device: "auto" (the first GPU that works, else the CPU), "cpu", "cuda", "cuda:N" or "mps".
        precision: one of `PRECISIONS`.
        tile: size (D, H, W) of a tile in voxels of the model's grid; None for the largest that fits into memory.
        overlap: smallest fraction of its size that a tile shares with its neighbour, from 0 to below 1.
        ram_gb: limit in GB for the RAM of the whole process on a CPU, which decides the size of a tile; None for no
            limit.
        state_rule: how long the recurrent state lasts, "carry", "window:N" or "reset"; None for the model's own rule.
        warm_up_frames: number of frames that are read into an empty recurrent state; None for the model's own number.
        series: number of the series in a DICOM folder, counted from 1; None for the only one. Not for a scene.

    Raises:
        InputError: a value that no model and no sequence can allow.
    """

    model: str = DEFAULT_MODEL
    frames: str = "all"
    region: Region | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: Shape | None = None
    overlap: float = 0.25
    ram_gb: float | None = None
    state_rule: str | None = None
    warm_up_frames: int | None = None
    series: int | None = None

    def __post_init__(self):
        if not self.model:
            raise InputError("no model: give the name of a bundled one, a folder with model.json, or a .pth file")
        if self.precision not in PRECISIONS:
            raise InputError(f"unknown precision {self.precision!r}: use {', '.join(PRECISIONS)}")
        if not 0 <= self.overlap < 1:
            raise InputError(f"overlap must be at least 0 and below 1, not {self.overlap}")
        if self.ram_gb is not None and not 0 < self.ram_gb < MOST_RAM_GB:
            raise InputError(f"the RAM limit must be more than 0 GB and below {MOST_RAM_GB:g}, not {self.ram_gb:g}")
        if self.series is not None and self.series < 1:
            raise InputError(f"series are counted from 1, not {self.series}")
        check_device_name(self.device)
        StateRule().changed(self.state_rule, self.warm_up_frames)
        _frame_choice(self.frames)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str | None]) -> "RunSettings":
        """Return the settings that a user typed.

        Args:
            texts: the text of each attribute, by its name. An attribute without a text, or with an empty one, takes its
                default. `region` is six numbers in mm RAS, R0 R1 A0 A1 S0 S1; `tile` is D,H,W or auto.

        Raises:
            InputError: a text that cannot be read, or a value that no model and no sequence can allow.
        """
        given = {name: text.strip() for name, text in texts.items() if text is not None and text.strip()}
        if given.get("tile") == "auto":
            del given["tile"]
        return cls(**{name: _READERS.get(name, _text)(name, text) for name, text in given.items()})

    def frame_numbers(self, count: int) -> list[int]:
        """Return the numbers of the frames to segment, ascending.

        Args:
            count: number of frames in the sequence.

        Raises:
            InputError: the sequence is empty, or does not have one of the frames.
        """
        if count == 0:
            raise InputError("the sequence has no frames")
        choice = _frame_choice(self.frames)
        chosen = list(range(count)[choice]) if isinstance(choice, slice) else choice
        if not chosen or chosen[0] < 0 or chosen[-1] >= count:
            raise InputError(f"frames {self.frames}: the sequence has frames 0 to {count - 1}")
        return chosen

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "RunSettings":
        """Return the settings that `to_json` wrote.

        Raises:
            InputError: the text is not the JSON of run settings, or a value is not allowed.
        """
        try:
            content = json.loads(text)
            unknown = set(content) - {field.name for field in fields(cls)}
            if unknown:
                raise InputError(f"unknown run settings: {', '.join(sorted(unknown))}")
            if content.get("tile") is not None:
                content["tile"] = tuple(content["tile"])
            if content.get("region") is not None:
                content["region"] = Region.from_dict(content["region"])
            return cls(**content)
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"these are no run settings ({error})") from error


def frames_text(numbers: list[int]) -> str:
    """Return the text for `RunSettings.frames` that names the frames of these numbers."""
    return ",".join(map(str, numbers))


def _frame_choice(text: str) -> slice | list[int]:
    if text == "all":
        return slice(None)
    try:
        if ":" in text:
            choice = slice(*(int(part) if part.strip() else None for part in text.split(":")))
            range(1)[choice]  # raises a ValueError for a step of 0
        else:
            choice = [int(part) for part in text.split(",")]
    except (TypeError, ValueError) as error:
        raise InputError(f"frames {text}: give a slice such as 0:20:2 or a list such as 0,5,7") from error
    steps = [choice.step or 1] if isinstance(choice, slice) else map(int.__sub__, choice[1:], choice)
    if min(steps, default=1) < 1:
        raise InputError(
            f"frames {text}: the result has the frames in their order in time, each one once: give ascending numbers, "
            "such as 0:20:2 or 0,5,7"
        )
    return choice


def _text(name: str, text: str) -> str:
    return text


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{name.replace('_', ' ')}: {text!r} is not a number") from error


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"{name.replace('_', ' ')}: {text!r} is not a whole number") from error


def _region(name: str, text: str) -> Region:
    bounds = [_number(name, part) for part in text.split()]
    if len(bounds) != 6:
        raise InputError(f"region {text!r}: give six numbers in mm, R0 R1 A0 A1 S0 S1")
    return Region.from_ras_bounds(tuple(bounds))


_READERS = {
    "region": _region,
    "tile": lambda name, text: read_shape(text),
    "overlap": _number,
    "ram_gb": _number,
    "warm_up_frames": _whole_number,
    "series": _whole_number,
}
