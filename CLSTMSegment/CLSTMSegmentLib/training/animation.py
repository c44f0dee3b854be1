"""Animation of a still image and its labels: one labelled structure shrinks and grows."""

import numpy as np

REACH = 2.5
"""Distance from the structure's surface, in its radii, at which the motion has faded to a third."""


def animate(
    image: np.ndarray, allowed: np.ndarray, structure: np.ndarray, scales: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return frames in which a structure shrinks or grows in each slice, and its surroundings move with it.

    Inside the structure's mean radius R the slice is scaled. Outside, areas are kept (r0^2 = r^2 + R^2 (1 - scale^2),
    an incompressible ring), as the muscle around a cavity thickens when the cavity contracts; this motion fades with
    the distance. Every frame has exact labels, so that one annotated frame shows a network what moves together.

    Args:
        image: (D, H, W) float32.
        allowed: (D, H, W) uint8 bit sets, see `sparse_labels`.
        structure: (D, H, W) bool, True somewhere.
        scales: (T,) radius of the structure in each frame, as a multiple of its radius in the image.
        shifts: (T, 2) motion of the whole image in voxels (H, W).

    Returns:
        Images (T, D, H, W) float32 and bit sets (T, D, H, W) uint8, 0 where nothing is known.
    """
    depth, height, width = image.shape
    slices = np.flatnonzero(structure.any(axis=(1, 2)))
    places = np.array([np.argwhere(structure[z]).mean(0) for z in slices])
    radii = np.sqrt([structure[z].sum() / np.pi for z in slices])
    center = np.stack([np.interp(np.arange(depth), slices, places[:, axis]) for axis in (0, 1)], 1)
    radius = np.interp(np.arange(depth), slices, radii)[:, None, None]
    images, bits = [], []
    for scale, shift in zip(scales, shifts, strict=True):
        y = np.arange(height)[None, :, None] - center[:, 0, None, None] - shift[0]
        x = np.arange(width)[None, None, :] - center[:, 1, None, None] - shift[1]
        r = np.hypot(y, x) + 1e-6
        outside = np.sqrt(np.maximum(r**2 + radius**2 * (1 - scale**2), 0))
        source = np.where(r < scale * radius, r / scale, outside)
        fade = np.exp(-((np.maximum(r - scale * radius, 0) / (REACH * radius)) ** 2))
        ratio = 1 + (source / r - 1) * fade
        # grid_sample wants (x, y) from -1 to 1 over the outer voxels' centres
        grid = np.stack(
            [
                (x * ratio + center[:, 1, None, None]) * 2 / (width - 1) - 1,
                (y * ratio + center[:, 0, None, None]) * 2 / (height - 1) - 1,
            ],
            axis=-1,
        )
        images.append(_sampled(image, grid, "bilinear", "border"))
        bits.append(_sampled(allowed, grid, "nearest", "zeros"))
    return np.stack(images), np.stack(bits).astype(np.uint8)


def _sampled(volume: np.ndarray, grid: np.ndarray, mode: str, outside: str) -> np.ndarray:
    import torch  # which takes seconds, and is not needed to find and check the hearts
    from torch.nn import functional

    slices, grid = torch.from_numpy(volume.astype(np.float32))[:, None], torch.from_numpy(grid.astype(np.float32))
    return functional.grid_sample(slices, grid, mode, outside, align_corners=True)[:, 0].numpy()
