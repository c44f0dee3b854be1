"""Evaluation of a model on labelled hearts, by the very run a user makes: agreement, steadiness, function."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
import SimpleITK as sitk

from ..engine.measuring import volumes_ml
from ..engine.segmenter import Segmenter
from ..training.labelled_hearts import Annotation
from .cases import Case
from .metrics import dice, ejection_fraction, flicker, surface_distances


@dataclass(frozen=True)
class FrameScore:
    """One segment in one annotated frame, on the annotated slices; distances are None where a surface is missing."""

    frame: int
    phase: str
    segment: str
    corrupted: bool
    dice: float
    hausdorff95_mm: float | None
    mean_surface_distance_mm: float | None
    volume_ml: float
    true_volume_ml: float


@dataclass(frozen=True)
class Steadiness:
    """One segment over a whole sequence: its volumes, their flicker, and mean Dice of neighbouring frames."""

    segment: str
    volumes_ml: list[float]
    flicker: float
    adjacent_dice: float


@dataclass(frozen=True)
class CaseScore:
    """All about one case."""

    heart: str
    source: str
    condition: str
    frames: list[FrameScore]
    segments: list[Steadiness] = field(default_factory=list)


def evaluate(
    segmenter: Segmenter,
    cases: Iterable[Case],
    seen: Callable[[Case, int, sitk.Image], None] | None = None,
) -> list[CaseScore]:
    """Score a model.

    Args:
        seen: called with every annotated frame's case, number and labels, for pictures.
    """
    scores = []
    for case in cases:
        frame_scores, volumes, neighbours, before = [], [], [], None
        names = [segment.name for segment in segmenter.model.segments]
        wanted = range(len(case.frames)) if len(case.frames) > 2 else sorted(case.annotations)
        for result in segmenter.segment(case.frames, wanted):
            labels, annotation = result.labels, case.annotations.get(result.number)
            if annotation is not None:
                frame_scores += _frame_scores(case, result.number, labels, annotation, names)
                if seen is not None:
                    seen(case, result.number, labels)
            volumes.append(volumes_ml(labels, len(names)))
            if before is not None:
                neighbours.append([dice(labels, before, n) for n in range(1, len(names) + 1)])
            before = labels
        steadiness = []
        if len(volumes) > 2:
            steadiness = [
                Steadiness(
                    name, [v[n] for v in volumes], flicker([v[n] for v in volumes]), fmean(d[n] for d in neighbours)
                )
                for n, name in enumerate(names)
            ]
        scores.append(CaseScore(case.heart, case.source, case.condition, frame_scores, steadiness))
    return scores


def _frame_scores(
    case: Case, number: int, labels: sitk.Image, annotation: Annotation, names: list[str]
) -> list[FrameScore]:
    first, last = annotation.slices
    scores = []
    for label in annotation.classes:
        distances = surface_distances(labels, annotation.labels, label, annotation.slices) or (None, None)
        ml = [volumes_ml(i[:, :, first : last + 1], label)[-1] for i in (labels, annotation.labels)]
        scores.append(
            FrameScore(
                number,
                annotation.phase,
                names[label - 1],
                number in case.corrupted,
                dice(labels, annotation.labels, label, annotation.slices),
                *distances,
                *ml,
            )
        )
    return scores


def ejection_fractions(scores: list[CaseScore], segment: str) -> dict[tuple[str, str], tuple[float, float]]:
    """(found, true) ejection fraction in percent by (heart, source), where ED and ES are annotated.

    Both from the volumes on the annotated slices, so that they are of the same slices.
    """
    volumes: dict[tuple[str, str], dict[str, FrameScore]] = {}
    for score in scores:
        if score.condition == "plain" and score.source != "animated":
            for frame in score.frames:
                if frame.segment == segment:
                    volumes.setdefault((score.heart, score.source), {})[frame.phase] = frame
    return {
        key: (
            ejection_fraction(phases["ED"].volume_ml, phases["ES"].volume_ml),
            ejection_fraction(phases["ED"].true_volume_ml, phases["ES"].true_volume_ml),
        )
        for key, phases in volumes.items()
        if {"ED", "ES"} <= set(phases)
    }


def summary(scores: list[CaseScore], segments: list[str]) -> dict[str, dict[str, float]]:
    """Figures by name, each with mean, least, largest and count; see the keys.

    A figure that nothing contributes to is left out.
    """
    figures: dict[str, list[float]] = {}

    def add(name: str, value: float | None) -> None:
        if value is not None and np.isfinite(value):
            figures.setdefault(name, []).append(value)

    for score in scores:
        where = f"{score.source}, {score.condition}"
        for frame in score.frames:
            if score.condition == "corrupted" and not frame.corrupted:
                continue
            phase = "" if score.source == "animated" else f" {frame.phase}"
            add(f"{where}{phase}: {frame.segment}, Dice", frame.dice)
            if score.condition == "plain":
                add(f"{where}{phase}: {frame.segment}, 95 % Hausdorff distance [mm]", frame.hausdorff95_mm)
                add(f"{where}{phase}: {frame.segment}, mean surface distance [mm]", frame.mean_surface_distance_mm)
        for steadiness in score.segments:
            add(f"{where}: {steadiness.segment}, flicker", steadiness.flicker)
            add(f"{where}: {steadiness.segment}, Dice of neighbouring frames", steadiness.adjacent_dice)
    for (_, source), (found, true) in ejection_fractions(scores, segments[0]).items():
        add(f"{source}, plain: ejection fraction, absolute error [points]", abs(found - true))
    return {
        name: {"mean": fmean(values), "least": min(values), "largest": max(values), "count": len(values)}
        for name, values in figures.items()
    }


def cycle_dice(score: CaseScore, segment: str, cycles: int) -> list[float]:
    """Mean Dice of a segment in each cycle of a case that was repeated so often."""
    frames = len(score.segments[0].volumes_ml) // cycles
    values: dict[int, list[float]] = {}
    for frame in score.frames:
        if frame.segment == segment:
            values.setdefault(frame.frame // frames, []).append(frame.dice)
    return [fmean(values[cycle]) for cycle in sorted(values)]
