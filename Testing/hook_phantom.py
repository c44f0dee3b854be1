"""A swinging hook as a moving 4D phantom: a shape that no bundled model knows, among other shapes as bright."""

import numpy as np
from CLSTMSegmentLib.phantoms.phantom import CineShape, phantom_sequence, soft

AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
SHAPE, SPACING = (24, 64, 64), (2.0, 2.0, 2.0)
SMALL = (16, 32, 32), (3.0, 3.0, 3.0)
"""Shape and spacing with which a teaching job is short."""


class HookPhantom:
    """Three quarters of a bent ring that swings and thickens, label 1, among rods and balls of its brightness.

    Args:
        seed: gives the shapes; every frame has other noise.
    """

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        u = rng.uniform
        self._seed = seed
        self.radius, self.thickness = u(16, 20), u(4.5, 6)
        self.swing, self.rotation = u(0.4, 0.7), u(-0.5, 0.5)
        self.balls = [(u(-20, 20), u(-55, 55), u(-55, 55), u(5, 9)) for _ in range(7)]
        self.rods = [(u(-50, 50), u(-50, 50), u(3, 5)) for _ in range(4)]

    def frame(self, phase: float, points: np.ndarray, noise_seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the image and the labels at some positions, see `phantoms.phantom.Phantom`."""
        rng = np.random.default_rng((self._seed, noise_seed, 7))
        z, y, x = points
        swing = self.swing * np.sin(2 * np.pi * phase)
        y, x = y - 6 * np.sin(2 * np.pi * phase + 1), x - 4 * np.cos(2 * np.pi * phase)
        angle = np.arctan2(y, x) - self.rotation - swing
        angle = (angle + np.pi) % (2 * np.pi) - np.pi
        ring = np.hypot(np.hypot(y, x) - self.radius, z - 5 * np.sin(angle))
        thickness = self.thickness * (1 + 0.2 * np.cos(2 * np.pi * phase))
        depth = np.minimum(thickness - ring, self.radius * (2.4 - np.abs(angle)))
        image = 0.25 + 0.6 * soft(depth, 1.0)
        for cz, cy, cx, r in self.balls:
            apart = np.sqrt((points[0] - cz) ** 2 + (points[1] - cy) ** 2 + (points[2] - cx) ** 2)
            image = np.maximum(image, 0.25 + 0.6 * soft(np.where(depth > -4, -9, r - apart), 1.0))
        for cy, cx, r in self.rods:
            apart = np.hypot(points[1] - cy, points[2] - cx)
            image = np.maximum(image, 0.25 + 0.6 * soft(np.where(depth > -4, -9, r - apart), 1.0))
        image = image + rng.normal(0, 0.06, image.shape)
        return image.astype(np.float32), (depth > 0).astype(np.uint8)


def hook_sequence(seed: int, frames: int = 12, shape: tuple = SHAPE, spacing: tuple = SPACING):
    """Return one swing as an oblique cine, and its true labels; see `phantoms.phantom.phantom_sequence`."""
    return phantom_sequence(HookPhantom(seed), AXES, seed, CineShape(frames, shape, spacing, 1200.0))
