"""Sizes of arrays and boxes of their indices, half-open ranges, along D, H, W."""

import numpy as np

from .errors import InputError

Shape = tuple[int, int, int]


def read_shape(text: str) -> Shape:
    """The size that "D,H,W" names.

    Raises:
        InputError: not three whole numbers.
    """
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"{text!r} is not D,H,W: give three numbers")
    return tuple(int(part) for part in parts)


Box = tuple[tuple[int, int], ...]


def bounding_box(mask: np.ndarray) -> Box | None:
    """The smallest box around what is True in a (D, H, W) mask; None where nothing is."""
    if not mask.any():
        return None
    box = []
    for axis in range(3):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append((int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


def union(a: Box, b: Box) -> Box:
    """The smallest box around both."""
    return tuple((min(p[0], q[0]), max(p[1], q[1])) for p, q in zip(a, b, strict=True))


def intersection(a: Box, b: Box) -> Box | None:
    """What both have in common; None where that is nothing."""
    common = tuple((max(p[0], q[0]), min(p[1], q[1])) for p, q in zip(a, b, strict=True))
    return common if all(stop > start for start, stop in common) else None


def whole(size: Shape) -> Box:
    """The box of all indices of an array."""
    return tuple((0, n) for n in size)


def size_of(box: Box) -> Shape:
    """How many indices a box has along each axis."""
    return tuple(stop - start for start, stop in box)


def grown(box: Box, rim: int, size: Shape | None = None) -> Box:
    """The box with a rim around; of a size given, no more than there is."""
    wider = tuple((start - rim, stop + rim) for start, stop in box)
    return wider if size is None else tuple((max(a, 0), min(b, n)) for (a, b), n in zip(wider, size, strict=True))


def index_of(box: Box, within: Box = ((0, 0),) * 3) -> tuple[slice, ...]:
    """Of (B, C, D, H, W), what lies in a box; of features that begin where another box begins."""
    places = (slice(start - first, stop - first) for (start, stop), (first, _) in zip(box, within, strict=True))
    return (slice(None), slice(None), *places)
