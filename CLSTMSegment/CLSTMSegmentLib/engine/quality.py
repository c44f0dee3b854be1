"""Signs that a frame's segmentation may be wrong, for a user to look at those frames first."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..core.sequence import SegmentedFrame

JUMP_PERCENT = 25.0
"""Change of a segment's volume from a frame to the next, in percent of its mean over time, from which it is a jump."""


@dataclass(frozen=True)
class Flag:
    """What is suspicious in one frame: its number, the segment's name or "image", and the sign in words."""

    frame: int
    segment: str
    sign: str

    def __str__(self) -> str:
        return f"frame {self.frame}: {self.segment}: {self.sign}"


def touches_border(labels: sitk.Image, label: int) -> bool:
    """Whether a label reaches the border of the image within its slices: the rest may lie outside.

    The first and last slice along the thickest axis do not count: a stack often ends inside an organ.
    """
    array = sitk.GetArrayViewFromImage(labels)
    across = 2 - int(np.argmax(labels.GetSpacing()))
    for axis in range(3):
        if axis == across and array.shape[axis] < min(np.delete(array.shape, axis)):
            continue
        faces = np.moveaxis(array, axis, 0)[[0, -1]]
        if (faces == label).any():
            return True
    return False


def frame_flags(frame: SegmentedFrame, segments: list[str]) -> list[Flag]:
    """The signs that one frame shows by itself: a segment that is empty or touches the border, an odd image."""
    flags = []
    counts = np.bincount(sitk.GetArrayViewFromImage(frame.labels).ravel(), minlength=len(segments) + 1)
    for label, segment in enumerate(segments, start=1):
        if counts[label] == 0:
            flags.append(Flag(frame.number, segment, "empty"))
        elif touches_border(frame.labels, label):
            flags.append(Flag(frame.number, segment, "touches the border of the image"))
    if frame.unfamiliar:
        flags.append(Flag(frame.number, "image", f"unlike the training in {' and '.join(frame.unfamiliar)}"))
    return flags


def jump_flags(numbers: list[int], volumes: list[list[float]], segments: list[str]) -> list[Flag]:
    """Frames in which a segment's volume differs from the frame before by more than `JUMP_PERCENT`.

    Args:
        numbers: of the frames, ascending; frames that do not follow each other are not compared.
        volumes: ml of each segment in each of these frames.
    """
    flags = []
    for n, segment in enumerate(segments):
        series = [ml[n] for ml in volumes]
        mean = float(np.mean(series)) if series else 0.0
        for k in range(1, len(series)):
            change = 100 * abs(series[k] - series[k - 1]) / mean if mean > 0 else 0.0
            if numbers[k] == numbers[k - 1] + 1 and change > JUMP_PERCENT:
                flags.append(Flag(numbers[k], segment, f"volume jumps by {change:.0f} % of its mean"))
    return flags


def all_flags(flags: list[Flag], numbers: list[int], volumes: list[list[float]], segments: list[str]) -> list[Flag]:
    """The flags of single frames and those of `jump_flags`, by frame."""
    return sorted(flags + jump_flags(numbers, volumes, segments), key=lambda flag: flag.frame)
