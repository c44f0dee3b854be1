"""What a lesson is about, for training: the model to be taught, its frames on that model's grid, the patch."""

import math
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from ..core.boxes import Shape
from ..engine.frame_grid import FrameGrid
from ..engine.intensity_window import find_window
from ..engine.labelling import largest_component
from ..io.image_files import read_image
from ..model.bundle import load_model
from ..model.description import Model
from ..model.rules import GeometryRule, IntensityRule, TimeRule
from ..network.unet import CLSTMUNet4D
from ..training.labelled_hearts import LabelledSequence
from ..training.sparse_labels import UNKNOWN, allowed_classes, drawn_labels
from .adapting import adapted
from .training_set import Lesson, TaughtFrame, image_path, labels_path

DETAIL = 48
"""Voxels that the drawn structures span at most, where the model's voxels are chosen from them."""

PATCH_VOXELS = {"cpu": 16 * 80 * 80, "gpu": 32 * 128 * 128}
WIDTH = {"cpu": 8, "gpu": 16}

REACH_OF_MEMORY = 3
"""Frames that warm the memory, in use as in teaching."""


def model_for(lesson: Lesson, folder: Path, device: torch.device) -> tuple[Model, dict[str, torch.Tensor] | None, str]:
    """The model that is to be taught, weights to begin with (None for random ones), and how it begins in words."""
    names = ", ".join(segment.name for segment in lesson.segments)
    common = {
        "name": lesson.name,
        "title": lesson.name,
        "segments": lesson.segments,
        "activation": "softmax",
        "components": "largest" if _in_one_piece(lesson, folder) else "all",
        "description": f"Taught from {len(lesson.frames)} annotated frames: {names}.",
    }
    classes = len(lesson.segments) + 1
    if lesson.initial is None:
        kind = "cpu" if device.type == "cpu" else "gpu"
        network = {"in_channels": 1, "classes": classes, "width": WIDTH[kind], "lstm_layers": 1, "last_stage": "none"}
        network |= {"conv_bias": False, "align_corners": False}
        model = Model(
            **common,
            network=network,
            geometry=geometry_of(lesson, folder),
            intensity=IntensityRule(lower=0.5, upper=99.5),
            time=TimeRule("carry", prime=REACH_OF_MEMORY),
        )
        return model, None, "began from nothing"
    source = load_model(lesson.initial)
    geometry = replace(source.geometry, patch=None, crop=None)
    if source.geometry.patch is not None:
        geometry = replace(geometry, smallest=(32, 32, 32))
    model = Model(
        **common,
        network=source.network | {"classes": classes, "last_stage": "none"},
        geometry=geometry,
        intensity=replace(source.intensity, over="sequence"),
        time=source.time if source.geometry.patch is None else TimeRule("carry", prime=REACH_OF_MEMORY),
        modality=source.modality,
        licence=source.licence,
        citation=source.citation,
    )
    weights, kept = adapted(
        source.build_network().state_dict(), source, CLSTMUNet4D(**model.network).state_dict(), lesson.segments
    )
    return model, weights, kept


def _annotation(folder: Path, frame: TaughtFrame) -> tuple[sitk.Image, sitk.Image]:
    return (
        read_image(image_path(folder, frame.sequence, frame.number)),
        read_image(labels_path(folder, frame.sequence, frame.number)),
    )


def _in_one_piece(lesson: Lesson, folder: Path) -> bool:
    """Whether all that is drawn in a frame hangs together, in every frame, and is drawn completely."""
    if any(frame.mark == "partly" for frame in lesson.frames):
        return False
    drawn = (sitk.GetArrayFromImage(_annotation(folder, frame)[1]) for frame in lesson.frames)
    return all(np.array_equal(largest_component(labels), labels) for labels in drawn)


