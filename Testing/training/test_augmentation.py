"""Augmentation: images and labels move together within their slices, and no slice is mixed with another one."""

import numpy as np
from CLSTMSegmentLib.training.augmentation import Augmentation, augmented
from CLSTMSegmentLib.training.sparse_labels import UNKNOWN

SHAPE = (6, 64, 64)
PATCH = (6, 40, 40)


def disks():
    """Return a stack of one frame with a bright disk in each slice, and its bit sets: 2 inside, 1 outside."""
    y, x = np.mgrid[:64, :64] - 31.5
    radii = np.array([4, 8, 12, 14, 10, 6])[:, None, None]
    inside = np.hypot(y, x)[None] < radii
    return inside[None].astype(np.float32) * 0.8 + 0.1, np.where(inside, 2, 1)[None].astype(np.uint8)


def centers(allowed):
    """Return the centre of the disk in each slice of the only frame of a stack."""
    return np.array([np.argwhere(bits == 2).mean(0) for bits in allowed[0].numpy()])


def test_labels_lie_on_the_image_after_every_augmentation():
    images, allowed = disks()

    for seed in range(20):
        moved, bits = augmented(images, allowed, PATCH, Augmentation(1.0, 1.5), np.random.default_rng(seed))
        inside = (bits == 2).numpy()
        image = moved.numpy()
        for slice_image, slice_inside in zip(image[0], inside[0], strict=True):
            middle = (slice_image[slice_inside].mean() + slice_image[~slice_inside].mean()) / 2
            agree = (slice_image > middle) == slice_inside
            assert agree.mean() > 0.93


def test_slices_are_displaced_against_each_other_as_far_as_asked_and_not_at_all_by_default():
    images, allowed = disks()

    spread = {}
    for slice_shift in (0.0, 2.0):
        rule = Augmentation(1.0, slice_shift)
        stacks = [augmented(images, allowed, PATCH, rule, np.random.default_rng(seed))[1] for seed in range(20)]
        spread[slice_shift] = np.mean([centers(bits).std(0).max() for bits in stacks])

    assert spread[0.0] < 0.3
    assert spread[2.0] > 1.0


def test_no_slice_is_mixed_with_its_neighbours():
    images, allowed = disks()
    images[0, 2] = 0  # one dark slice between bright ones

    for seed in range(10):
        rule = Augmentation(1.0, 0.0)
        moved, bits = augmented(images, allowed, PATCH, rule, np.random.default_rng(seed))
        areas = (bits[0] == 2).sum((1, 2)).numpy()
        dark = int(np.argsort(areas)[-2])  # the second largest disk lies in the dark slice
        contrast = [float(moved[0, z].max() - moved[0, z].min()) for z in (dark, int(np.argmax(areas)))]
        assert contrast[0] < 0.5 * contrast[1]


def test_nothing_is_known_outside_the_image():
    images, allowed = disks()

    moved, bits = augmented(images, allowed, (6, 120, 120), Augmentation(), np.random.default_rng(0))

    assert (bits[..., 0, 0] == UNKNOWN).all()
    assert moved.shape == bits.shape == (1, 6, 120, 120)
