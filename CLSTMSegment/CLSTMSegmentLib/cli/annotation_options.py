"""What the options of `clstm-segment teach` say of the annotations: how complete they are, and what the labels mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.structure import Segment, named_segments
from ..io.file_sequence import FileSequence
from ..teaching.annotation_files import other_image
from ..teaching.label_names import label_names
from .run_options import names_in

MARKS = ("whole", "slices", "partly")
"""The options that mark annotated frames."""

Annotated = list[tuple[FileSequence, dict[int, sitk.Image]]]
"""Sequences, each with its label images by frame number."""


def frame_marks(options: Mapping[str, str], sequences: Annotated) -> dict[tuple[int, int], str]:
    """Return how complete the annotations of frames are, by sequence and frame number.

    Args:
        options: the frames that each of `MARKS` names: numbers, "all", or nothing.
        sequences: the annotated sequences.

    Raises:
        InputError: an option names no annotated frame, it is not clear which one it names, or two name the same.
    """
    marks: dict[tuple[int, int], str] = {}
    for mark, frames in options.items():
        for frame in _marked(mark, frames, sequences):
            other = marks.setdefault(frame, mark)
            if other != mark:
                raise InputError(f"frame {frame[1]} is both in --{other} and in --{mark}: leave it out of one of them")
    return marks


def _marked(mark: str, frames: str, sequences: Annotated) -> list[tuple[int, int]]:
    """Return sequence and number of the annotated frames that an option names."""
    if frames == "all":
        return [(s, number) for s, (_, annotations) in enumerate(sequences) for number in annotations]
    if frames and len(sequences) > 1:
        raise InputError(f"--{mark} {frames}: with several sequences, only `all` is clear")
    try:
        numbers = [int(number) for number in frames.split(",") if number]
    except ValueError as error:
        raise InputError(f"--{mark} {frames}: give frame numbers such as 0,12, or all") from error
    for number in numbers:
        if number not in sequences[0][1]:
            raise InputError(f"--{mark} {frames}: frame {number} is not annotated")
        other = other_image(number, sequences[0][0])
        if other is not None:
            raise InputError(
                f"--{mark} {frames}: {number} may be frame {number}, counted from 0, or {other.name}; number the files "
                "of the frames from 0, or give all"
            )
    return [(0, number) for number in numbers]


def segments_for(
    names: str | None, ejecting_chambers: str, sequences: Annotated, files: Sequence[Path]
) -> tuple[Segment, ...]:
    """Return a segment for every label.

    Args:
        names: names of the segments, separated by commas; for None see `label_names`.
        ejecting_chambers: names of those that are ejecting chambers, separated by commas.
        sequences: the annotated sequences.
        files: the files of their annotations.

    Raises:
        InputError: an ejecting chamber is none of the segments, a segment is drawn in no frame, or the files or the
            names contradict each other.
    """
    annotations = [labels for _, by_number in sequences for labels in by_number.values()]
    drawn = {int(label) for labels in annotations for label in np.unique(sitk.GetArrayViewFromImage(labels))}
    given = None if names is None else names_in(names)
    segments = named_segments(label_names(files, max(drawn, default=0), given), names_in(ejecting_chambers))
    missing = [f"{segment.name} (label {n})" for n, segment in enumerate(segments, 1) if n not in drawn]
    if missing and drawn - {0}:
        raise InputError(
            f"no frame has a voxel of the segment {missing[0]}, so that nothing could be learnt of it: number the "
            "labels 1, 2, ... without a gap, or leave the segment out"
        )
    return segments
