"""Teaching: from a lesson to a model bundle, checked on frames left out, stoppable and resumable at any step."""

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from ..core.atomic_write import replacing
from ..core.devices import choose_device
from ..core.errors import InputError
from ..model.bundle import write_bundle
from ..model.description import Model
from ..network.unet import CLSTMUNet4D
from ..report.quick_picture import write_quick_picture
from ..training.labelled_hearts import LabelledSequence
from ..training.sparse_labels import drawn_labels
from ..training.stacks import StackRule, TrainingStacks
from ..training.trainer import Stage, Step, TrainingRule, stack_loss, train
from ..training.validation import answers
from .preparing import REACH_OF_MEMORY, model_for, patch_for, taught_sequence
from .training_set import PREVIEW, Lesson

PLAN = "plan.json"

FOLDS = 4
"""At most so many parts of the annotated frames are left out in turn to check what is learnt."""

VALIDATIONS = 5
"""In each part of a lesson, at most."""

STOPPED = "stopped by the user"

STEPS = (20, 4000)
"""Of one part of a lesson, at least and at most."""


@dataclass(frozen=True)
class Part:
    """A training within a lesson: its folder's name, and the annotated frames that it does not learn from."""

    name: str
    left_out: tuple[int, ...]


def parts_of(lesson: Lesson) -> list[Part]:
    """Checks, in which each annotated frame is left out once, where there are three or more; then the model itself."""
    count = len(lesson.frames)
    folds = min(count, FOLDS) if lesson.check and count >= 3 else 0
    checks = [Part(f"check-{k + 1}", tuple(range(k, count, folds))) for k in range(folds)]
    return [*checks, Part("model", ())]


def teach(folder: Path, models: Path, say: Callable[..., None], going_on: Callable[[], bool]) -> Path:
    """Learn a lesson, or go on with it where it was left.

    Args:
        folder: of the lesson, see `lesson.write_lesson`; checkpoints lie there, too.
        models: the bundle becomes a folder in it.
        say: called with an event ("progress", "score", "note") and its details.
        going_on: asked after every step; once it says False, the best so far is made the model.

    Returns:
        The bundle's folder.

    Raises:
        InputError: the lesson cannot be learnt, or not stored; the message says what is kept.
    """
    lesson = Lesson.read(folder)
    target = models / lesson.name
    if target.exists():
        raise InputError(f"there is a model {lesson.name!r} in {models} already: choose another name")
    models.mkdir(parents=True, exist_ok=True)
    device, warnings = choose_device(lesson.device)
    for warning in warnings:
        say("note", text=warning)
    torch.manual_seed(0)  # weights that begin at random are the same after a resume
    model, weights, kept = model_for(lesson, folder, device)
    say("note", text=kept)
    sequences = [taught_sequence(lesson, frame, folder, model) for frame in lesson.frames]
    parts = parts_of(lesson)
    rules = planned(lesson, parts, sequences, model, weights is None, device, folder)
    scores: list[tuple[float, float]] = []
    ended = None
    for part in parts:
        steps = _Steps(part, parts, rules, say, going_on, folder, model, sequences, device)
        left_out = [s for n, s in enumerate(sequences) if n in part.left_out]
        learnt_from = [s for n, s in enumerate(sequences) if n not in part.left_out]
        try:
            train(
                model,
                learnt_from,
                left_out or learnt_from,
                None,
                rules[part.name],
                folder / part.name,
                device,
                weights,
                steps.watch,
            )
        except FloatingPointError as error:
            ended = f"the loss is no longer a number ({error})"
        except OSError as error:
            ended = f"what was learnt cannot be stored in {folder}: is the disk full? ({error})"
        except InputError:
            if not steps.stopped:
                raise
        if steps.stopped:
            ended = STOPPED
        if ended is not None:
            break
        if left_out:
            scores.append(last_score(folder / part.name))
            say("score", place=steps.place, dice=scores[-1][0])
    network, part = best_so_far(parts, folder, model)
    if network is None:
        raise InputError(f"{ended}, before anything had been learnt: begin again, and let it go on for longer")
    training = {"taught_from": f"{len(lesson.frames)} annotated frames", "beginning": kept}
    training["steps"] = rules[part.name].stages[0].iterations
    if ended is not None:
        training["ended_early"] = ended
    finished = replace(model, training=training, scores=_figures(lesson, scores, rules, part))
    state = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    try:
        with replacing(target) as partial:  # half a model is never seen
            write_bundle(finished, state, partial)
    except OSError as error:
        raise InputError(
            f"the model cannot be written to {target} ({error.strerror}): make room there, then resume the lesson in "
            f"{folder}, where all that was learnt is kept"
        ) from error
    if ended not in (None, STOPPED):
        raise InputError(f"{ended}. The best so far was kept as {target}")
    return target


