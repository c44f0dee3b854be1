"""Phantoms of other anatomy than a model segments, from which it learns to find nothing."""

import numpy as np

from .airway import AirwayPhantom
from .heart import HeartPhantom
from .phantom import Phantom

FOREIGN_EVERY = 4
"""One of this many phantoms is foreign."""


class ForeignPhantom:
    """A phantom with the images of another one, in which everything is background; see `Phantom`."""

    def __init__(self, other: Phantom):
        self._other = other

    def frame(self, phase: float, points: np.ndarray, noise_seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the image and the labels at some positions; see `Phantom.frame`."""
        image, labels = self._other.frame(phase, points, noise_seed)
        return image, np.zeros_like(labels)


def heart_or_foreign(seed: int) -> Phantom:
    """Return a heart, or for every fourth seed an airway without labels."""
    return ForeignPhantom(AirwayPhantom(seed)) if seed % FOREIGN_EVERY == 0 else HeartPhantom(seed)
