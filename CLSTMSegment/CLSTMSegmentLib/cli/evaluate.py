"""`clstm-segment evaluate`: a model's Dice on labelled hearts, as a table and as JSON."""

import json
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from statistics import mean

from ..engine.bundle import load_model
from ..training.datasets import DATA
from ..training.evaluation import evaluate


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument("--model", default="cardiac-cine-lv", metavar="NAME|FOLDER|FILE.pth")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help=f"labelled hearts (default: {DATA})")
    parser.add_argument("--hearts", nargs="+", metavar="HEART", help="their names (default: those kept for test)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write every score")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")


def run(options: Namespace) -> None:
    """Score the model heart by heart, then print means."""
    model = load_model(options.model)
    hearts = options.hearts or model.training.get("kept_for_test")
    scores, groups = [], defaultdict(list)
    for score in evaluate(model, options.data, hearts, options.device):
        print(f"{score.heart:14}{score.source:12}{score.phase:4}{score.segment:30}{score.dice:.3f}", flush=True)
        scores.append(asdict(score))
        kind = "phases" if score.source == "phases" else "cines"
        groups[f"{kind} {score.phase}, {score.segment}"].append(score.dice)
    for group, values in groups.items():
        print(f"{group}: mean {mean(values):.3f}, least {min(values):.3f}, of {len(values)}")
    if options.out is not None:
        options.out.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
