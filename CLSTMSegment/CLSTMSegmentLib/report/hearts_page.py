"""One page of an evaluation: the best, the median and the worst heart with outlines, and volumes over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.structure import Segment
from ..core.volume_curve import VolumeCurve, with_unit
from .figure_text import Axes, Figure, drawn, figure_style
from .outlines import box_around, draw_outlines, slices_across, spread_positions

SLICES = 3


@dataclass(frozen=True)
class PhasePicture:
    """One annotated frame.

    Attributes:
        title: title of the picture.
        image: the frame.
        found: labels that the model gave.
        truth: labels of the annotation.
    """

    title: str
    image: sitk.Image
    found: sitk.Image
    truth: sitk.Image


@dataclass(frozen=True)
class CurvePicture:
    """The volumes of the first segment of one sequence: a curve for each model, by its name."""

    title: str
    curves: dict[str, VolumeCurve]


@figure_style()
def write_hearts_page(
    path: Path,
    title: str,
    segments: Sequence[Segment],
    hearts: Sequence[tuple[str, Sequence[PhasePicture]]],
    sequences: Sequence[CurvePicture],
) -> None:
    """Draw the page as PNG.

    Args:
        path: PNG file.
        title: title of the page.
        segments: segments of the labels.
        hearts: name and annotated frames of each heart; every heart gets a row, every frame three slices.
        sequences: volumes over time, drawn beside each other below the hearts; may be empty.

    Raises:
        OSError: the file cannot be written.
    """
    phases = max(len(pictures) for _, pictures in hearts)
    height = 2.3 * len(hearts)
    figure = Figure(figsize=(2.1 * SLICES * phases, height + (2.6 if sequences else 0.4)), layout="constrained")
    figure.suptitle(drawn(title), fontsize=11)
    ratios = [height, 2.4] if sequences else [1]
    rows = np.ravel(figure.subfigures(len(ratios), 1, height_ratios=ratios))
    axes = rows[0].subplots(len(hearts), SLICES * phases, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for row, (name, pictures) in zip(axes, hearts, strict=True):
        for column, picture in enumerate(pictures):
            phase_axes = row[column * SLICES : (column + 1) * SLICES]
            _draw_phase(phase_axes, picture, segments)
            phase_axes[0].set_title(drawn(f"{name}, {picture.title}"), fontsize=8, loc="left")
    if sequences:
        for ax, sequence in zip(np.ravel(rows[1].subplots(1, len(sequences))), sequences, strict=True):
            _draw_sequence(ax, sequence)
    figure.savefig(path, format="png", dpi=110)


def _draw_phase(axes: Sequence[Axes], picture: PhasePicture, segments: Sequence[Segment]) -> None:
    pixels, found, truth = (slices_across(image, 2) for image in (picture.image, picture.found, picture.truth))
    box = box_around([truth])
    brightest = np.percentile(pixels[(slice(None), *box)], 99)
    for ax, position in zip(axes, spread_positions([truth], SLICES), strict=True):
        ax.imshow(pixels[position][box], cmap="gray", vmin=0, vmax=brightest)
        draw_outlines(ax, found[position][box], segments)
        draw_outlines(ax, truth[position][box], segments, "dotted")


def _draw_sequence(ax: Axes, sequence: CurvePicture) -> None:
    for model, curve in sequence.curves.items():
        ax.plot(curve.numbers, curve.volumes(0), marker=".", label=drawn(model))
    ax.set_title(drawn(sequence.title), fontsize=8)
    ax.set(xlabel="frame", ylabel=with_unit("volume", "ml"), ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=7)
