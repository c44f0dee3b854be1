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
