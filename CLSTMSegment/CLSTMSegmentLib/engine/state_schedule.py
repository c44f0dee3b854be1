"""The order in which the recurrent state reads the frames of a sequence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model.rules import StateRule

MOST_CYCLES = 2
"""Number of cycles of a cyclic sequence after which a recurrent state learns nothing new from further ones."""

FEW_FRAMES = 10
"""Number of warm-up frames that are always read, however short the cycle is."""

MOST_TIMES_LONGER = 3
"""How many times longer a run may take for its warm-up frames before this is said."""


@dataclass(frozen=True)
class Stack:
    """Frames that share one recurrent state.

    Attributes:
        frames: numbers of all frames of the sequence that belong to the stack.
        steps: (frame, wanted) in the order in which the frames are read. A frame that is not wanted is read only to
            bring the state to the same values as in a run over the whole sequence.
    """

    frames: range
    steps: list[tuple[int, bool]]


@dataclass(frozen=True)
class StateSchedule:
    """The order in which the recurrent state reads a sequence, for runs, validation and training.

    Attributes:
        rule: how long the state lasts, and how an empty state is warmed up.
        count: number of frames in the sequence.
    """

    rule: StateRule
    count: int

    def stacks(self, wanted: Sequence[int]) -> Iterator[Stack]:
        """Yield the stacks that give the wanted frames the same labels as a run over the whole sequence.

        Args:
            wanted: frame numbers to segment, ascending.
        """
        length = {"carry": self.count, "window": self.rule.window, "reset": 1}[self.rule.rule]
        for start in range(0, self.count, max(length, 1)):
            frames = range(start, min(start + length, self.count))
            inside = {t for t in wanted if t in frames}
            if not inside:
                continue
            steps = [] if self.rule.rule == "reset" else [(t, False) for t in self._warm_up(start)]
            steps += [(t, t in inside) for t in range(start, max(inside) + 1)]
            yield Stack(frames, steps)

    def order_for(self, frame: int) -> list[int]:
        """Return the frames that the state reads up to one frame, that frame included, in the order of a run."""
        (stack,) = self.stacks([frame])
        return [t for t, _ in stack.steps]

    def cost(self) -> str | None:
        """Return what the warm-up frames cost in time, in words; None where it is little."""
        frames = sum(len(stack.steps) for stack in self.stacks(range(self.count)))
        if frames - self.count <= max((MOST_TIMES_LONGER - 1) * self.count, 2 * FEW_FRAMES):
            return None
        return (
            f"{self.rule.warm_up_frames} warm-up frames: a run over all frames takes about {frames / self.count:.0f} "
            "times as long as without; a lower number is faster"
        )

    def _warm_up(self, start: int) -> list[int]:
        """Return the warm-up frames of a stack that begins at frame `start`, in their order."""
        if start > 0:
            return list(range(max(start - self.rule.warm_up_frames, 0), start))
        most = max(MOST_CYCLES * self.count, FEW_FRAMES) if self.rule.cyclic else self.count - 1
        count = min(self.rule.warm_up_frames, most)
        return [frame_at(position, self.count, self.rule.cyclic) for position in range(-count, 0)]


def frame_at(position: int, count: int, cyclic: bool) -> int:
    """Return the frame at a position in time, which may lie before the first frame or after the last one.

    A cyclic sequence is repeated. Any other sequence is read forwards and backwards in turn.

    Args:
        position: counted from frame 0; may be negative.
        count: number of frames in the sequence.
        cyclic: whether the first frame follows the last one.
    """
    if cyclic or count == 1:
        return position % count
    return count - 1 - abs(position % (2 * count - 2) - (count - 1))
