"""`clstm-segment evaluate`: score a model on labelled hearts, and a second model for comparison."""

import json
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

from ..core.atomic_write import replacing, write_text
from ..core.errors import InputError
from ..engine.settings import DEFAULT_MODEL, RunSettings
from ..evaluation.cases import Case, derived_cases, read_cases
from ..model.bundle import load_model
from ..pipeline.output_paths import check_outputs
from ..pipeline.result_files import check_unchanged, versions_of
from ..report.matplotlib_import import import_matplotlib
from ..training.labelled_hearts import files_of_hearts
from .run_options import path_in
from .terminal import show, show_warnings

if TYPE_CHECKING:
    from ..evaluation.state_rules import StateRuleScore

MOST_CYCLES = 1000
"""Greatest number of times that a cine can be repeated."""


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME|FOLDER|FILE.pth")
    parser.add_argument("--twin", metavar="NAME|FOLDER|FILE.pth", help="score this model on the same hearts too")
    parser.add_argument("--data", type=path_in, required=True, metavar="FOLDER", help="folder of labelled hearts")
    parser.add_argument(
        "--hearts", nargs="+", metavar="HEART", help="names of the hearts (default: those that the model kept for test)"
    )
    parser.add_argument("--phases-only", action="store_true", help="score only the cines and the single phases")
    parser.add_argument(
        "--cycles", type=int, default=5, metavar="N", help="how many times a cine is repeated (default: 5)"
    )
    parser.add_argument("--state-rules", action="store_true", help="compare state rules on one cycle and on several")
    parser.add_argument("--time-rules", dest="state_rules", action="store_true", help=SUPPRESS)  # former name
    parser.add_argument("--out", type=path_in, metavar="JSON", help="write every score and the summary")
    parser.add_argument("--page", type=path_in, metavar="PNG", help="draw the best, the median and the worst heart")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Score the model, and its twin if there is one, and print the summaries side by side."""
    if not 1 <= options.cycles <= MOST_CYCLES:
        raise InputError(f"--cycles must be at least 1 and at most {MOST_CYCLES}, not {options.cycles}")
    outputs = [path for path in (options.out, options.page) if path is not None]
    if options.page is not None:
        import_matplotlib()  # not installed everywhere: the user is told before the work
    names = [name for name in (options.model, options.twin) if name is not None]
    check_outputs(outputs, chain(options.data.rglob("*"), files_of_hearts(options.data)), names)
    model = load_model(options.model)
    models = [model] if options.twin is None else [model, load_model(options.twin)]
    settings = [RunSettings(model=name, device=options.device) for name in names]
    hearts = options.hearts or model.training.get("kept_for_test")
    if not isinstance(hearts, (list, type(None))):
        raise InputError(f"model {model.name}: kept_for_test must be a list of hearts, not {hearts!r}: give --hearts")
    training = model.training
    cases = read_cases(options.data, hearts, training.get("same_heart", {}), training.get("masked_slices", {}))
    if not cases:
        raise InputError(f"{options.data} has none of the hearts {', '.join(hearts or []) or 'that can be scored'}")
    missing = sorted(set(hearts or []) - {case.heart for case in cases})
    if missing and options.hearts:
        raise InputError(
            f"{options.data} does not have the hearts {', '.join(missing)}: correct --hearts, or leave it out"
        )
    if missing:
        show_warnings([f"{options.data} does not have the hearts {', '.join(missing)}, which the model kept for test"])
    greatest = max(label for case in cases for annotation in case.annotations.values() for label in annotation.classes)
    for one in models:
        if len(one.segments) < greatest:
            raise InputError(f"model {one.name} has no segment for label {greatest} of the annotations")
    if options.page is not None and all(case.source != "phases" for case in cases):
        raise InputError("--page shows single phases, and these hearts have none")
    warnings = [warning for case in cases for warning in case.warnings]
    show_warnings(warnings)
    before = versions_of(outputs)
    if not options.phases_only:
        cases += derived_cases(cases, options.cycles)

    from ..engine.segmenter import Segmenter  # with torch, which takes seconds to import
    from ..evaluation.scoring import score_cases
    from ..evaluation.state_rules import compare_state_rules
    from ..evaluation.summary import report_entry

    scores, report = [], []
    for one, its_settings in zip(models, settings, strict=True):
        scores.append(score_cases(Segmenter(one, its_settings), _announced(cases)))
        about = {"model": one.name, "version": one.version, "weights_sha256": one.sha256}
        about["state_rule"] = asdict(one.state)
        report.append(about | report_entry(scores[-1], one.segments, options.cycles))
    _print_summaries(report, options.cycles)
    if options.state_rules:
        rules = []
        for rule_score in compare_state_rules(model, settings[0], cases, options.cycles):
            _print_state_rule(model.segments[0].name, rule_score)
            rules.append(asdict(rule_score))
        report[0]["state_rules"] = rules
    report[0]["warnings"] = warnings
    check_unchanged(before)
    if options.out is not None:
        write_text(options.out, json.dumps(report, indent=1) + "\n")
    if options.page is not None:
        from ..evaluation.page import write_page

        with replacing(options.page) as partial:
            write_page(partial, models, cases, scores)


def _announced(cases: list[Case]) -> Iterator[Case]:
    """Yield the cases, and print a line before each."""
    for n, case in enumerate(cases, 1):
        show(f"{n} of {len(cases)}: {case.heart}, {case.source}, {case.condition}", flush=True)
        yield case


def _print_summaries(report: list[dict], cycles: int) -> None:
    """Print a line for each figure: the mean, the least and the largest value of every model."""
    for name, figures in report[0]["summary"].items():
        columns = [entry["summary"].get(name) for entry in report]
        texts = [f"{c['mean']:8.3f} ({c['least']:.3f} to {c['largest']:.3f})" if c else "" for c in columns]
        show(f"{name:90}{figures['count']:4} {' | '.join(texts)}")
    for entry in report:
        for row in entry["cycles"]:
            values = ", ".join(f"{value:.3f}" for value in row["dice"])
            show(f"{entry['model']}, {row['heart']} repeated {cycles} times: {row['segment']}, Dice {values}")


def _print_state_rule(segment: str, score: "StateRuleScore") -> None:
    show(
        f"state rule {score.rule}, {score.warm_up_frames} warm-up frames, {score.cycles} cycles: {segment}, "
        f"Dice {score.dice:.4f}, flicker {score.flicker:.4f}",
        flush=True,
    )
