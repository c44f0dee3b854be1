"""The grid on which the images of a DICOM sequence lie: one for all frames, or a refusal to stack what is no stack."""

import numpy as np

from ..core.errors import InputError
from ..core.same_grid import ImageGrid
from .dicom_image import DicomImage

SILENT_GAP_ERROR = 0.01
LARGEST_GAP_ERROR = 0.1
"""How far a slice may lie from its place in an even stack, as a fraction of the gap: without and with a warning."""

LARGEST_DRIFT_PIXELS = 0.1
"""How far an image may lie beside the others of its stack, in its own plane."""


def stack_grid(source: object, places: list[list[DicomImage]]) -> tuple[ImageGrid, tuple[str, ...]]:
    """Return the grid of images, which is the same at all times, and warnings about what was assumed.

    Args:
        source: the folder or file, for messages.
        places: the images of each place along the stack, in the direction of the normal.

    Raises:
        InputError: the images do not lie one behind the other, or not evenly.
    """
    first = places[0][0]
    axes = np.reshape(first.direction, (3, 3))
    positions = [np.array([image.origin for image in images]) @ axes for images in places]
    _check_drift(source, places, positions)
    along = np.array([place[:, 2].mean() for place in positions])
    gap, warnings = _thickness(first) if len(places) == 1 else _gap(source, along)
    size = (*first.size, len(places))
    return ImageGrid(size, (*first.spacing, gap), first.origin, first.direction), warnings


def _check_drift(source: object, places: list[list[DicomImage]], positions: list[np.ndarray]) -> None:
    first = places[0][0]
    origin = positions[0][0, :2]
    for images, place in zip(places, positions, strict=True):
        drift = np.abs(place[:, :2] - origin) / first.spacing
        if drift.max() > LARGEST_DRIFT_PIXELS:
            worst = int(drift.max(axis=1).argmax())
            distance = np.linalg.norm(place[worst, :2] - origin)
            raise InputError(
                f"{source}: {images[worst].identity} lies {distance:.2f} mm beside {first.identity} in its own plane, "
                "as with a tilted gantry: the images are no straight stack; resample them to one first"
            )


def _gap(source: object, along: np.ndarray) -> tuple[float, tuple[str, ...]]:
    """Return the mean gap between slices at these positions, and a warning where they are not quite even."""
    gap = round(float((along[-1] - along[0]) / (len(along) - 1)), 6)
    off = float(np.abs(along - along[0] - gap * np.arange(len(along))).max())
    gaps = np.diff(along)
    uneven = f"the gaps between slices differ, from {gaps.min():.2f} to {gaps.max():.2f} mm"
    if off > LARGEST_GAP_ERROR * gap:
        raise InputError(f"{source}: {uneven}: slices are missing, or this is not one stack")
    if off > SILENT_GAP_ERROR * gap:
        return gap, (f"{uneven}: their mean, {gap:.2f} mm, is taken, and slices lie up to {off:.2f} mm off",)
    return gap, ()


def _thickness(image: DicomImage) -> tuple[float, tuple[str, ...]]:
    """Return the thickness of a single slice."""
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        try:
            thickness = abs(float(image.values[name]))
        except (KeyError, TypeError, ValueError):
            continue
        if 0 < thickness < float("inf"):
            return thickness, ()
    return 1.0, (
        "there is a single slice, and the images say neither SpacingBetweenSlices nor SliceThickness: it is taken as "
        "1 mm thick, and volumes in ml are wrong unless it is",
    )
