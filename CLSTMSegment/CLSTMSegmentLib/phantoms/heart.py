"""A beating heart in a chest as a moving 4D phantom."""

import numpy as np
import SimpleITK as sitk

from ..core.sequence import Frame
from .phantom import CineShape, Ellipsoid, grain_of, phantom_sequence, soft

CAVITY, MYOCARDIUM = 1, 2
"""Labels of the phantom."""

HEART_AXES = ((-0.63, 0.66, 0.41), (-0.22, 0.36, -0.91), (0.74, 0.66, 0.08))
"""LPS directions of a usual short-axis stack: apex to base, patient inferior, patient left-posterior."""


class HeartPhantom:
    """A left ventricle that contracts in a chest; see `Phantom`.

    Positions are in mm, in the order z, y, x; z points from apex to base, and the centre of the left ventricle is
    at 0. The seed decides anatomy, contrast and motion. The phase is 0 at end-diastole. Label 1 is the cavity,
    label 2 the myocardium.
    """

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self._seed = seed
        u = rng.uniform
        self.cavity_radius = u(18, 33)
        self.wall = u(6, 14) if self.cavity_radius < 27 else u(5, 10)
        self.half_length = u(38, 50)
        self.ellipticity = u(0.92, 1.08)
        self.shortening = u(0.08, 0.45)
        self.systole = u(0.3, 0.45)
        self.base = u(26, 36)
        self.base_descent = u(3, 12)
        self.tilt = rng.normal(0, 0.12, 2)
        self.twist = u(0, 0.25)
        self.breath = rng.normal(0, u(0, 2.0), (64, 2))  # in-plane shift of 8 mm thick slices
        self.sway = rng.normal(0, 1.5, 2)
        self.blood = u(0.3, 0.9)
        self.muscle = self.blood * u(0.2, 0.5)
        self.lung = u(0.01, 0.1)
        self.fat = u(0.6, 1.4)
        self.rv_angle = np.pi + rng.normal(0, 0.3)
        self.rv_reach = u(0.9, 1.3)
        self.papillary_angles = np.array([u(0.3, 1.0), u(2.2, 2.9)])
        self.papillary_size = u(3, 6)
        self.papillary_shade = u(0.3, 0.9)
        self.body = Ellipsoid(np.array([0, u(-25, 25), u(-35, 35)]), np.array([900, u(100, 150), u(130, 190)]))
        self.fat_depth = u(6, 25)
        self.liver = Ellipsoid(
            np.array([u(-60, -10), u(60, 95), u(-90, -10)]), np.array([u(50, 90), u(40, 60), u(70, 110)])
        )
        self.liver_shade = u(0.15, 0.5)
        self.aorta = (u(45, 75), u(-0.5, 1.2), u(9, 14))  # distance, angle, radius
        self.blobs = [
            (
                Ellipsoid(np.array([u(-60, 60), *self._ring(rng, 55, 140)]), np.array([u(8, 60), u(6, 32), u(6, 32)])),
                u(0.05, 1.1),
            )
            for _ in range(rng.integers(4, 12))
        ]
        self.coil = rng.normal(0, 1, 3) * (0.002, 0.006, 0.006)
        self.noise = u(0.005, 0.05)
        self.grain = u(0.0, 0.12)
        self.edge = u(0.6, 1.8)
        self._waves = (rng.normal(0, 0.12, (12, 3)) * (0.3, 1, 1), u(0, 2 * np.pi, 12))

    @staticmethod
    def _ring(rng: np.random.Generator, near: float, far: float) -> tuple[float, float]:
        """Return a random position (y, x) between two distances from the heart, in mm."""
        distance, angle = rng.uniform(near, far), rng.uniform(0, 2 * np.pi)
        return distance * np.sin(angle), distance * np.cos(angle)

    def contraction_at(self, phase: float) -> float:
        """Return how far the heart is contracted: 0 at end-diastole (phase 0), 1 at end-systole."""
        phase = phase % 1.0
        if phase < self.systole:
            return 0.5 - 0.5 * np.cos(np.pi * phase / self.systole)
        return (0.5 + 0.5 * np.cos(np.pi * (phase - self.systole) / (1 - self.systole))) ** 1.5

    def frame(self, phase: float, points: np.ndarray, noise_seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the image and the labels at some positions; see `Phantom.frame`."""
        contraction = self.contraction_at(phase)
        chest = points
        slices = np.clip(np.round(points[0] / 8).astype(int) + 32, 0, 63)
        sway = self.sway * np.sin(2 * np.pi * phase)
        points = points.copy()
        for axis in (0, 1):
            shift = self.breath[slices, axis] + sway[axis] + self.tilt[axis] * points[0]
            points[axis + 1] -= shift.astype(np.float32)

        image = self._chest(chest, points)
        image, labels = self._heart(image, points, contraction)
        image *= np.exp(np.tensordot(self.coil.astype(np.float32), chest, 1)).clip(0.3, 3)
        rng = np.random.default_rng((self._seed, noise_seed))
        noise = rng.normal(0, self.noise, (2, *image.shape)).astype(np.float32)
        return np.hypot(image + noise[0], noise[1]).astype(np.float32), labels

    def _chest(self, chest: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return the image of everything around the heart.

        Args:
            chest: positions in the chest, which does not move.
            points: the same positions relative to the moving heart.
        """
        depth = self.body.depth(chest)
        image = self.fat * soft(depth, 2.0)
        image += (self.lung - image) * soft(depth - self.fat_depth, 2.0)
        image += (self.liver_shade - image) * soft(self.liver.depth(chest), self.edge) * soft(depth - 8, 2)
        for blob, shade in self.blobs:
            image += (shade - image) * soft(blob.depth(chest), self.edge) * soft(depth - 5, 2)
        distance, angle, radius = self.aorta
        reach = np.hypot(points[1] - distance * np.sin(angle), points[2] - distance * np.cos(angle))
        image += (self.blood - image) * soft(radius - reach, self.edge)
        return image * (1 + self.grain * grain_of(chest, *self._waves))

    def _heart(self, image: np.ndarray, points: np.ndarray, contraction: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the image with the heart in it, and the labels; `points` are relative to the moving heart."""
        z = points[0]
        inner = self.cavity_radius * (1 - self.shortening * contraction)
        # the wall thickens in systole: the muscle keeps its cross-section, and gains a little because it shortens
        outer = np.sqrt(
            inner**2 + ((self.cavity_radius + self.wall) ** 2 - self.cavity_radius**2) * (1 + 0.1 * contraction)
        )
        base = self.base - self.base_descent * contraction
        apex_wall = self.wall * 0.7
        middle = np.array([base - self.half_length * 1.3, 0, 0]) + np.array([self.half_length * 0.5, 0, 0])
        long = self.half_length * 1.2
        cavity = Ellipsoid(middle, np.array([long, inner * self.ellipticity, inner / self.ellipticity]))
        epicardium = Ellipsoid(middle, np.array([long + apex_wall, outer * self.ellipticity, outer / self.ellipticity]))
        in_cavity, in_epicardium = cavity.depth(points), epicardium.depth(points)
        below_base = base - z

        rv_center = np.array(
            [
                middle[0] + 8,
                outer * self.rv_reach * np.sin(self.rv_angle),
                outer * self.rv_reach * np.cos(self.rv_angle),
            ]
        )
        rv_size = self.cavity_radius * np.array([0, 1.15, 0.95]) * (1 - 0.5 * self.shortening * contraction) + [
            long * 0.9,
            5,
            5,
        ]
        rv = Ellipsoid(rv_center, rv_size).depth(points)
        image = image + (self.muscle - image) * soft(rv + 4, self.edge)
        image += (self.blood - image) * soft(rv, self.edge)
        # beyond the base lie the atrium and the outflow tract: blood that does not belong to the ventricle
        image += (self.blood * 0.95 - image) * soft(in_epicardium - 3, self.edge) * soft(-below_base, 3.0)
        muscle = soft(in_epicardium, self.edge) * soft(below_base, 3.0)
        image += (self.muscle - image) * muscle
        blood = self.blood + (self.muscle - self.blood) * self.papillary_shade * self._papillary(
            points, inner, contraction
        )
        image += (blood - image) * soft(in_cavity, self.edge) * soft(below_base, 3.0)

        labels = np.zeros(z.shape, np.uint8)
        labels[(in_epicardium > 0) & (below_base > 0)] = MYOCARDIUM
        labels[(in_cavity > 0) & (below_base > 0)] = CAVITY
        return image.astype(np.float32), labels

    def _papillary(self, points: np.ndarray, inner: float, contraction: float) -> np.ndarray:
        """Return where the papillary muscles are, 0 to 1; annotators count them as cavity."""
        total = np.zeros(points.shape[1:], np.float32)
        for angle in self.papillary_angles + self.twist * contraction:
            y, x = 0.62 * inner * np.sin(angle), 0.62 * inner * np.cos(angle)
            reach = np.hypot(points[1] - y, points[2] - x)
            total = np.maximum(total, soft(self.papillary_size - reach, self.edge))
        return total * soft(self.base - 12 - points[0], 4.0)


def heart_sequence(
    seed: int,
    frames: int = 20,
    shape: tuple[int, int, int] = (10, 160, 160),
    spacing: tuple[float, float, float] = (8.0, 1.6, 1.6),
) -> tuple[list[Frame], list[sitk.Image]]:
    """Return one heartbeat of a heart phantom, 800 ms long, with its true labels; see `phantom_sequence`."""
    return phantom_sequence(HeartPhantom(seed), HEART_AXES, seed, CineShape(frames, shape, spacing, cycle_ms=800.0))
