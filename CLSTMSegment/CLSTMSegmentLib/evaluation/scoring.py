"""The scores of a model on cases, each segmented by the same run that a user makes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import fmean

import SimpleITK as sitk

from ..core.sequence import SegmentedFrame, SequenceIndex
from ..core.volume_curve import VolumeCurve
from ..engine.quality import measure_frame, volumes_ml
from ..engine.segmenter import Segmenter
from .cases import Case
from .metrics import dice, flicker, selected_slices, surface_distances
from .slice_measures import DisplacedSlice, displaced_slices, in_plane_distance, slices_beyond_ends

SHORTEST_CURVE = 3
"""Least number of frames for which flicker can be computed."""


@dataclass(frozen=True)
class FrameScore:
    """The score of one segment in one annotated frame, computed on the annotated slices.

    Attributes:
        frame: number of the frame.
        phase: phase of the annotation, such as "ED".
        segment: name of the segment.
        corrupted: whether the frame was corrupted.
        dice: Dice coefficient.
        hausdorff95_mm, mean_surface_distance_mm: see `surface_distances`; None where one surface is missing.
        in_plane_distance_mm: see `in_plane_distance`; None where no slice has both contours.
        volume_ml, true_volume_ml: volume of what was found, and of the annotation.
        displaced: the displaced slices, see `displaced_slices`.
        beyond_ends: slices found beyond the annotated apex and base of a cine, see `slices_beyond_ends`; None for
            single phases, whose images have no slices beyond.
    """

    frame: int
    phase: str
    segment: str
    corrupted: bool
    dice: float
    hausdorff95_mm: float | None
    mean_surface_distance_mm: float | None
    in_plane_distance_mm: float | None
    volume_ml: float
    true_volume_ml: float
    displaced: tuple[DisplacedSlice, ...]
    beyond_ends: tuple[int, int] | None


@dataclass(frozen=True)
class CaseScore:
    """All scores of one case.

    Attributes:
        heart, source, condition: those of the case.
        curve: volumes of all frames.
        frames: scores of the annotated frames.
        neighbour_dice: for each frame but the first, the Dice of each segment with the frame before.
        labels: labels of the annotated frames by number, for a case of a single phase; for pictures.
    """

    heart: str
    source: str
    condition: str
    curve: VolumeCurve
    frames: list[FrameScore] = field(default_factory=list)
    neighbour_dice: list[list[float]] = field(default_factory=list)
    labels: dict[int, sitk.Image] = field(default_factory=dict)

    @property
    def is_curve(self) -> bool:
        """Return whether the case has frames enough for measures over time."""
        return len(self.curve.frames) >= SHORTEST_CURVE

    def flicker(self, segment: int) -> float:
        """Return the flicker of a segment (counted from 0); see `metrics.flicker`."""
        return flicker(self.curve.volumes(segment))

    def mean_neighbour_dice(self, segment: int) -> float:
        """Return the mean Dice of a segment (counted from 0) between neighbouring frames."""
        return fmean(values[segment] for values in self.neighbour_dice)

    def cycle_dice(self, segment: int, cycles: int) -> list[float]:
        """Return the mean Dice of a segment (counted from 0) in each cycle of a case that was repeated.

        Args:
            segment: number of the segment.
            cycles: how many times the case was repeated.
        """
        name = self.curve.segments[segment].name
        frames_per_cycle = len(self.curve.frames) // cycles
        values: dict[int, list[float]] = {}
        for score in self.frames:
            if score.segment == name:
                values.setdefault(score.frame // frames_per_cycle, []).append(score.dice)
        return [fmean(values[cycle]) for cycle in sorted(values)]

    def to_row(self) -> dict[str, object]:
        """Return the scores for a JSON report."""
        segments = [
            {
                "segment": segment.name,
                "volumes_ml": self.curve.volumes(n),
                "flicker": self.flicker(n),
                "adjacent_dice": self.mean_neighbour_dice(n),
            }
            for n, segment in enumerate(self.curve.segments)
            if self.is_curve
        ]
        return {
            "heart": self.heart,
            "source": self.source,
            "condition": self.condition,
            "frames": [asdict(score) for score in self.frames],
            "segments": segments,
        }


def score_cases(segmenter: Segmenter, cases: Iterable[Case]) -> list[CaseScore]:
    """Return the scores of a model on each case, in the order of the cases."""
    return [_score_case(segmenter, case) for case in cases]


def _score_case(segmenter: Segmenter, case: Case) -> CaseScore:
    segments = segmenter.model.segments
    index = SequenceIndex([frame.index_value for frame in case.frames])
    score = CaseScore(case.heart, case.source, case.condition, VolumeCurve(segments, index))
    labels_before = None
    for frame in segmenter.segment(case.frames):
        score.curve.add(*measure_frame(frame, score.curve.segments))
        if labels_before is not None:
            score.neighbour_dice.append([dice(frame.labels, labels_before, n + 1) for n in range(len(segments))])
        labels_before = frame.labels
        annotation = case.annotations.get(frame.number)
        if annotation is not None:
            score.frames.extend(
                _frame_score(frame, case, segments[label - 1].name, label) for label in annotation.classes
            )
            if case.source == "phases":
                score.labels[frame.number] = frame.labels
    return score


def _frame_score(frame: SegmentedFrame, case: Case, segment: str, label: int) -> FrameScore:
    annotation = case.annotations[frame.number]
    found, truth, slices = frame.labels, annotation.labels, annotation.slices
    hausdorff, mean = surface_distances(found, truth, label, slices) or (None, None)
    volume, true_volume = (volumes_ml(selected_slices(image, slices), label)[-1] for image in (found, truth))
    return FrameScore(
        frame.number,
        annotation.phase,
        segment,
        frame.number in case.corrupted,
        dice(found, truth, label, slices),
        hausdorff,
        mean,
        in_plane_distance(found, truth, label, slices),
        volume,
        true_volume,
        displaced_slices(found, truth, label, slices),
        slices_beyond_ends(found, truth, label) if case.source == "cine" else None,
    )
