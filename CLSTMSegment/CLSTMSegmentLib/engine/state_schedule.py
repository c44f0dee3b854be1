"""The order in which the recurrent state reads the frames of a sequence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model.rules import TimeRule


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
