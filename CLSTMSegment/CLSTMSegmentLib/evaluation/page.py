"""The contents of the page of an evaluation: the best, the median and the worst heart, and volume curves."""

from pathlib import Path
from statistics import fmean

from ..model.description import Model
from ..report.hearts_page import CurvePicture, PhasePicture, write_hearts_page
from .cases import Case
from .scoring import CaseScore

MOST_CURVES = 4


def write_page(path: Path, models: list[Model], cases: list[Case], scores: list[list[CaseScore]]) -> None:
    """Draw the hearts with the best, the median and the worst Dice of the first model, and curves of all models.

    Args:
        path: PNG file to write.
        models: the model, and its twin if there is one.
        cases: the cases that were scored.
        scores: for each model, the scores of the cases in their order.
    """
    dice: dict[str, list[float]] = {}
    pictures: dict[str, list[PhasePicture]] = {}
    for case, score in zip(cases, scores[0], strict=True):
        if case.source == "phases":
            value = fmean(frame.dice for frame in score.frames)
            dice.setdefault(case.heart, []).append(value)
            title = f"{case.annotations[0].phase}: Dice {value:.3f}"
            picture = PhasePicture(title, case.frames[0].image, score.labels[0], case.annotations[0].labels)
            pictures.setdefault(case.heart, []).append(picture)
    ranking = sorted(dice, key=lambda heart: -fmean(dice[heart]))
    chosen = dict.fromkeys([ranking[0], ranking[len(ranking) // 2], ranking[-1]])
    write_hearts_page(
        path,
        f"{models[0].title}: best, median and worst heart; found solid, annotated dotted",
        models[0].segments,
        [(heart, pictures[heart]) for heart in chosen],
        _curves(models, scores),
    )


def _curves(models: list[Model], scores: list[list[CaseScore]]) -> list[CurvePicture]:
    """Return the volume curves of the first sequences, by all models."""
    pictures = []
    for n, score in enumerate(scores[0]):
        if score.condition == "plain" and score.is_curve:
            curves = {model.name: of_model[n].curve for model, of_model in zip(models, scores, strict=True)}
            pictures.append(CurvePicture(f"{score.heart}, {score.source}", curves))
    return pictures[:MOST_CURVES]
