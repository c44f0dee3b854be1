"""The sequences that a model is scored on: cines, single phases, and what can be derived from them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.sequence import Frame
from ..training.animation import animate
from ..training.corruption import KINDS, corrupted
from ..training.labelled_hearts import Annotation, read_cines, read_phases

ANIMATED_FRAMES = 20
"""Number of frames of an animated case."""

CORRUPTED_EVERY = 4
"""In a corrupted case, one of this many frames is corrupted."""


@dataclass(frozen=True)
class Case:
    """A sequence to segment, some frames of which are annotated.

    Attributes:
        heart: name of the heart; several cases can be of one heart.
        source: "cine", "phases" (one phase alone: a sequence of one frame) or "animated".
        frames: the frames, in order.
        annotations: annotation by the number of its frame.
        condition: "plain", "corrupted" or "repeated".
        corrupted: numbers of the corrupted frames.
        warnings: what is odd about its file.
    """

    heart: str
    source: str
    frames: list[Frame]
    annotations: dict[int, Annotation]
    condition: str = "plain"
    corrupted: frozenset[int] = frozenset()
    warnings: tuple[str, ...] = ()


def read_cases(
    data: Path,
    hearts: Collection[str] | None,
    same_heart: Mapping[str, str],
    masked: Mapping[str, Collection[int]] | None = None,
) -> list[Case]:
    """Return the cines, then the single phases in a data folder.

    Args:
        data: folder of labelled hearts.
        hearts: names of the hearts to read; None for all.
        same_heart: name of the heart by the name of a cine, where the two differ.
        masked: see `read_phases`.
    """
    cines = [
        Case(same_heart.get(name, name), "cine", list(frames), annotations, warnings=tuple(frames.warnings))
        for name, (frames, annotations) in read_cines(data, hearts, same_heart).items()
    ]
    phases = [
        Case(heart, "phases", [frame], {0: annotation})
        for heart, stacks in read_phases(data, hearts, masked).items()
        for frame, annotation, _ in stacks.values()
    ]
    return cines + phases


def derived_cases(cases: list[Case], cycles: int) -> list[Case]:
    """Return further cases: animated hearts, corrupted frames, and cines that are repeated.

    Args:
        cases: as from `read_cases`.
        cycles: how many times a cine is repeated.
    """
    cines = [case for case in cases if case.source == "cine"]
    animated = [animated_case(case) for case in cases if case.source == "phases" and case.annotations[0].phase == "ED"]
    return [
        *animated,
        # one case for each annotated frame of a cine, so that each of them is corrupted once
        *(corrupted_case(case, t) for case in cines for t in sorted({t % CORRUPTED_EVERY for t in case.annotations})),
        *(corrupted_case(case) for case in animated),
        *(repeated_case(case, cycles) for case in cines),
    ]


def animated_case(phase: Case, strength: float = 0.3) -> Case:
    """Return a beating heart made of one annotated frame, with an annotation in every frame.

    Every frame gets its own noise, with a standard deviation of 2 % of the 99th percentile of the image.

    Args:
        phase: a case of one annotated frame, whose label 1 is the cavity.
        strength: fraction of its radius by which the cavity shrinks until the middle of the heartbeat.
    """
    image, annotation = phase.frames[0].image, phase.annotations[0]
    pixels, labels = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(annotation.labels)
    contraction = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(ANIMATED_FRAMES) / ANIMATED_FRAMES)
    images, truths = animate(
        pixels.astype(np.float32), labels, labels == 1, 1 - strength * contraction, np.zeros((ANIMATED_FRAMES, 2))
    )
    noise = np.random.default_rng(0).normal(0, 0.02 * np.percentile(pixels, 99), images.shape)
    frames = [Frame(_image_like(image, pixels), str(t)) for t, pixels in enumerate(images + noise)]
    annotations = {
        t: replace(annotation, labels=_image_like(annotation.labels, truth)) for t, truth in enumerate(truths)
    }
    return Case(phase.heart, "animated", frames, annotations)


def corrupted_case(case: Case, first: int = 0) -> Case:
    """Return the case with every fourth frame corrupted, by each kind of corruption in turn.

    Args:
        case: a case without corrupted frames.
        first: number of the first corrupted frame.
    """
    frames, numbers = list(case.frames), range(first, len(case.frames), CORRUPTED_EVERY)
    for k, t in enumerate(numbers):
        pixels = sitk.GetArrayFromImage(frames[t].image).astype(np.float32)
        low, high = np.percentile(pixels, [1, 99])
        scaled = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)
        corrupt = corrupted(scaled, KINDS[k % len(KINDS)], np.random.default_rng(t))
        frames[t] = replace(frames[t], image=_image_like(frames[t].image, low + corrupt * (high - low)))
    return replace(case, frames=frames, condition="corrupted", corrupted=frozenset(numbers))


def repeated_case(case: Case, cycles: int) -> Case:
    """Return the case repeated, as one long sequence of some cycles."""
    count = len(case.frames)
    annotations = {t + k * count: a for k in range(cycles) for t, a in case.annotations.items()}
    return replace(case, frames=case.frames * cycles, annotations=annotations, condition="repeated")


def _image_like(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    """Return an array as an image with the geometry and the voxel type of another image."""
    kind = sitk.GetArrayViewFromImage(image).dtype
    if np.issubdtype(kind, np.integer):
        array = np.clip(np.rint(array), np.iinfo(kind).min, np.iinfo(kind).max)
    made = sitk.GetImageFromArray(array.astype(kind))
    made.CopyInformation(image)
    return made
