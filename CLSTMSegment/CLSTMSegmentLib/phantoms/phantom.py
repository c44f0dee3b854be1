"""Moving 4D phantoms with true labels in every frame: what all kinds share."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import SimpleITK as sitk

from ..core.sequence import Frame


class Phantom(Protocol):
    """Anatomy that moves, as a function of phase (cyclic, 0 to 1) and place."""

    def frame(self, phase: float, points: np.ndarray, noise_seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Intensities (...) float32, about 0 to 1.5, and labels (...) uint8 at points (3, ...) in mm (z, y, x)."""
        ...


@dataclass
class _Ellipsoid:
    center: np.ndarray  # mm, (z, y, x)
    radii: np.ndarray  # mm, (z, y, x)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """About the distance in mm below the surface; negative outside."""
        z, y, x = ((p - np.float32(c)) / np.float32(r) for p, c, r in zip(points, self.center, self.radii, strict=True))
        return (1.0 - np.sqrt(z * z + y * y + x * x)) * np.float32(self.radii[1:].min())


def soft(depth: np.ndarray, edge: float) -> np.ndarray:
    """0 outside, 1 inside, with a blurred edge of about +-2 `edge` mm."""
    return 1.0 / (1.0 + np.exp(np.clip(depth * np.float32(-1 / edge), -30, 30)))


def grain_of(points: np.ndarray, vectors: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Texture of about unit strength: a sum of plane waves."""
    texture = np.zeros(points.shape[1:], np.float32)
    for vector, shift in zip(vectors, phases, strict=True):
        texture += np.sin(np.tensordot(vector.astype(np.float32), points, 1) + np.float32(shift))
    return texture / np.sqrt(len(vectors) / 2, dtype=np.float32)


def grid_points(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> np.ndarray:
    """Centred voxel positions, (3, D, H, W) float32 in mm."""
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def phantom_sequence(
    phantom: Phantom,
    axes: tuple[tuple[float, float, float], ...],
    seed: int,
    frames: int,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    cycle_ms: float,
) -> tuple[list[Frame], list[sitk.Image]]:
    """One cycle of a phantom as an oblique cine, int16 like a scanner's, and its true labels.

    Args:
        axes: LPS directions of the slices, rows and columns, which the seed tilts a little.

    Returns:
        The frames (index values in ms) and, for each, its uint8 label image.
    """
    rng = np.random.default_rng((seed, 1))
    directions = _tilted(np.array(axes), rng.normal(0, 0.15, 3))
    origin = -sum((n - 1) / 2 * step * row for n, step, row in zip(shape, spacing, directions, strict=True))
    points = grid_points(shape, spacing)
    cine, truth = [], []
    for t in range(frames):
        intensities, labels = phantom.frame(t / frames, points, noise_seed=t)
        image = sitk.GetImageFromArray((intensities * 600).astype(np.int16))
        image.SetSpacing(spacing[::-1])
        image.SetDirection(directions[::-1].T.ravel().tolist())
        image.SetOrigin(origin.tolist())
        label_image = sitk.GetImageFromArray(labels)
        label_image.CopyInformation(image)
        cine.append(Frame(image, f"{t * cycle_ms / frames:g}"))
        truth.append(label_image)
    return cine, truth


def _tilted(axes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Orthonormal rows near `axes`, turned by small angles (radians)."""
    rotation = sitk.Euler3DTransform((0, 0, 0), *angles.tolist())
    turned = axes @ np.array(rotation.GetMatrix()).reshape(3, 3).T
    u, _, vt = np.linalg.svd(turned)
    return u @ vt
