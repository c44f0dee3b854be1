"""What a model is scored on: cines, single phases, made-up beats of real hearts, each also spoiled or repeated."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.sequence import Frame
from ..training.animation import animate
from ..training.corruption import KINDS, corrupted
from ..training.labelled_hearts import SAME_HEART, Annotation, read_cines, read_phases

BEAT = 20
"""Frames of a made-up beat."""


@dataclass(frozen=True)
class Case:
    """A sequence to be segmented, some of whose frames are annotated.

    Attributes:
        heart: its name; one heart may come as several cases.
        source: "cine", "phases" (a single phase, a sequence of one frame) or "animated".
        condition: "plain", "corrupted" or "repeated".
        corrupted: numbers of the frames that were spoiled.
    """

    heart: str
    source: str
    frames: list[Frame]
    annotations: dict[int, Annotation]
    condition: str = "plain"
    corrupted: frozenset[int] = frozenset()


def read_cases(data: Path, hearts: Collection[str] | None = None) -> Iterator[Case]:
    """The cines, then the single phases under a data folder; of all hearts by default."""
    for case, (frames, annotations) in read_cines(data, hearts).items():
        yield Case(SAME_HEART.get(case, case), "cine", frames, annotations)
    for heart, phases in read_phases(data, hearts).items():
        for frame, annotation, _ in phases.values():
            yield Case(heart, "phases", [frame], {0: annotation})


def animated_case(phase: Case, strength: float = 0.3) -> Case:
    """One annotated frame as a beating heart with the truth in every frame.

    Radii shrink to 1 - `strength` at half the beat; every frame has noise of its own, 2 % of its
    99th percentile.
    """
    image, annotation = phase.frames[0].image, phase.annotations[0]
    pixels, labels = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(annotation.labels)
    squeeze = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(BEAT) / BEAT)
    images, truths = animate(
        pixels.astype(np.float32), labels, labels == 1, 1 - strength * squeeze, np.zeros((BEAT, 2))
    )
    noise = np.random.default_rng(0).normal(0, 0.02 * np.percentile(pixels, 99), images.shape)
    frames = [Frame(_like(image, moved), str(t)) for t, moved in enumerate(images + noise)]
    return Case(
        phase.heart,
        "animated",
        frames,
        {t: replace(annotation, labels=_like(annotation.labels, truth)) for t, truth in enumerate(truths)},
    )


def spoiled_case(case: Case, first: int = 0, every: int = 4) -> Case:
    """The case with every n-th frame corrupted, the kinds in turn."""
    frames, numbers = list(case.frames), range(first % every, len(case.frames), every)
    for k, t in enumerate(numbers):
        pixels = sitk.GetArrayFromImage(frames[t].image).astype(np.float32)
        low, high = np.percentile(pixels, [1, 99])
        scaled = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)
        spoiled = corrupted(scaled, KINDS[k % len(KINDS)], np.random.default_rng(t))
        frames[t] = replace(frames[t], image=_like(frames[t].image, low + spoiled * (high - low)))
    return replace(case, frames=frames, condition="corrupted", corrupted=frozenset(numbers))


def repeated_case(case: Case, times: int = 5) -> Case:
    """The case several times over, as one long sequence."""
    count = len(case.frames)
    annotations = {t + k * count: a for k in range(times) for t, a in case.annotations.items()}
    return replace(case, frames=case.frames * times, annotations=annotations, condition="repeated")


def _like(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    """An array as an image of the geometry and voxel type of another."""
    if image.GetPixelID() not in (sitk.sitkFloat32, sitk.sitkFloat64):
        array = np.rint(array)
    low, high = (0, 255) if image.GetPixelID() == sitk.sitkUInt8 else (-32768, 32767)
    made = sitk.Cast(sitk.GetImageFromArray(np.clip(array, low, high).astype(np.float32)), image.GetPixelID())
    made.CopyInformation(image)
    return made