def geometry_of(lesson: Lesson, folder: Path) -> GeometryRule:
    """The axes of the first annotated image, and voxels no finer than the drawn structures need."""
    image, _ = _annotation(folder, lesson.frames[0])
    order = sorted(range(3), key=lambda axis: -image.GetSpacing()[axis])
    if max(image.GetSpacing()) < 1.01 * min(image.GetSpacing()):
        order = [2, 1, 0]
    columns = np.array(image.GetDirection()).reshape(3, 3)
    axes = tuple(tuple(round(float(v), 4) for v in columns[:, axis]) for axis in order)
    sliced = GeometryRule(axes=axes, slice_axis="thickest")
    spans = []
    for frame in lesson.frames:
        image, labels = _annotation(folder, frame)
        grid = FrameGrid(image, sliced)
        where = np.argwhere(grid.turned(labels) > 0)
        if where.size:
            spans.append((np.ptp(where, axis=0) + 1) * grid.frame_spacing)
    finest = np.max(spans, axis=0).max() / DETAIL
    grid = FrameGrid(_annotation(folder, lesson.frames[0])[0], sliced)
    spacing = tuple(round(max(own, finest), 3) for own in grid.frame_spacing)
    thin = grid.frame_shape[0] < 32
    return replace(sliced, spacing=spacing, smallest=(16 if thin else 32, 32, 32))


def taught_sequence(lesson: Lesson, frame: TaughtFrame, folder: Path, model: Model) -> LabelledSequence:
    """An annotated frame among its neighbours on the model's grid, by the steps that a run takes."""
    images = [read_image(image_path(folder, frame.sequence, n)) for n in frame.around]
    grids = [FrameGrid(image, model.geometry) for image in images]
    turned = [grid.turned(image) for grid, image in zip(grids, images, strict=True)]
    window = find_window(model.intensity, turned)
    frames = [g.to_model(window.apply(a)).astype(np.float16) for g, a in zip(grids, turned, strict=True)]
    place = frame.around.index(frame.number)
    _, drawn_image = _annotation(folder, frame)  # it must outlive the view of its voxels
    labels = grids[place].turned(drawn_image)
    classes = range(1, len(lesson.segments) + 1)
    shares = [grids[place].to_model((labels == c).astype(np.float32)) for c in classes]
    on_grid = np.where(np.max(shares, axis=0) > 0.5, np.argmax(shares, axis=0) + 1, 0).astype(np.uint8)
    drawn = [c for c in classes if (labels == c).any()]
    if frame.mark == "partly":
        allowed = np.where(on_grid > 0, 1 << on_grid, UNKNOWN).astype(np.uint8)
    else:
        allowed = allowed_classes(on_grid, list(classes) if frame.mark == "whole" else drawn, len(classes) + 1)
    if frame.mark == "slices":
        allowed[~on_grid.any(axis=(1, 2))] = UNKNOWN
    name = f"frame {frame.number} of sequence {frame.sequence}"
    return LabelledSequence(name, frames, {place: allowed}, cyclic=False)


def patch_for(sequences: list[LabelledSequence], model: Model, device: torch.device) -> Shape:
    """A patch that holds what is drawn with room around, in multiples of 8, as far as the device allows."""
    spans = []
    for sequence in sequences:
        for allowed in sequence.allowed.values():
            where = np.argwhere(drawn_labels(allowed))
            if where.size:
                spans.append(np.ptp(where, axis=0) + 1)
    span = np.max(spans, axis=0)
    patch = [
        min(max(8 * math.ceil((n + 16) / 8), least), max(8 * math.ceil(whole / 8), least))
        for n, least, whole in zip(span, model.geometry.smallest, sequences[0].frames[0].shape, strict=True)
    ]
    most = PATCH_VOXELS["cpu" if device.type == "cpu" else "gpu"]
    while prod(patch) > most:
        spare = [n - least for n, least in zip(patch, model.geometry.smallest, strict=True)]
        if max(spare) == 0:
            break
        patch[int(np.argmax(spare))] -= 8
    return tuple(patch)