def planned(
    lesson: Lesson,
    parts: list[Part],
    sequences: list[LabelledSequence],
    model: Model,
    from_nothing: bool,
    device: torch.device,
    folder: Path,
) -> dict[str, TrainingRule]:
    """How each part is trained: as many steps as its share of the time allows on this device, measured once."""
    patch = patch_for(sequences, model, device)
    stacks = StackRule(
        frames=1,
        lead=REACH_OF_MEMORY,
        labelled=1,
        batch=2,
        patches=(patch,),
        phantom_share=0.0,
        cine_share=1.0,
        animated_share=0.5,
        corrupted_share=0.1,
        far_share=0.4,  # few frames: what lies elsewhere must be learnt from them, too
    )
    structures = tuple(range(1, len(lesson.segments) + 1))
    plan = folder / PLAN
    if plan.exists():
        steps = json.loads(plan.read_text(encoding="utf-8"))
    else:
        seconds = _seconds_per_step(TrainingStacks(sequences, None, model, stacks, 0, structures), model, device)
        checks = len(parts) - 1
        # half of the time for the checks, half for the model; a tenth for validations
        shares = {part.name: (0.5 / checks if part.left_out else 0.5 if checks else 1.0) for part in parts}
        steps = {
            name: int(np.clip(0.9 * share * lesson.minutes * 60 / seconds, *STEPS)) for name, share in shares.items()
        }
        plan.write_text(json.dumps(steps), encoding="utf-8")
    return {
        name: TrainingRule(
            (Stage(count, 2e-3 if from_nothing else 1e-3, stacks),),
            validate_every=-(-count // VALIDATIONS),
            norms_frozen_from=count // 2 if from_nothing else 0,
            average_decay=1 - 1 / max(4, count // 20),
            structures=structures,
        )
        for name, count in steps.items()
    }


def _seconds_per_step(stacks: TrainingStacks, model: Model, device: torch.device, trials: int = 4) -> float:
    network = CLSTMUNet4D(**model.network).to(device, memory_format=torch.channels_last_3d)
    took = []
    for n in range(trials):
        began = time.perf_counter()
        images, allowed = stacks[n]
        stack_loss(network, images.to(device), allowed.to(device), 1).backward()
        took.append(time.perf_counter() - began)
    return fmean(took[1:])  # the first one warms up


class _Steps:
    """Follows the steps of one part: tells them, stops it, and draws how it stands."""

    def __init__(
        self,
        part: Part,
        parts: list[Part],
        rules: dict[str, TrainingRule],
        say: Callable[..., None],
        going_on: Callable[[], bool],
        folder: Path,
        model: Model,
        sequences: list[LabelledSequence],
        device: torch.device,
    ):
        self.stopped = False
        self._say, self._going_on = say, going_on
        self.place = f"{parts.index(part) + 1} of {len(parts)}"
        later = parts[parts.index(part) + 1 :]
        self._later = sum(rules[p.name].stages[0].iterations for p in later)
        self._shown = sequences[part.left_out[0] if part.left_out else 0]
        self._folder, self._model, self._device = folder, model, device
        self._began: tuple[int, float] | None = None
        self._losses: list[float] = []

    def watch(self, step: Step) -> bool:
        now = time.monotonic()
        if self._began is None:
            self._began = (step.iteration, now)
        done = step.iteration - self._began[0]
        left = None
        if done:
            left = round((now - self._began[1]) / done * (step.iterations - step.iteration + self._later))
        self._losses = [*self._losses[-19:], step.loss]
        self._say(
            "progress",
            place=self.place,
            step=step.iteration,
            steps=step.iterations,
            loss=round(fmean(self._losses), 4),
            seconds_left=left,
            dice=None if step.score is None or math.isnan(step.score["mean"]) else round(step.score["mean"], 4),
        )
        if step.score is not None and not math.isnan(step.score["mean"]):
            self._draw(step)
        if not self.stopped:
            self.stopped = not self._going_on()
        return not self.stopped

    def _draw(self, step: Step) -> None:
        sequence, place, logits = next(answers(step.network, [self._shown], self._model, True, self._device))
        write_quick_picture(
            self._folder / PREVIEW,
            sequence.frames[place].astype(np.float32),
            drawn_labels(sequence.allowed[place]),
            logits.argmax(0).to(torch.uint8).cpu().numpy(),
            self._model.geometry.spacing,
        )


def last_score(part: Path) -> tuple[float, float]:
    """Mean and least Dice of the frames left out, at the end of a check."""
    with (part / "log.csv").open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return float(last["validation_mean_dice"]), float(last["validation_least_dice"])


def best_so_far(parts: list[Part], folder: Path, model: Model) -> tuple[CLSTMUNet4D | None, Part | None]:
    """The best network that was stored: of the model itself, else of a check, which has learnt from fewer frames."""
    for part in reversed(parts):
        path = folder / part.name / "best.pt"
        if path.exists():
            network = CLSTMUNet4D(**model.network)
            network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
            return network.eval(), part
    return None, None


def _figures(
    lesson: Lesson, scores: list[tuple[float, float]], rules: dict[str, TrainingRule], part: Part
) -> dict[str, str]:
    """What the checks found, in words that say what it is worth."""
    if not scores:
        return {}
    mean, least = fmean(mean for mean, _ in scores), min(least for _, least in scores)
    steps = {name: rule.stages[0].iterations for name, rule in rules.items()}
    text = (
        f"mean {mean:.3f}, least {least:.3f}, in {len(scores)} checks, each by a network of {steps['check-1']} steps "
        "that had not learnt from them"
    )
    if not part.left_out:
        text += f"; this one had all {len(lesson.frames)} frames and {steps['model']} steps"
    return {"Dice of annotated frames left out": text}
