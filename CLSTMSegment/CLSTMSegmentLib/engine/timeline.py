"""Time rules: which frames share a memory, which are read only to remember, which are segmented."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .errors import InputError

RULES = ("carry", "window", "reset")


@dataclass(frozen=True)
class TimeRule:
    """How long the network's memory lasts.

    Attributes:
        rule: "carry" keeps it to the end, "window" empties it every `window` frames, "reset"
            at every frame (no memory: the per-frame baseline).
        window: frames a memory lasts, for "window".
        prime: frames with which an empty memory is warmed: those before it in the sequence;
            before frame 0 the last ones where the sequence is cyclic (a heartbeat), else the
            frames after it, backwards.
        cyclic: whether the last frame is followed by the first.
    """

    rule: str = "carry"
    window: int = 5
    prime: int = 0
    cyclic: bool = False

    def __post_init__(self):
        if self.rule not in RULES:
            raise InputError(f"unknown time rule {self.rule!r}: use carry, window:N or reset")
        if not isinstance(self.window, int) or not isinstance(self.prime, int) or not isinstance(self.cyclic, bool):
            raise InputError("a time window and prime are whole numbers, and cyclic is true or false")
        if self.window < 1 or self.prime < 0:
            raise InputError("a time window needs at least 1 frame, and prime at least 0")

    @classmethod
    def parse(cls, text: str, prime: int, cyclic: bool) -> "TimeRule":
        """The rule that "carry", "window:N" or "reset" names."""
        name, _, count = text.partition(":")
        if (name == "window") != count.isdecimal():
            raise InputError(f"unknown time rule {text!r}: use carry, window:N or reset")
        return cls(name, int(count) if count else 5, prime, cyclic)

    def with_options(self, text: str | None, prime: int | None) -> "TimeRule":
        """This rule with what a user changes of it; None for what is left as it is."""
        return TimeRule.parse(str(self) if text is None else text, self.prime if prime is None else prime, self.cyclic)

    def __str__(self) -> str:
        return f"window:{self.window}" if self.rule == "window" else self.rule


@dataclass(frozen=True)
class Stack:
    """Frames that share one memory.

    Attributes:
        frames: all frames of the sequence that belong to it.
        steps: (frame, wanted) in the order to read; a frame that is not wanted is read only
            so that the memory is what it would be in the whole run.
    """

    frames: range
    steps: list[tuple[int, bool]]


def plan_stacks(count: int, wanted: Sequence[int], rule: TimeRule) -> Iterator[Stack]:
    """The stacks to run, in order, so that the wanted frames come out as in a run over all.

    Args:
        count: frames in the sequence.
        wanted: frame numbers to segment, ascending.
    """
    length = {"carry": count, "window": rule.window, "reset": 1}[rule.rule]
    for start in range(0, count, max(length, 1)):
        frames = range(start, min(start + length, count))
        inside = {t for t in wanted if t in frames}
        if not inside:
            continue
        steps = [] if rule.rule == "reset" else [(t, False) for t in _priming(count, start, rule)]
        steps += [(t, t in inside) for t in range(start, max(inside) + 1)]
        yield Stack(frames, steps)


def _priming(count: int, start: int, rule: TimeRule) -> list[int]:
    if start > 0:
        return list(range(max(start - rule.prime, 0), start))
    if rule.cyclic:
        return [(t % count) for t in range(count - rule.prime, count)]
    return list(range(min(rule.prime, count - 1), 0, -1))
