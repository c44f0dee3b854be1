"""One picture of a run: slices at several frames with outlines, beside the volume curves."""

from pathlib import Path

import matplotlib
import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..engine.bundle import Model
from ..engine.files import SequenceIndex
from ..engine.segmenter import SegmentedFrame

matplotlib.use("Agg")

SLICES = 3
EXAMPLES = 4
"""Frames that a preview shows."""


def example_frames(wanted: list[int]) -> list[int]:
    """The frames to keep for the preview: evenly spread over the run."""
    return [wanted[round(k)] for k in np.unique(np.linspace(0, len(wanted) - 1, EXAMPLES).round())]


def write_preview(
    path: Path,
    model: Model,
    index: SequenceIndex,
    volumes: list[tuple[int, str, list[float]]],
    examples: list[tuple[sitk.Image, SegmentedFrame]],
    title: str,
) -> None:
    """Draw the picture as PNG.

    Args:
        volumes: (frame number, index value, ml of each segment) a frame.
        examples: the frames to show, each with its labels.
    """
    # frames of another size cannot share rows and a window with the first
    examples = [example for example in examples if example[0].GetSize() == examples[0][0].GetSize()]
    columns = len(examples)
    axis = int(np.argmax(examples[0][0].GetSpacing()))  # across the slices, where there are slices
    pixels = [_slices(image, axis) for image, _ in examples]
    labels = [_slices(frame.labels, axis) for _, frame in examples]
    window, positions = _window(labels), _positions(labels)
    spacing = np.delete(examples[0][0].GetSpacing()[::-1], 2 - axis)
    shown = np.stack([volume[positions][(slice(None), *window)] for volume in pixels])
    shades = np.percentile(shown, [1, 99])
    edge = 2.1  # inches a slice is wide
    height = edge * shown.shape[2] * spacing[0] / (shown.shape[3] * spacing[1])
    figure = Figure(figsize=(edge * columns + 5.2, max((height + 0.1) * SLICES + 0.8, 4)), layout="constrained")
    figure.suptitle(title, fontsize=12)
    slices, curves = figure.subfigures(1, 2, width_ratios=(edge * columns, 5.2))
    axes = slices.subplots(SLICES, columns, squeeze=False)
    for column, (_, frame) in enumerate(examples):
        for row, position in enumerate(positions):
            ax = axes[row, column]
            ax.imshow(shown[column, row], cmap="gray", vmin=shades[0], vmax=shades[1], aspect=spacing[0] / spacing[1])
            _outline(ax, labels[column][position][window], model)
            ax.set_axis_off()
        axes[0, column].set_title(f"{index.name} {frame.index_value} {index.unit}".strip(), fontsize=9)
    _draw_curves(curves.subplots(), model, index, volumes, [frame.number for _, frame in examples])
    figure.savefig(path, dpi=130)


def _slices(image: sitk.Image, axis: int) -> np.ndarray:
    """The image's voxels with the slices across an image axis first."""
    return np.moveaxis(sitk.GetArrayFromImage(image), 2 - axis, 0)


def _window(labels: list[np.ndarray]) -> tuple[slice, slice]:
    """The part of the slices to show: around all segments, with as much again; all where there are none."""
    filled = np.any([(frame > 0).any(axis=0) for frame in labels], axis=0)
    if not filled.any():
        return slice(None), slice(None)
    window = []
    for direction in (1, 0):
        where = np.flatnonzero(filled.any(axis=direction))
        margin = max((where[-1] - where[0] + 1) * 2 // 3, 8)
        window.append(slice(max(where[0] - margin, 0), where[-1] + margin + 1))
    return tuple(window)


def _positions(labels: list[np.ndarray]) -> list[int]:
    """Slices spread over the segments' extent."""
    filled = np.flatnonzero(np.any([(frame > 0).any(axis=(1, 2)) for frame in labels], axis=0))
    if filled.size == 0:
        filled = np.arange(len(labels[0]))
    return [int(filled[round(part * (filled.size - 1))]) for part in np.linspace(0.2, 0.8, SLICES)]


def _outline(ax: Axes, labels: np.ndarray, model: Model) -> None:
    # the first segment last, on top: where two touch, their outlines coincide
    for value, segment in reversed(list(enumerate(model.segments, start=1))):
        mask = labels == value
        if mask.any() and not mask.all():
            ax.contour(mask, levels=[0.5], colors=[segment.color], linewidths=1.2)


def _draw_curves(
    ax: Axes, model: Model, index: SequenceIndex, volumes: list[tuple[int, str, list[float]]], shown: list[int]
) -> None:
    numeric = index.type == "numeric"
    places = [float(value) if numeric else number for number, value, _ in volumes]
    for n, segment in enumerate(model.segments):
        ax.plot(places, [ml[n] for _, _, ml in volumes], color=segment.color, marker=".", lw=2, label=segment.name)
    for place, (number, _, _) in zip(places, volumes, strict=True):
        if number in shown:
            ax.axvline(place, color="0.8", lw=1, zorder=0)
    unit = f" [{index.unit}]" if index.unit else ""
    ax.set(xlabel=f"{index.name}{unit}", ylabel="volume [ml]", ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1))
