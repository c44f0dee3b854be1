"""Frames as they should not be: lost, noisy, ghosted, smeared. For training, and to test what a memory is worth."""

import numpy as np

KINDS = ("lost", "noise", "ghost", "smear")


def corrupted(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """A frame spoiled so badly that it hardly shows what it did.

    Args:
        image: (D, H, W) float32 in [0, 1].
        kind: "lost" (no signal, only noise is left), "noise" (noise as strong as the signal),
            "ghost" (copies of the frame from elsewhere along H, as a missed trigger gives), "smear"
            (blurred along H and W over several voxels, as motion does).

    Returns:
        (D, H, W) float32 in [0, 1].
    """
    if kind == "lost":
        spoiled = np.abs(rng.normal(0, rng.uniform(0.02, 0.1), image.shape))
    elif kind == "noise":
        spoiled = image * rng.uniform(0.2, 0.6) + rng.normal(0, rng.uniform(0.25, 0.5), image.shape)
    elif kind == "ghost":
        steps = rng.integers(image.shape[1] // 8, image.shape[1] // 2, 3)
        copies = [np.roll(image, int(step), axis=1) for step in steps]
        spoiled = 0.25 * image + sum(copies) * 0.25 + rng.normal(0, 0.1, image.shape)
    elif kind == "smear":
        spoiled = image
        for axis in (1, 2):
            reach = int(rng.integers(6, 13))
            spoiled = np.mean([np.roll(spoiled, step, axis) for step in range(-reach, reach + 1)], axis=0)
        spoiled = spoiled + rng.normal(0, 0.05, image.shape)
    else:
        raise ValueError(f"kind must be one of {KINDS}, not {kind!r}")
    return np.clip(spoiled, 0, 1).astype(np.float32)
