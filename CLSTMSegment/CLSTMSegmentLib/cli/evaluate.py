"""`clstm-segment evaluate`: a model's scores on labelled hearts beside those of a per-frame twin."""

import json
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path
from statistics import fmean

import SimpleITK as sitk

from ..engine.segmenter import Segmenter
from ..evaluation.cases import Case, animated_case, read_cases, repeated_case, spoiled_case
from ..evaluation.scoring import CaseScore, cycle_dice, ejection_fractions, evaluate, summary
from ..model.bundle import load_model
from ..model.description import Model
from ..model.rules import TimeRule
from ..training.labelled_hearts import DATA

CYCLES = 5
"""How often a cine is repeated to see whether a carried memory drifts."""


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("--model", default="cardiac-cine-lv", metavar="NAME|FOLDER|FILE.pth")
    parser.add_argument("--twin", metavar="NAME|FOLDER|FILE.pth", help="score this model on the same hearts too")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help=f"labelled hearts (default: {DATA})")
    parser.add_argument("--hearts", nargs="+", metavar="HEART", help="their names (default: those kept for test)")
    parser.add_argument("--phases-only", action="store_true", help="only cines and single phases as they are")
    parser.add_argument("--time-rules", action="store_true", help="also compare time rules over one cycle and five")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write every score and the summary")
    parser.add_argument("--page", type=Path, metavar="PNG", help="draw the best, median and worst heart")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")


def run(options: Namespace) -> None:
    """Score the model, and its twin where there is one, then print the summaries side by side."""
    model = load_model(options.model)
    hearts = options.hearts or model.training.get("kept_for_test")
    plain = list(read_cases(options.data, hearts))
    cases = plain if options.phases_only else plain + made_up_cases(plain)
    models = [model] if options.twin is None else [model, load_model(options.twin)]
    seen: dict[tuple[str, str], sitk.Image] = {}

    def keep(case: Case, number: int, labels: sitk.Image) -> None:
        if case.source == "phases":
            seen[case.heart, case.annotations[number].phase] = labels

    report, scores = [], []
    for n, one in enumerate(models):
        scores.append(evaluate(Segmenter(one, options.device), announced(cases), keep if n == 0 else None))
        report.append(
            {
                "model": one.name,
                "version": one.version,
                "weights_sha256": one.sha256,
                "time_rule": asdict(one.time),
                "summary": summary(scores[-1], [segment.name for segment in one.segments]),
                "ejection_fractions": [
                    {"heart": heart, "source": source, "found": found, "true": true}
                    for (heart, source), (found, true) in ejection_fractions(scores[-1], one.segments[0].name).items()
                ],
                "cycles": [
                    {"heart": score.heart, "segment": segment.name, "dice": values}
                    for score in scores[-1]
                    if score.condition == "repeated"
                    for segment in one.segments
                    if (values := cycle_dice(score, segment.name, CYCLES))
                ],
                "cases": [asdict(score) for score in scores[-1]],
            }
        )
    print_summaries(report)
    if options.time_rules:
        report[0]["time_rules"] = compare_time_rules(model, options.device, cases)
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.page is not None:
        draw_page(options.page, models, plain, seen, scores)


def announced(cases: list[Case]) -> Iterator[Case]:
    """The cases, each announced."""
    for n, case in enumerate(cases, 1):
        print(f"{n} of {len(cases)}: {case.heart}, {case.source}, {case.condition}", flush=True)
        yield case


def made_up_cases(plain: list[Case]) -> list[Case]:
    """From the hearts as they are: made to beat, spoiled, and repeated."""
    cines = [case for case in plain if case.source == "cine"]
    animated = [animated_case(case) for case in plain if case.source == "phases" and case.annotations[0].phase == "ED"]
    return [
        *animated,
        # every annotated frame of a cine is spoiled once
        *(spoiled_case(case, first) for case in cines for first in sorted({t % 4 for t in case.annotations})),
        *(spoiled_case(case) for case in animated),
        *(repeated_case(case, CYCLES) for case in cines),
    ]


def print_summaries(report: list[dict]) -> None:
    """A line a figure: mean, least and largest of every model."""
    for name, figures in report[0]["summary"].items():
        columns = [entry["summary"].get(name) for entry in report]
        texts = [f"{c['mean']:8.3f} ({c['least']:.3f} to {c['largest']:.3f})" if c else "" for c in columns]
        print(f"{name:75}{figures['count']:4} {' | '.join(texts)}")
    for entry in report:
        for cycles in entry["cycles"]:
            values = ", ".join(f"{value:.3f}" for value in cycles["dice"])
            print(f"{entry['model']}, {cycles['heart']} {CYCLES} times over: {cycles['segment']}, Dice {values}")


def compare_time_rules(model: Model, device: str, cases: list[Case]) -> list[dict]:
    """Dice and flicker of the first segment under each time rule, on whole beats and on five in a row."""
    beats = [case for case in cases if len(case.frames) > 2 and case.condition == "plain"]
    rows = []
    name = model.segments[0].name
    for rule, prime in product(("carry", "window:5", "reset"), (0, 3)):
        if rule == "reset" and prime:
            continue
        segmenter = Segmenter(model, device, time_rule=TimeRule.parse(rule, prime, cyclic=True))
        for cycles in (1, CYCLES):
            scores = evaluate(segmenter, [repeated_case(case, cycles) for case in beats])
            row = {"rule": rule, "prime": prime, "cycles": cycles}
            row["dice"] = fmean(f.dice for score in scores for f in score.frames if f.segment == name)
            row["flicker"] = fmean(s.flicker for score in scores for s in score.segments if s.segment == name)
            rows.append(row)
            print(
                f"time rule {rule}, prime {prime}, {cycles} cycles: {name}, Dice {row['dice']:.4f}, "
                f"flicker {row['flicker']:.4f}",
                flush=True,
            )
    return rows


def draw_page(
    path: Path, models: list, plain: list[Case], seen: dict[tuple[str, str], sitk.Image], scores: list[list[CaseScore]]
) -> None:
    """The page of the first model, with the volume curves of all."""
    # matplotlib is needed here alone, and not installed everywhere
    from ..report.hearts_page import PhasePicture, write_hearts_page

    dice, pictures = defaultdict(list), defaultdict(list)
    for score in scores[0]:
        if score.source == "phases":
            dice[score.heart] += [frame.dice for frame in score.frames]
    for case in plain:
        if case.source == "phases":
            phase = case.annotations[0].phase
            value = dice[case.heart][len(pictures[case.heart])]
            pictures[case.heart].append(
                PhasePicture(
                    f"{phase}: Dice {value:.3f}",
                    case.frames[0].image,
                    seen[case.heart, phase],
                    case.annotations[0].labels,
                )
            )
    ranking = sorted(dice, key=lambda heart: -fmean(dice[heart]))
    chosen = dict.fromkeys([ranking[0], ranking[len(ranking) // 2], ranking[-1]])
    curves = []
    for n, score in enumerate(scores[0]):
        if score.condition == "plain" and score.segments:
            lines = [(model.name, own[n].segments[0].volumes_ml) for model, own in zip(models, scores, strict=True)]
            curves.append((f"{score.heart}, {score.source}", lines))
    write_hearts_page(
        path,
        models[0],
        [(heart, pictures[heart]) for heart in chosen],
        curves[:4],
        f"{models[0].title}: best, median and worst heart; found solid, annotated dotted",
    )
