"""Figures over all cases: agreement, ejection fraction, flicker."""

from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np

from ..core.structure import Segment
from ..core.volume_curve import ejection_fraction
from .scoring import CaseScore, FrameScore


@dataclass(frozen=True)
class EjectionFraction:
    """The ejection fraction of a chamber in percent, as found and as annotated.

    Attributes:
        heart, source: those of the cases.
        segment: name of the chamber.
        found, true: from the volumes of both on the annotated slices of end-diastole (ED) and end-systole (ES);
            None where the end-diastolic volume is 0.
    """

    heart: str
    source: str
    segment: str
    found: float | None
    true: float | None

    def to_row(self) -> dict[str, object]:
        """Return the ejection fraction for a JSON report."""
        return asdict(self)


def ejection_fractions(scores: list[CaseScore], segments: tuple[Segment, ...]) -> list[EjectionFraction]:
    """Return the ejection fraction of each ejecting chamber in each heart with annotated ED and ES."""
    found = []
    for segment in segments:
        if segment.ejecting_chamber:
            for (heart, source), phases in _phases_by_heart(scores, segment.name).items():
                if {"ED", "ES"} <= set(phases):
                    ed, es = phases["ED"], phases["ES"]
                    found.append(
                        EjectionFraction(
                            heart,
                            source,
                            segment.name,
                            ejection_fraction(ed.volume_ml, es.volume_ml),
                            ejection_fraction(ed.true_volume_ml, es.true_volume_ml),
                        )
                    )
    return found


def _phases_by_heart(scores: list[CaseScore], segment: str) -> dict[tuple[str, str], dict[str, FrameScore]]:
    """Return the scores of a segment by (heart, source) and phase, in images as they were acquired."""
    phases: dict[tuple[str, str], dict[str, FrameScore]] = {}
    for score in scores:
        if score.condition == "plain" and score.source != "animated":
            for frame in score.frames:
                if frame.segment == segment:
                    phases.setdefault((score.heart, score.source), {})[frame.phase] = frame
    return phases


def summarize(scores: list[CaseScore], segments: tuple[Segment, ...]) -> dict[str, dict[str, float]]:
    """Return figures by name: of each the mean, the least and largest value, and the count of values.

    A figure without any value is absent.
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
                add(f"{where}{phase}: {frame.segment}, distance in plane [mm]", frame.in_plane_distance_mm)
                if frame.true_volume_ml > 0:
                    add(f"{where}{phase}: {frame.segment}, volume / true", frame.volume_ml / frame.true_volume_ml)
                for end, beyond in zip(("apex", "base"), frame.beyond_ends or (), strict=False):
                    add(f"{where}{phase}: {frame.segment}, slices beyond the {end}", beyond)
                for displaced in frame.displaced:
                    add(f"{where}: {frame.segment}, displaced slices, Dice", displaced.dice)
                    add(f"{where}: {frame.segment}, displaced slices, pulled to the neighbours", displaced.pulled)
        if score.is_curve:
            for n, segment in enumerate(segments):
                add(f"{where}: {segment.name}, flicker", score.flicker(n))
                add(f"{where}: {segment.name}, Dice of neighbouring frames", score.mean_neighbour_dice(n))
    for fraction in ejection_fractions(scores, segments):
        if fraction.found is not None and fraction.true is not None:
            error = abs(fraction.found - fraction.true)
            add(f"{fraction.source}, plain: {fraction.segment}, ejection fraction, absolute error [points]", error)
    return {
        name: {"mean": fmean(values), "least": min(values), "largest": max(values), "count": len(values)}
        for name, values in figures.items()
    }


def report_entry(scores: list[CaseScore], segments: tuple[Segment, ...], cycles: int) -> dict[str, object]:
    """Return all scores of a model for a JSON report.

    Args:
        scores: scores of all cases.
        segments: segments of the model.
        cycles: how many times the repeated cases were repeated.
    """
    return {
        "summary": summarize(scores, segments),
        "ejection_fractions": [fraction.to_row() for fraction in ejection_fractions(scores, segments)],
        "cycles": [
            {"heart": score.heart, "segment": segment.name, "dice": values}
            for score in scores
            if score.condition == "repeated"
            for n, segment in enumerate(segments)
            if (values := score.cycle_dice(n, cycles))
        ],
        "cases": [score.to_row() for score in scores],
    }
