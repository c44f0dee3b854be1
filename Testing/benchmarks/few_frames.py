"""What a teaching job reaches from a few drawn frames in a few minutes, with and without propagated frames.

`cd Testing && python -m benchmarks.few_frames --out few-frames.jsonl` teaches the swinging hook, and with
`--data FOLDER --cine NAME` a real cine of which only end-diastole is drawn. It appends a line for each job to the file;
jobs that are in the file already are not run again. A job measures its speed when it begins, and makes as many steps as
its minutes allow; `--steps-per-minute` replaces the measured speed, so that the result does not depend on what else the
computer does.
"""

import json
import tempfile
from argparse import ArgumentParser
from itertools import product
from pathlib import Path
from statistics import fmean

from CLSTMSegmentLib.core.structure import Segment
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.evaluation.metrics import dice
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.propagation.confident_frames import confident_frames
from CLSTMSegmentLib.teaching.teaching_folders import teaching_folder
from CLSTMSegmentLib.teaching.teaching_job import teach
from CLSTMSegmentLib.teaching.teaching_settings import TeachingSettings
from CLSTMSegmentLib.teaching.training_set import write_training_set
from CLSTMSegmentLib.training.labelled_hearts import read_cines
from hook_phantom import hook_sequence

DRAWN = ((0,), (0, 6), (0, 3, 6, 9))
"""Numbers of the drawn frames of the hook, of twelve."""


def taught_dice(frames, truth, drawn, minutes, propagate, steps_per_minute=None):
    """Teach from some frames, and return what was reached in the others, as a dictionary of numbers.

    Args:
        frames: a cyclic sequence.
        truth: label images, by frame number, of frames that are drawn or scored.
        drawn: numbers of the drawn frames.
        minutes: time that the job may take.
        propagate: whether it learns from propagated frames too.
        steps_per_minute: speed of the job; None to measure it.
    """
    annotations = {number: truth[number] for number in drawn}
    propagated = confident_frames(frames, annotations, cyclic=True) if propagate else {}
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        settings = TeachingSettings(
            "Taught",
            (Segment("taught", "Taught", (1.0, 0.0, 0.0)),),
            None,
            minutes,
            "cpu",
            hold_out_frames=False,
            propagated_frames=tuple((0, number) for number in sorted(propagated)),
        )
        job = write_training_set(teaching_folder(models, "Taught"), settings, [(frames, annotations | propagated)])
        if steps_per_minute is not None:  # as a resumed job finds its plan
            plan = {"model": round(steps_per_minute * minutes)}
            (job.folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        model = load_model(teach(job.folder, models).folder)
        results = list(Segmenter(model, RunSettings(device="cpu")).segment(frames))
    found = [dice(results[number].labels, truth[number], 1) for number in truth if number not in drawn]
    return {
        "steps": model.training["steps"],
        "learnt_frames": len(annotations) + len(propagated),
        "mean": round(fmean(found), 3),
        "least": round(min(found), 3),
    }


def sequences(seeds, data, cines):
    """Yield names of sequences, each with its frames, the truth by frame number, and choices of drawn frames."""
    for seed in seeds:
        frames, truth = hook_sequence(seed)
        yield f"hook {seed}", frames, dict(enumerate(truth)), DRAWN
    for cine in cines:
        frames, annotations = read_cines(data)[cine]
        truth = {number: annotation.labels == 1 for number, annotation in annotations.items()}
        diastole = next(number for number, annotation in annotations.items() if annotation.phase == "ED")
        yield cine, frames, truth, ((diastole,),)


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="JSONL")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--steps-per-minute", type=float, help="speed of all jobs; measured by each job by default")
    parser.add_argument("--hooks", type=int, nargs="*", default=[6, 3], help="seeds of the hooks")
    parser.add_argument("--data", type=Path, default=Path("../../shared/data"))
    parser.add_argument("--cine", nargs="*", default=[], help="names of real cines, such as SCD0000101")
    options = parser.parse_args()

    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    done = {tuple(map(str, list(json.loads(line).values())[:4])) for line in lines}
    for name, frames, truth, choices in sequences(options.hooks, options.data, options.cine):
        for minutes, drawn, propagate in product(options.minutes, choices, (False, True)):
            job = {"sequence": name, "drawn": len(drawn), "minutes": minutes, "propagated": propagate}
            if tuple(map(str, job.values())) in done:
                continue
            line = json.dumps(job | taught_dice(frames, truth, drawn, minutes, propagate, options.steps_per_minute))
            print(line, flush=True)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
