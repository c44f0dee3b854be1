"""A structure that a model segments, and colours for structures without one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .checks import are_numbers
from .errors import InputError

COLUMNS = ("frame", "index_value")
"""What a report gives for each frame beside the volume of each segment, which it gives by the segment's name."""


@dataclass(frozen=True)
class Segment:
    """One structure that a model segments.

    Attributes:
        id: stable, and unique in the model.
        name: for people.
        color: red, green and blue, from 0 to 1.
        terminology: "category" and "type", each [coding scheme, code, meaning]; may be empty.
        ejecting_chamber: whether the structure is a chamber that ejects blood at every beat. Only such a segment has
            an ejection fraction.

    Raises:
        InputError: a value is missing or of the wrong kind, or the name has another meaning in reports.
    """

    id: str
    name: str
    color: tuple[float, float, float]
    terminology: dict[str, list[str]] = field(default_factory=dict)
    ejecting_chamber: bool = False

    def __post_init__(self):
        if not all(isinstance(text, str) and text for text in (self.id, self.name)):
            raise InputError("every segment needs an id and a name")
        if any(0xD800 <= ord(character) <= 0xDFFF for character in self.id + self.name):
            raise InputError(f"segment {self.name!r}: the name or the id has a character that is no text: rename it")
        if self.name in COLUMNS:
            raise InputError(f"a segment cannot be named {self.name!r}, as a column of the reports is: rename it")
        color = self.color
        if not isinstance(color, tuple) or not are_numbers(color, 3) or min(color) < 0 or max(color) > 1:
            raise InputError(f"segment {self.name}: color must be three numbers from 0 to 1, not {self.color}")
        codes = self.terminology.values() if isinstance(self.terminology, dict) else [None]
        if not all(
            isinstance(code, list) and len(code) == 3 and all(isinstance(c, str) for c in code) for code in codes
        ):
            raise InputError(f"segment {self.name}: terminology must give [scheme, code, meaning] for each entry")
        if not isinstance(self.ejecting_chamber, bool):
            raise InputError(f"segment {self.name}: ejecting_chamber must be true or false")


@dataclass(frozen=True)
class SegmentSet:
    """The segments of a result that no model made. Where results are written, it stands in the place of a model.

    Attributes:
        title: for people; what the result is called.
        segments: segment n has the label n, counted from 1.
    """

    title: str
    segments: tuple[Segment, ...]


def check_different(segments: Sequence[Segment]) -> None:
    """Raise an InputError if two segments have the same id or the same name, by which tables and reports tell them."""
    for what, texts in (("id", [s.id for s in segments]), ("name", [s.name for s in segments])):
        same = next((text for text in texts if texts.count(text) > 1), None)
        if same is not None:
            raise InputError(f"two segments have the same {what} {same!r}: give each one its own")


PALETTE = ((0.90, 0.62, 0.0), (0.34, 0.71, 0.91), (0.0, 0.62, 0.45), (0.94, 0.89, 0.26), (0.80, 0.47, 0.65))
"""Colours that most colour-blind people can distinguish (Okabe and Ito 2008)."""


def numbered_names(count: int) -> list[str]:
    """Return names for the labels 1 to `count`, which have none."""
    return [f"Segment {n}" for n in range(1, count + 1)]


def named_segments(names: Sequence[str], ejecting_chambers: Sequence[str] = ()) -> tuple[Segment, ...]:
    """Return a segment for each name, in the colours of `PALETTE`.

    Args:
        names: names of the labels 1, 2, ...
        ejecting_chambers: those among them that are chambers which eject blood.

    Raises:
        InputError: two segments have the same name, or an ejecting chamber is none of them.
    """
    unknown = [name for name in ejecting_chambers if name not in names]
    if unknown:
        raise InputError(f"ejecting chamber {', '.join(unknown)}: the segments are {', '.join(names)}")
    segments = tuple(
        Segment(f"segment-{n}", name, PALETTE[(n - 1) % len(PALETTE)], ejecting_chamber=name in ejecting_chambers)
        for n, name in enumerate(names, 1)
    )
    check_different(segments)
    return segments
