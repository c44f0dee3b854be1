"""One page of an evaluation: best, median and worst heart with outlines, and volumes over time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from matplotlib.figure import Figure

from ..model.description import Model
from .outlines import draw_outlines, slices_across, spread_positions, window_around

SLICES = 3


@dataclass(frozen=True)
class PhasePicture:
    """One annotated frame: what it is, the image, what was found, what was annotated."""

    title: str
    image: sitk.Image
    found: sitk.Image
    truth: sitk.Image


def write_hearts_page(
    path: Path,
    model: Model,
    hearts: list[tuple[str, list[PhasePicture]]],
    curves: list[tuple[str, list[tuple[str, list[float]]]]],
    title: str,
) -> None:
    """Draw the page as PNG.

    Args:
        hearts: a row each, a picture of three slices for each phase; of the same number of phases.
        curves: an axis each: its title, and the volumes in ml over the frames by name.
    """
    phases = max(len(pictures) for _, pictures in hearts)
    figure = Figure(figsize=(2.1 * SLICES * phases, 2.3 * len(hearts) + (2.6 if curves else 0.4)), layout="constrained")
    figure.suptitle(title, fontsize=11)
    ratios = [2.3 * len(hearts), 2.4] if curves else [1]
    parts = np.ravel(figure.subfigures(len(ratios), 1, height_ratios=ratios))
    axes = parts[0].subplots(len(hearts), SLICES * phases, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for row, (name, pictures) in zip(axes, hearts, strict=True):
        for column, picture in enumerate(pictures):
            pixels, found, truth = (slices_across(i, 2) for i in (picture.image, picture.found, picture.truth))
            window, positions = window_around([truth]), spread_positions([truth], SLICES)
            for ax, position in zip(row[column * SLICES :], positions, strict=False):
                shown = pixels[position][window]
                ax.imshow(shown, cmap="gray", vmin=0, vmax=np.percentile(pixels[(slice(None), *window)], 99))
                draw_outlines(ax, found[position][window], model)
                draw_outlines(ax, truth[position][window], model, "dotted")
            row[column * SLICES].set_title(f"{name}, {picture.title}", fontsize=8, loc="left")
    if curves:
        for ax, (name, lines) in zip(np.ravel(parts[1].subplots(1, len(curves))), curves, strict=True):
            for label, volumes in lines:
                ax.plot(volumes, marker=".", label=label)
            ax.set_title(name, fontsize=8)
            ax.set(xlabel="frame", ylabel="volume [ml]", ylim=(0, None))
            ax.spines[["top", "right"]].set_visible(False)
            ax.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=110)
