"""Evaluation of a model on labelled hearts: Dice over what was annotated, by the very run a user makes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ..engine.bundle import Model
from ..engine.frames import Frame
from ..engine.segmenter import Segmenter
from .datasets import SAME_HEART, Annotation, read_cines, read_phases


@dataclass(frozen=True)
class Score:
    """Dice of one segment in one annotated frame; `source` is the cine's name, or "phases" for a single phase."""

    heart: str
    source: str
    phase: str
    segment: str
    dice: float


def dice(found: sitk.Image, truth: sitk.Image, label: int, slices: tuple[int, int] | None = None) -> float:
    """Dice coefficient of a label, on the slices from first to last (along k) where given; 1 where both are empty."""
    if slices is not None:
        found, truth = (image[:, :, slices[0] : slices[1] + 1] for image in (found, truth))
    found, truth = (sitk.Cast(image == label, sitk.sitkUInt8) for image in (found, truth))
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(found, truth)
    empty = not sitk.GetArrayViewFromImage(found).any() and not sitk.GetArrayViewFromImage(truth).any()
    return 1.0 if empty else measures.GetDiceCoefficient(1)


def evaluate(model: Model, data: Path, hearts: list[str] | None = None, device: str = "auto") -> Iterator[Score]:
    """Score a model on the annotated frames under a data folder.

    A single phase is a sequence of one frame, so that a cyclic time rule holds it.

    Args:
        hearts: their names; all by default.

    Yields:
        A score for each annotated frame and segment.
    """
    segmenter = Segmenter(model, device)
    for case, (frames, annotations) in read_cines(data / "sunnybrook").items():
        if hearts is None or SAME_HEART[case] in hearts:
            yield from _scores(segmenter, SAME_HEART[case], case, frames, annotations)
    for heart, stacks in read_phases(data / "sunnybrook_ed_es").items():
        if hearts is None or heart in hearts:
            for frame, annotation, _ in stacks.values():
                yield from _scores(segmenter, heart, "phases", [frame], {0: annotation})


def _scores(
    segmenter: Segmenter,
    heart: str,
    source: str,
    frames: Sequence[Frame],
    annotations: dict[int, Annotation],
) -> Iterator[Score]:
    for result in segmenter.segment(frames, sorted(annotations)):
        annotation = annotations[result.number]
        for label in annotation.classes:
            value = dice(result.labels, annotation.labels, label, annotation.slices)
            yield Score(heart, source, annotation.phase, segmenter.model.segments[label - 1].name, value)
