"""The model that a teaching job makes: its description before it is taught, and the weights to begin with."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk
import torch

from ..engine.frame_grid import FrameGrid
from ..engine.labelling import largest_component
from ..model.bundle import load_model
from ..model.description import Model
from ..model.rules import GeometryRule, StateRule
from ..network.options import NetworkOptions
from ..network.unet import CLSTMUNet4D
from .adapted_weights import adapted_weights
from .training_set import WARM_UP_FRAMES, TrainingSet

MOST_VOXELS_ACROSS = 48
"""Voxels that the annotated structures may span along an axis, where the voxel size is chosen to fit them."""

WIDTH = {"cpu": 8, "gpu": 16}
"""Width of a network that begins with random weights."""


@dataclass(frozen=True)
class UntaughtModel:
    """What a teaching job begins with.

    Attributes:
        description: the model that will be taught, without weights.
        weights: state dict to begin with; None for random weights.
        origin: a sentence that says where the weights come from.
        locator_weights: stored weights of the locator of `description`, which is not taught; empty without one.
    """

    description: Model
    weights: dict[str, torch.Tensor] | None
    origin: str
    locator_weights: dict[str, torch.Tensor] = field(default_factory=dict)


def untaught_model(training_set: TrainingSet, device: torch.device) -> UntaughtModel:
    """Return what a teaching job begins with: another model, or random weights.

    Args:
        device: where the model will be taught; a network with random weights is smaller on a CPU.

    Raises:
        InputError: the initial model cannot be read.
    """
    settings, annotations = training_set.settings, training_set.annotations()
    names = ", ".join(segment.name for segment in settings.segments)
    common = {
        "name": settings.name,
        "title": settings.name,
        "segments": settings.segments,
        "activation": "softmax",
        "components": "largest" if _is_one_component(training_set, annotations) else "all",
        "description": f"Taught from {len(training_set.frames)} annotated frames: {names}.",
        "intensity": training_set.windows[0].rule,
    }
    if settings.initial is None:
        return _with_random_weights(fitting_geometry(annotations), device, common)
    return _with_initial_weights(load_model(settings.initial), common)


def fitting_geometry(annotations: Sequence[tuple[sitk.Image, sitk.Image]]) -> GeometryRule:
    """Return the axes of the first annotated image, and voxels no finer than the annotated structures need.

    Args:
        annotations: the image and the label image of each annotated frame.
    """
    image, _ = annotations[0]
    order = sorted(range(3), key=lambda axis: -image.GetSpacing()[axis])
    if max(image.GetSpacing()) < 1.01 * min(image.GetSpacing()):
        order = [2, 1, 0]
    columns = np.array(image.GetDirection()).reshape(3, 3)
    axes = tuple(tuple(round(float(v), 4) for v in columns[:, axis]) for axis in order)
    rule = GeometryRule(axes=axes, slice_axis="thickest")
    extents = []
    for annotated_image, labels in annotations:
        grid = FrameGrid(annotated_image, rule)
        annotated = np.argwhere(grid.reoriented(labels) > 0)
        if annotated.size:
            extents.append((np.ptp(annotated, axis=0) + 1) * grid.frame_spacing)
    finest = np.max(extents, axis=0).max() / MOST_VOXELS_ACROSS
    grid = FrameGrid(image, rule)
    spacing = tuple(round(max(own, finest), 3) for own in grid.frame_spacing)
    thin = grid.frame_shape[0] < 32
    return replace(rule, spacing=spacing, smallest=(16 if thin else 32, 32, 32))


def _with_random_weights(geometry: GeometryRule, device: torch.device, common: dict[str, object]) -> UntaughtModel:
    network = NetworkOptions(
        classes=len(common["segments"]) + 1,
        width=WIDTH["cpu" if device.type == "cpu" else "gpu"],
        last_stage="none",
        conv_bias=False,
        align_corners=False,
    )
    model = Model(**common, network=network, geometry=geometry, state=_carried_state())
    return UntaughtModel(model, None, "Began with random weights.")


def _with_initial_weights(initial: Model, common: dict[str, object]) -> UntaughtModel:
    network = replace(initial.network, classes=len(common["segments"]) + 1, last_stage="none")
    geometry, state = replace(initial.geometry, patch=None, crop=None), initial.state
    if initial.geometry.patch is not None:  # without its last stage, the network works on tiles of any size
        geometry, state = replace(geometry, smallest=(32, 32, 32)), _carried_state()
    # what the initial model locates is the same only if it has the same segments
    same = {segment.name for segment in common["segments"]} == {segment.name for segment in initial.segments}
    model = Model(
        **common,
        network=network,
        geometry=geometry,
        state=state,
        locator=initial.locator if same else None,
        modality=initial.modality,
        licence=initial.licence,
        citation=initial.citation,
    )
    weights, origin = adapted_weights(initial, CLSTMUNet4D(network).state_dict(), model.segments)
    return UntaughtModel(model, weights, origin, initial.locator_weights() if same else {})


def _carried_state() -> StateRule:
    return StateRule("carry", warm_up_frames=WARM_UP_FRAMES)


def _is_one_component(training_set: TrainingSet, annotations: Sequence[tuple[sitk.Image, sitk.Image]]) -> bool:
    """Return whether all segments of every frame are known to be one connected component together."""
    everything = set(range(1, len(training_set.settings.segments) + 1))
    for frame, (_, image) in zip(training_set.frames, annotations, strict=True):
        labels = sitk.GetArrayFromImage(image)
        knows_all = frame.mark == "whole" or (frame.mark == "drawn" and everything <= set(np.unique(labels).tolist()))
        if not knows_all or not np.array_equal(largest_component(labels), labels):
            return False
    return True
