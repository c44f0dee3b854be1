"""A comparison of state rules and numbers of warm-up frames for one model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean

from ..engine.segmenter import Segmenter
from ..engine.settings import RunSettings
from ..model.description import Model
from .cases import Case, repeated_case
from .scoring import SHORTEST_CURVE, score_cases

COMPARED = (("carry", 0), ("carry", 3), ("window:5", 0), ("window:5", 3), ("reset", 0))
"""State rules, each with a number of warm-up frames."""


@dataclass(frozen=True)
class StateRuleScore:
    """The scores of the first segment under one state rule.

    Attributes:
        rule: the state rule: "carry", "window:N" or "reset".
        warm_up_frames: number of warm-up frames.
        cycles: how many times each case was repeated.
        dice: mean Dice over all annotated frames.
        flicker: mean flicker over all cases.
    """

    rule: str
    warm_up_frames: int
    cycles: int
    dice: float
    flicker: float


def compare_state_rules(
    model: Model, settings: RunSettings, cases: list[Case], cycles: int
) -> Iterator[StateRuleScore]:
    """Yield the scores of each state rule, on one cycle of each case and on several.

    Args:
        model: the model.
        settings: settings of the runs; the state rule and the warm-up frames in them are replaced.
        cases: all cases. Those that are plain and have three frames or more are scored, as whole heartbeats.
        cycles: how many times a case is repeated.
    """
    beats = [case for case in cases if case.condition == "plain" and len(case.frames) >= SHORTEST_CURVE]
    cyclic = replace(model, state=replace(model.state, cyclic=True))
    name = model.segments[0].name
    for rule, warm_up_frames in COMPARED:
        segmenter = Segmenter(cyclic, replace(settings, state_rule=rule, warm_up_frames=warm_up_frames))
        for count in (1, cycles):
            scores = score_cases(segmenter, [repeated_case(case, count) for case in beats])
            dice = fmean(frame.dice for score in scores for frame in score.frames if frame.segment == name)
            flicker = fmean(score.flicker(0) for score in scores)
            yield StateRuleScore(rule, warm_up_frames, count, dice, flicker)
