"""One picture of a run: slices of several frames with outlines, beside the volume curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.sequence import SegmentedFrame
from ..core.volume_curve import VolumeCurve, with_unit
from .figure_text import Axes, Figure, drawn, figure_style
from .outlines import box_around, draw_outlines, slices_across, spread_positions

SLICES = 3
EXAMPLES = 4
"""Number of frames that a preview shows."""

SLICE_INCHES = 2.1
"""Width of a slice."""

MOST_SLICE_INCHES = 3 * SLICE_INCHES
"""Greatest height of a slice; one that is higher in proportion to its width gets narrower."""

CURVES_INCHES = 5.2
"""Width of the volume curves."""


def example_frames(numbers: list[int]) -> list[int]:
    """Return the numbers of the frames that the preview shows, spread evenly over the frames of the run."""
    return [numbers[round(k)] for k in np.unique(np.linspace(0, len(numbers) - 1, EXAMPLES).round())]


@figure_style()
def write_preview(
    path: Path, curve: VolumeCurve, examples: Sequence[tuple[sitk.Image, SegmentedFrame]], title: str
) -> None:
    """Draw the picture as PNG.

    Args:
        path: PNG file.
        curve: the volumes of all frames of the run.
        examples: the frames to show, each with its image.
        title: title of the picture.

    Raises:
        OSError: the file cannot be written.
    """
    # frames of another size do not fit into the rows and the box of the first one
    examples = [example for example in examples if example[0].GetSize() == examples[0][0].GetSize()]
    columns = len(examples)
    axis = int(np.argmax(examples[0][0].GetSpacing()))  # the thickest axis goes across the slices
    pixels = [slices_across(image, axis) for image, _ in examples]
    labels = [slices_across(frame.labels, axis) for _, frame in examples]
    box, positions = box_around(labels), spread_positions(labels, SLICES)
    spacing = np.delete(examples[0][0].GetSpacing()[::-1], 2 - axis)
    shown = np.stack([volume[positions][(slice(None), *box)] for volume in pixels])
    shades = np.percentile(shown, [1, 99])
    height = min(SLICE_INCHES * shown.shape[2] * spacing[0] / (shown.shape[3] * spacing[1]), MOST_SLICE_INCHES)
    figure = Figure(
        figsize=(SLICE_INCHES * columns + CURVES_INCHES, max((height + 0.1) * SLICES + 0.8, 4)), layout="constrained"
    )
    figure.suptitle(drawn(title), fontsize=12)
    slices, curves = figure.subfigures(1, 2, width_ratios=(SLICE_INCHES * columns, CURVES_INCHES))
    axes = slices.subplots(SLICES, columns, squeeze=False)
    for column, (_, frame) in enumerate(examples):
        for row, position in enumerate(positions):
            ax = axes[row, column]
            ax.imshow(shown[column, row], cmap="gray", vmin=shades[0], vmax=shades[1], aspect=spacing[0] / spacing[1])
            draw_outlines(ax, labels[column][position][box], curve.segments)
            ax.set_axis_off()
        title = f"{curve.index.name} {frame.index_value} {curve.index.unit}".strip()
        axes[0, column].set_title(drawn(title), fontsize=9)
    _draw_curves(curves.subplots(), curve, [frame.number for _, frame in examples])
    figure.savefig(path, format="png", dpi=130)


def _draw_curves(ax: Axes, curve: VolumeCurve, marked: list[int]) -> None:
    """Draw the volumes over the index, with a vertical line at each frame to mark."""
    numeric = curve.index.is_numeric
    places = [float(frame.index_value) if numeric else frame.number for frame in curve.frames]
    for n, segment in enumerate(curve.segments):
        ax.plot(places, curve.volumes(n), color=segment.color, marker=".", lw=2, label=drawn(segment.name))
    for place, frame in zip(places, curve.frames, strict=True):
        if frame.number in marked:
            ax.axvline(place, color="0.8", lw=1, zorder=0)
    ax.set(xlabel=drawn(curve.index_title), ylabel=with_unit("volume", "ml"), ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1))
