"""What all phantoms share: their protocol, their shapes and textures, and how a cine is made of one."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import SimpleITK as sitk

from ..core.sequence import Frame


class Phantom(Protocol):
    """Anatomy that moves in a cycle, as a function of the phase of the cycle and of the position."""

    def frame(self, phase: float, points: np.ndarray, noise_seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the image and the labels at some positions.

        Args:
            phase: phase of the cycle, from 0 to 1.
            points: positions (3, ...) float32 in mm, in the order z, y, x.
            noise_seed: seed of the noise; another seed gives other noise.

        Returns:
            Intensities (...) float32, about 0 to 1.5, and labels (...) uint8.
        """
        ...


@dataclass(frozen=True)
class CineShape:
    """The size of a cine in time and space.

    Attributes:
        frames: number of frames in one cycle.
        shape: number of slices, rows and columns.
        spacing: distance of slices, rows and columns in mm.
        cycle_ms: duration of one cycle in ms.
    """

    frames: int
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    cycle_ms: float


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the axes: its centre and its radii in mm, each in the order z, y, x."""

    center: np.ndarray
    radii: np.ndarray

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Return how deep points (3, ...) lie below the surface, approximately, in mm; negative outside."""
        z, y, x = ((p - np.float32(c)) / np.float32(r) for p, c, r in zip(points, self.center, self.radii, strict=True))
        return (1.0 - np.sqrt(z * z + y * y + x * x)) * np.float32(self.radii[1:].min())


def soft(depth: np.ndarray, edge: float) -> np.ndarray:
    """Return 1 inside a surface and 0 outside, with a smooth transition.

    Args:
        depth: depth below the surface in mm; negative outside.
        edge: blur of the surface in mm; the transition reaches about two of these to either side.
    """
    return 1.0 / (1.0 + np.exp(np.clip(depth * np.float32(-1 / edge), -30, 30)))


def grain_of(points: np.ndarray, vectors: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Return a texture with a standard deviation of about 1: a sum of plane waves.

    Args:
        points: positions (3, ...) float32 in mm.
        vectors: wave vector of each wave (N, 3) in radians per mm.
        phases: phase of each wave (N,) in radians.
    """
    texture = np.zeros(points.shape[1:], np.float32)
    for vector, shift in zip(vectors, phases, strict=True):
        texture += np.sin(np.tensordot(vector.astype(np.float32), points, 1) + np.float32(shift))
    return texture / np.sqrt(len(vectors) / 2, dtype=np.float32)


def grid_points(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> np.ndarray:
    """Return the positions of the voxels of a grid around 0, (3, D, H, W) float32 in mm."""
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def phantom_sequence(
    phantom: Phantom, axes: tuple[tuple[float, float, float], ...], seed: int, cine: CineShape
) -> tuple[list[Frame], list[sitk.Image]]:
    """Return one cycle of a phantom as an oblique cine, int16 as from a scanner, with its true labels.

    Args:
        phantom: the anatomy.
        axes: LPS directions of the slices, rows and columns, before they are tilted a little.
        seed: seed of the tilt.
        cine: size of the cine in time and space.

    Returns:
        The frames, with index values in ms, and a uint8 label image for each of them.
    """
    rng = np.random.default_rng((seed, 1))
    directions = _tilted(np.array(axes), rng.normal(0, 0.15, 3))
    origin = -sum((n - 1) / 2 * step * row for n, step, row in zip(cine.shape, cine.spacing, directions, strict=True))
    points = grid_points(cine.shape, cine.spacing)
    frames, truth = [], []
    for t in range(cine.frames):
        intensities, labels = phantom.frame(t / cine.frames, points, noise_seed=t)
        image = sitk.GetImageFromArray((intensities * 600).astype(np.int16))
        image.SetSpacing(cine.spacing[::-1])
        image.SetDirection(directions[::-1].T.ravel().tolist())
        image.SetOrigin(origin.tolist())
        label_image = sitk.GetImageFromArray(labels)
        label_image.CopyInformation(image)
        frames.append(Frame(image, f"{t * cine.cycle_ms / cine.frames:g}"))
        truth.append(label_image)
    return frames, truth


def _tilted(axes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return three directions, rotated by small angles (radians) and made orthonormal."""
    rotation = sitk.Euler3DTransform((0, 0, 0), *angles.tolist())
    rotated = axes @ np.array(rotation.GetMatrix()).reshape(3, 3).T
    u, _, vt = np.linalg.svd(rotated)
    return u @ vt
