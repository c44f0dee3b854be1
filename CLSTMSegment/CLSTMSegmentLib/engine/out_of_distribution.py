"""Out-of-distribution check: whether a frame and its probabilities are like those of the model's training."""

from collections.abc import Iterable, Mapping

import numpy as np
from torch import Tensor

MEASURES = ("brightness", "contrast", "confidence")
"""Mean and standard deviation of the scaled frame, and mean probability of the voxels in its segments."""

MARGIN = 0.25
"""How far a measure may lie outside its range in the training, as a fraction of the width of that range."""


def measure_image(scaled: np.ndarray) -> dict[str, float]:
    """Return the mean ("brightness") and standard deviation ("contrast") of a scaled frame."""
    return {"brightness": float(scaled.mean()), "contrast": float(scaled.std())}


def measure_prediction(probabilities: Tensor, activation: str) -> dict[str, float]:
    """Return the mean probability of the voxels that the model found ("confidence"); nothing where it found none.

    Args:
        probabilities: (classes, D, H, W).
        activation: as in the model; with "softmax", class 0 is background.
    """
    best, winner = probabilities.max(dim=0)
    found = winner > 0 if activation == "softmax" else best > 0.5
    return {"confidence": float(best[found].mean())} if found.any() else {}


def typical_ranges(measured: Iterable[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Return the least and greatest value of each measure over the frames of a training, for `Model.typical`."""
    measured = list(measured)
    by_measure = {name: [round(m[name], 4) for m in measured if name in m] for name in MEASURES}
    return {name: (min(values), max(values)) for name, values in by_measure.items() if values}


def outside_training_range(
    measured: Mapping[str, float], typical: Mapping[str, tuple[float, float]]
) -> tuple[str, ...]:
    """Return the measures of a frame that lie well outside the ranges of the training."""
    outside = []
    for name, (low, high) in typical.items():
        margin = MARGIN * (high - low)
        if name in measured and not low - margin <= measured[name] <= high + margin:
            outside.append(name)
    return tuple(outside)
