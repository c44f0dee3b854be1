"""A still heart made to beat: labels follow the image, surroundings give way, far away nothing moves."""

import numpy as np
import pytest
from CLSTMSegmentLib.training.animation import animate


@pytest.fixture(scope="module")
def ring():
    """Two slices of a bright disc of radius 12 in a dark ring of 5, on gray; labels 2, 4 and 1 as bit sets."""
    y, x = np.mgrid[:96, :96] - 48.0
    r = np.hypot(y, x)
    image = np.where(r < 12, 1.0, np.where(r < 17, 0.2, 0.5)).astype(np.float32)
    allowed = np.where(r < 12, 2, np.where(r < 17, 4, 1)).astype(np.uint8)
    return np.stack([image] * 2), np.stack([allowed] * 2)


def test_unmoved_heart_is_the_image_itself(ring):
    image, allowed = ring

    images, bits = animate(image, allowed, allowed == 2, np.array([1.0]), np.zeros((1, 2)))

    np.testing.assert_allclose(images[0], image, atol=1e-4)
    np.testing.assert_array_equal(bits[0], allowed)


@pytest.mark.parametrize("scale", [0.6, 0.8, 1.3])
def test_cavity_scales_muscle_keeps_its_area_and_labels_follow_the_image(ring, scale):
    image, allowed = ring

    images, bits = animate(image, allowed, allowed == 2, np.array([scale]), np.zeros((1, 2)))

    cavity, muscle = (np.count_nonzero(bits == b) / np.count_nonzero(allowed == b) for b in (2, 4))
    assert cavity == pytest.approx(scale**2, rel=0.05)
    assert muscle == pytest.approx(1, abs=0.15)  # the fading far away takes a little
    assert np.mean((images[0] > 0.75) == (bits[0] == 2)) > 0.99
    np.testing.assert_allclose(images[0][:, :6], image[:, :6], atol=0.02)


def test_shift_moves_image_and_labels(ring):
    image, allowed = ring

    images, bits = animate(image, allowed, allowed == 2, np.ones(2), np.array([[0.0, 0.0], [3.0, -2.0]]))

    np.testing.assert_array_equal(bits[1][:, 30:66, 30:66], allowed[:, 27:63, 32:68])
    np.testing.assert_allclose(images[1][:, 40:56, 40:56], image[:, 37:53, 42:58], atol=1e-3)


def test_slices_without_the_structure_move_like_their_neighbours(ring):
    image, allowed = ring
    structure = allowed == 2
    structure[1] = False

    images, _ = animate(image, allowed, structure, np.array([0.7]), np.zeros((1, 2)))

    np.testing.assert_allclose(images[0][1], images[0][0], atol=1e-5)
