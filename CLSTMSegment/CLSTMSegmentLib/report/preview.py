"""One picture of a run: slices at several frames with outlines, beside the volume curves."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..core.sequence import SegmentedFrame, SequenceIndex
from ..core.volume_curve import with_unit
from ..model.description import Model
from .outlines import draw_outlines, slices_across, spread_positions, window_around

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
    pixels = [slices_across(image, axis) for image, _ in examples]
    labels = [slices_across(frame.labels, axis) for _, frame in examples]
    window, positions = window_around(labels), spread_positions(labels, SLICES)
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
            draw_outlines(ax, labels[column][position][window], model)
            ax.set_axis_off()
        axes[0, column].set_title(f"{index.name} {frame.index_value} {index.unit}".strip(), fontsize=9)
    _draw_curves(curves.subplots(), model, index, volumes, [frame.number for _, frame in examples])
    figure.savefig(path, dpi=130)


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
    ax.set(xlabel=with_unit(index.name, index.unit), ylabel=with_unit("volume", "ml"), ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1))
