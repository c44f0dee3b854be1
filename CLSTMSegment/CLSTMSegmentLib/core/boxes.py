"""Sizes of arrays, and boxes of their indices, along the axes D, H, W."""

from math import ceil

import numpy as np

from .errors import InputError

Shape = tuple[int, int, int]
"""Number of voxels along D, H and W."""

Box = tuple[tuple[int, int], ...]
"""Index range (start, stop) along D, H and W; stop is not included."""


def read_shape(text: str) -> Shape:
    """Return the size that a text "D,H,W" names.

    Raises:
        InputError: the text is not three whole numbers.
    """
    parts = text.split(",")
    # Python reads no whole numbers of more than some thousand digits
    if len(parts) != 3 or not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise InputError(f"{text!r} is not D,H,W: give three whole numbers such as 16,64,64")
    return tuple(int(part) for part in parts)


def bounding_box(mask: np.ndarray) -> Box | None:
    """Return the smallest box that holds every voxel of a mask (D, H, W) that is not 0; None for a mask without any."""
    slices = _ends(mask.any(axis=(1, 2)))
    if slices is None:
        return None
    plane = mask[slice(*slices)].any(axis=0)
    return slices, _ends(plane.any(axis=1)), _ends(plane.any(axis=0))


def _ends(filled: np.ndarray) -> tuple[int, int] | None:
    """Return the index range of what is True; None where nothing is."""
    indices = np.flatnonzero(filled)
    return (int(indices[0]), int(indices[-1]) + 1) if len(indices) else None


def union(a: Box, b: Box) -> Box:
    """Return the smallest box that holds both boxes."""
    return tuple((min(p[0], q[0]), max(p[1], q[1])) for p, q in zip(a, b, strict=True))


def intersection(a: Box, b: Box) -> Box | None:
    """Return the box of the indices that lie in both boxes; None where there are none."""
    common = tuple((max(p[0], q[0]), min(p[1], q[1])) for p, q in zip(a, b, strict=True))
    return common if all(stop > start for start, stop in common) else None


def reaches_side(inner: Box, box: Box, outer: Box) -> bool:
    """Return whether a box within another one ends, along H or W, where that one does and the outer one goes on."""
    for (first, last), (start, stop), (least, most) in list(zip(inner, box, outer, strict=True))[1:]:
        if first == start > least or last == stop < most:
            return True
    return False


def full_box(size: Shape) -> Box:
    """Return the box of all indices of an array."""
    return tuple((0, n) for n in size)


def size_of(box: Box) -> Shape:
    """Return the size (D, H, W) of a box."""
    return tuple(stop - start for start, stop in box)


def with_margin(box: Box, margins: Shape, size: Shape | None = None) -> Box:
    """Return a box that is larger by a margin on both sides of each axis.

    Args:
        box: the box inside the margin.
        margins: number of indices along D, H and W.
        size: size of the array, at whose ends the margin stops; None for a margin that may lie outside the array.
    """
    wider = tuple((start - margin, stop + margin) for (start, stop), margin in zip(box, margins, strict=True))
    return wider if size is None else tuple((max(a, 0), min(b, n)) for (a, b), n in zip(wider, size, strict=True))


def around_structures(box: Box, margin_mm: float, spacing: tuple[float, float, float], size: Shape) -> Box:
    """Return the box of a frame that a network reads after its locator: all slices, and a margin within them.

    Args:
        box: the box of the structures.
        margin_mm: margin on both sides along H and W, in mm.
        spacing: voxel size along D, H and W in mm.
        size: size of the frame, at whose borders the margin stops.
    """
    return with_margin(box, (size[0], *(ceil(margin_mm / step) for step in spacing[1:])), size)


def index_of(box: Box, within: Box = ((0, 0),) * 3) -> tuple[slice, ...]:
    """Return the index of a box in an array (B, C, D, H, W) that begins where the box `within` does."""
    places = (slice(start - first, stop - first) for (start, stop), (first, _) in zip(box, within, strict=True))
    return (slice(None), slice(None), *places)
