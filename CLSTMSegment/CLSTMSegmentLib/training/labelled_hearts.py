"""Labelled hearts on disk, brought to a model's grid: the Sunnybrook cines and ED/ES stacks."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.sequence import Frame
from ..engine.frame_grid import FrameGrid
from ..engine.intensity_window import find_window
from ..io.image_files import read_image
from ..io.sequence_files import read_sequence
from ..model.rules import GeometryRule, IntensityRule
from .sparse_labels import UNKNOWN, Rim, allowed_classes

DATA = Path("../shared/data")
"""Where the labelled hearts are unless the caller says otherwise."""

CLASSES = 3


@dataclass
class LabelledSequence:
    """One heart on a model's grid.

    Attributes:
        name: of the heart; the same heart has the same name in every data set.
        frames: float16 (D, H, W) arrays, scaled by the model's intensity rule.
        allowed: for the annotated frames, uint8 bit sets (D, H, W), see `sparse`.
        cyclic: whether the first frame follows the last.
    """

    name: str
    frames: list[np.ndarray]
    allowed: dict[int, np.ndarray] = field(default_factory=dict)
    cyclic: bool = True


@dataclass
class Annotation:
    """A label image of one frame, the classes drawn, the first and last annotated slice, and "ED" or "ES"."""

    labels: sitk.Image
    classes: list[int]
    slices: tuple[int, int]
    phase: str


def to_grid(
    name: str,
    frames: list[Frame],
    annotations: dict[int, Annotation],
    geometry: GeometryRule,
    intensity: IntensityRule,
    rim: Rim | None = None,
) -> LabelledSequence:
    """Bring a heart to the model's grid by the very steps that a run takes.

    Args:
        rim: narrows what may be where its outer class was not drawn.
    """
    grids = [FrameGrid(f.image, geometry) for f in frames]
    turned = [g.turned(f.image) for g, f in zip(grids, frames, strict=True)]
    window = find_window(intensity, turned)
    sequence = LabelledSequence(
        name, [g.to_model(window.apply(a)).astype(np.float16) for g, a in zip(grids, turned, strict=True)]
    )
    for t, annotation in annotations.items():
        grid, labels = grids[t], grids[t].turned(annotation.labels)
        on_grid = np.zeros(grid.model_shape, np.uint8)
        for c in annotation.classes:
            on_grid[grid.to_model((labels == c).astype(np.float32)) > 0.5] = c
        drawn = np.zeros(annotation.labels.GetSize()[::-1], np.float32)
        first, last = annotation.slices
        drawn[first : last + 1] = 1
        drawn_image = sitk.GetImageFromArray(drawn)
        drawn_image.CopyInformation(annotation.labels)
        allowed = allowed_classes(on_grid, annotation.classes, CLASSES)
        if rim is not None and rim.outer not in annotation.classes:
            rim.apply(allowed, geometry.spacing)
        allowed[grid.to_model(grid.turned(drawn_image)) < 0.99] = UNKNOWN
        sequence.allowed[t] = allowed
    return sequence


SAME_HEART = {"SCD0000101": "SC-HF-I-01", "SCD0000201": "SC-HF-I-02", "SCD0000301": "SC-HF-I-04"}
"""Cines of the Sunnybrook data whose ED and ES stacks are among the others, by their name there."""


def read_cines(
    data: Path, hearts: Collection[str] | None = None
) -> dict[str, tuple[list[Frame], dict[int, Annotation]]]:
    """The annotated cines in a folder, or in its folders, by case name; of some hearts, or of all.

    A folder of cines has a `labels.json`: for each case, beside `CASE.seq.nrrd`, the annotated frames
    by number, each with the label image's `file` (on the frame's own grid), the `phase` ("ED", "ES"
    or any other), the `labelled_classes`, and the first and last of the `labelled_slices`.
    """
    cines = {}
    for index in _index_files(data, "labels.json"):
        for case, labelled in json.loads(index.read_text(encoding="utf-8")).items():
            if hearts is not None and SAME_HEART.get(case, case) not in hearts:
                continue
            annotations = {
                int(t): Annotation(
                    read_image(index.parent / entry["file"]),
                    entry["labelled_classes"],
                    tuple(entry["labelled_slices"]),
                    entry["phase"],
                )
                for t, entry in labelled.items()
            }
            cines[case] = (list(read_sequence(index.parent / f"{case}.seq.nrrd")), annotations)
    return cines


def read_phases(
    data: Path, hearts: Collection[str] | None = None
) -> dict[str, dict[str, tuple[Frame, Annotation, int]]]:
    """Single phases in a folder, or in its folders: frame, cavity labels, first slice, by heart; of some, or all.

    A folder of phases has an `index.json`: for each heart and phase ("ED", "ES"), beside
    `HEART_PHASE.nrrd` and `HEART_PHASE_cavity.nrrd` (label 1, drawn in every slice), the first and last
    of the `slices` of the whole stack that these are.
    """
    stacks = {}
    for index in _index_files(data, "index.json"):
        for name, phases in json.loads(index.read_text(encoding="utf-8")).items():
            if hearts is not None and name not in hearts:
                continue
            stacks[name] = {}
            for phase, entry in phases.items():
                image = read_image(index.parent / f"{name}_{phase}.nrrd")
                labels = read_image(index.parent / f"{name}_{phase}_cavity.nrrd")
                annotation = Annotation(labels, [1], (0, image.GetDepth() - 1), phase)
                stacks[name][phase] = (Frame(image, phase), annotation, entry["slices"][0])
    return stacks


def _index_files(data: Path, name: str) -> list[Path]:
    return [path for path in (data / name, *sorted(data.glob(f"*/{name}"))) if path.is_file()]


def load_hearts(
    data: Path, geometry: GeometryRule, intensity: IntensityRule, rim: Rim | None = None
) -> list[LabelledSequence]:
    """All annotated hearts under the data folder, on a model's grid.

    A heart with ED and ES stacks gives three sequences: each phase alone, with all its slices,
    and both as two frames on the slices that they share.

    Raises:
        InputError: there are none.
    """
    sequences = []
    for case, (frames, annotations) in read_cines(data).items():
        sequences.append(to_grid(SAME_HEART.get(case, case), frames, annotations, geometry, intensity, rim))
    for name, phases in read_phases(data).items():
        for frame, annotation, _ in phases.values():
            sequences.append(to_grid(name, [frame], {0: annotation}, geometry, intensity, rim))
        first = max(start for _, _, start in phases.values())
        last = min(start + frame.image.GetDepth() for frame, _, start in phases.values())
        both = [phases["ED"], phases["ES"]]
        frames = [Frame(frame.image[:, :, first - start : last - start], frame.index_value) for frame, _, start in both]
        annotations = {
            t: Annotation(a.labels[:, :, first - start : last - start], [1], (0, last - first - 1), a.phase)
            for t, (_, a, start) in enumerate(both)
        }
        sequences.append(to_grid(name, frames, annotations, geometry, intensity, rim))
    if not sequences:
        raise InputError(f"{data} has no labelled hearts: no labels.json or index.json there or in its folders")
    return sequences
