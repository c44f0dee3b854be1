"""Whether a frame, and what a model says of it, are like those of the model's training."""

from collections.abc import Iterable, Mapping

import numpy as np
from torch import Tensor

MEASURES = ("brightness", "contrast", "confidence")

MARGIN = 0.25
"""How far beyond the range of the training a measure may be, in parts of that range, before it is unfamiliar."""


def measure_image(scaled: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of a frame scaled by the model's intensity rule."""
    return {"brightness": float(scaled.mean()), "contrast": float(scaled.std())}


def measure_answer(probabilities: Tensor, activation: str) -> dict[str, float]:
    """How sure the model is of what it found: the mean probability of the found voxels; nothing where it found none.

    Args:
        probabilities: (classes, D, H, W).
        activation: as in the model; with "softmax", class 0 is background.
    """
    best, winner = probabilities.max(dim=0)
    found = winner > 0 if activation == "softmax" else best > 0.5
    return {"confidence": float(best[found].mean())} if found.any() else {}


def typical_ranges(measured: Iterable[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of each measure over the frames of a training, for `Model.typical`."""
    measured = list(measured)
    values = {name: [round(m[name], 4) for m in measured if name in m] for name in MEASURES}
    return {name: (min(those), max(those)) for name, those in values.items() if those}


def unfamiliar(measured: Mapping[str, float], typical: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """The measures of a frame that lie well outside the ranges of the training."""
    outside = []
    for name, (low, high) in typical.items():
        margin = MARGIN * (high - low)
        if name in measured and not low - margin <= measured[name] <= high + margin:
            outside.append(name)
    return tuple(outside)
