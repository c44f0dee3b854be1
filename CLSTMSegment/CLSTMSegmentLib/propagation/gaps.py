"""Gaps between annotated frames, and in which direction of time their frames are reached."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Gap:
    """Frames without an annotation that lie between annotated ones.

    Attributes:
        before: the annotated frame before them; None at the beginning of a sequence that is not cyclic.
        after: the annotated frame after them; None at the end of a sequence that is not cyclic.
        frames: numbers of the frames, in the order of time.
    """

    before: int | None
    after: int | None
    frames: list[int]

    @property
    def sides(self) -> int:
        """Return from how many annotated frames its frames are reached."""
        return (self.before is not None) + (self.after is not None)

    def weight_of_before(self, place: int) -> float:
        """Return the weight, from 0 to 1, of the annotated frame before in the frame at a place in `frames`.

        The weights of both annotated frames add up to 1, and fall with the distance in time.
        """
        if self.before is None or self.after is None:
            return float(self.after is None)
        return 1 - (place + 1) / (len(self.frames) + 1)


def gaps_between(annotated: Collection[int], count: int, cyclic: bool) -> Iterator[Gap]:
    """Yield the gaps of a sequence, each of which has at least one frame.

    Args:
        annotated: numbers of the annotated frames, at least one.
        count: number of frames of the sequence.
        cyclic: whether the first frame follows the last one; then one gap may go on over the end of the sequence.
    """
    ordered = sorted(annotated)
    for before, after in pairwise(ordered):
        if after > before + 1:
            yield Gap(before, after, list(range(before + 1, after)))
    first, last = ordered[0], ordered[-1]
    end, begin = list(range(last + 1, count)), list(range(first))
    if cyclic:
        if end or begin:
            yield Gap(last, first, end + begin)
        return
    if begin:
        yield Gap(None, first, begin)
    if end:
        yield Gap(last, None, end)
