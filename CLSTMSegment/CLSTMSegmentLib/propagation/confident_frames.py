"""Frames that a program annotates: those to which annotations are propagated without a flag."""

from collections.abc import Callable, Mapping, Sequence

import SimpleITK as sitk

from ..core.progress import Progress
from ..core.sequence import Frame
from .propagator import Propagator


def confident_frames(
    frames: Sequence[Frame],
    annotations: Mapping[int, sitk.Image],
    cyclic: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> dict[int, sitk.Image]:
    """Return the labels of the frames to which annotations are propagated without a flag, by frame number.

    The annotated frames are not among them.

    Args:
        frames, annotations, cyclic: see `Propagator`.
        progress: see `Propagator.run`.

    Raises:
        InputError: see `Propagator` and `Propagator.run`.
    """
    propagated = Propagator(frames, annotations, cyclic).run(progress)
    return {
        one.result.number: one.result.labels
        for one in propagated
        if one.result.number not in annotations and not one.flags()
    }
