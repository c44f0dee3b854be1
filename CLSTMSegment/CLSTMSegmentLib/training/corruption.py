"""Corrupted frames (lost, noisy, ghosted, smeared), for training and to test what the recurrent state is worth."""

import numpy as np

KINDS = ("lost", "noise", "ghost", "smear")


def corrupted(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return a frame that is corrupted so badly that it hardly shows the anatomy.

    Args:
        image: (D, H, W) float32 in [0, 1].
        kind: "lost" (only noise is left), "noise" (noise as strong as the signal), "ghost" (shifted copies of the frame
            along H lie over it, as after a missed trigger), "smear" (blurred along H and W over several voxels, as by
            motion).
        rng: draws strength and noise.

    Returns:
        (D, H, W) float32 in [0, 1].
    """
    if kind == "lost":
        result = np.abs(rng.normal(0, rng.uniform(0.02, 0.1), image.shape))
    elif kind == "noise":
        result = image * rng.uniform(0.2, 0.6) + rng.normal(0, rng.uniform(0.25, 0.5), image.shape)
    elif kind == "ghost":
        steps = rng.integers(image.shape[1] // 8, image.shape[1] // 2, 3)
        copies = [np.roll(image, int(step), axis=1) for step in steps]
        result = 0.25 * image + sum(copies) * 0.25 + rng.normal(0, 0.1, image.shape)
    elif kind == "smear":
        result = image
        for axis in (1, 2):
            reach = int(rng.integers(6, 13))
            result = np.mean([np.roll(result, step, axis) for step in range(-reach, reach + 1)], axis=0)
        result = result + rng.normal(0, 0.05, image.shape)
    else:
        raise ValueError(f"kind must be one of {KINDS}, not {kind!r}")
    return np.clip(result, 0, 1).astype(np.float32)
