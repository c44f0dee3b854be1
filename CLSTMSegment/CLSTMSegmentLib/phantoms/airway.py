"""A breathing airway as a moving 4D phantom."""

import numpy as np

from .phantom import grain_of, soft

AIRWAY_AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""LPS directions of a usual axial stack: feet to head, anterior to posterior, right to left."""


class AirwayPhantom:
    """A trachea with two bronchi, between the lungs, that narrows and widens with the breath; see `Phantom`.

    Positions are in mm, in the order z, y, x; z points from feet to head, and the centre of the trachea is at 0. The
    seed decides anatomy, contrast and motion. The phase is 0 when breathed in, 0.5 when breathed out. Label 1 is
    the lumen.
    """

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self._seed = seed
        u = rng.uniform
        self.radius = u(6, 11)
        self.flatness = u(0.7, 1.1)
        self.narrowing = u(0.1, 0.45)
        self.carina = u(-25, -5)
        self.spread = u(0.5, 1.0)  # mm that a bronchus moves sideways for each mm down
        self.bronchus = self.radius * u(0.6, 0.8)
        self.bend = rng.normal(0, 4, 4)
        self.rise = u(2, 8)  # motion in mm towards the head while breathing out
        self.air = u(0.0, 0.12)
        self.tissue = u(0.45, 0.8)
        self.lung = u(0.05, 0.25)
        self.wall = u(0.6, 1.0)
        self.spine = (u(28, 38), u(-4, 4), u(11, 16), u(0.8, 1.3))  # y, x, radius, shade
        self.oesophagus = (u(14, 20), u(-10, 10), u(3, 5), u(0.05, 0.5))
        self.vessels = [(u(-30, 5), u(-35, 35), u(4, 10), u(0.6, 1.2)) for _ in range(rng.integers(2, 6))]
        self.lung_edge = u(22, 38)
        self.noise = u(0.005, 0.06)
        self.edge = u(0.5, 1.3)
        self.grain = u(0, 0.1)
        self._waves = (rng.normal(0, 0.15, (10, 3)), u(0, 2 * np.pi, 10))

    def frame(self, phase: float, points: np.ndarray, noise_seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the image and the labels at some positions; see `Phantom.frame`."""
        out = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
        z = points[0] - np.float32(self.rise * out)
        y = points[1] - np.float32(self.bend[0]) * np.sin(z / 40) - np.float32(self.bend[1])
        x = points[2] - np.float32(self.bend[2]) * np.sin(z / 30) - np.float32(self.bend[3])
        narrow = np.float32(1 - self.narrowing * out)
        depth = self._lumen(z, y, x, narrow)

        image = np.full(z.shape, self.tissue, np.float32)
        image += (self.lung - image) * soft(np.abs(points[2]) - self.lung_edge, 2.0)
        for py, px, radius, shade in (self.spine, self.oesophagus, *self.vessels):
            image += (shade - image) * soft(radius - np.hypot(points[1] - py, points[2] - px), self.edge)
        image += (self.wall - image) * soft(depth + 2.0, self.edge)
        image += (self.air - image) * soft(depth, self.edge)
        image *= 1 + self.grain * grain_of(points, *self._waves)
        rng = np.random.default_rng((self._seed, noise_seed))
        noise = rng.normal(0, self.noise, (2, *image.shape)).astype(np.float32)
        return np.hypot(image + noise[0], noise[1]).astype(np.float32), (depth > 0).astype(np.uint8)

    def _lumen(self, z: np.ndarray, y: np.ndarray, x: np.ndarray, narrow: np.float32) -> np.ndarray:
        """Return how deep positions lie in the lumen, approximately, in mm; negative outside."""
        # the back wall of the trachea is soft, so that the trachea flattens from front to back
        trachea = self.radius - np.hypot(y / (self.flatness * narrow), x)
        below = np.maximum(self.carina - z, 0)
        sideways = np.abs(x) - np.float32(self.spread) * below
        bronchi = self.bronchus * narrow - np.hypot(y, sideways)
        return np.where(z > self.carina, trachea, np.maximum(bronchi, trachea - below)).astype(np.float32)
