"""The heart phantom: it beats, and a seed always gives the same sequence."""

import numpy as np
import SimpleITK as sitk
from CLSTMSegmentLib.phantoms.heart import CAVITY, MYOCARDIUM, HeartPhantom, heart_sequence
from CLSTMSegmentLib.phantoms.phantom import grid_points


def test_cavity_is_largest_at_end_diastole_and_smallest_at_end_systole():
    phantom, points = HeartPhantom(3), grid_points((8, 64, 64), (8.0, 3.0, 3.0))
    phases = np.arange(16) / 16

    volumes = [np.count_nonzero(phantom.frame(phase, points)[1] == CAVITY) for phase in phases]

    assert np.argmax(volumes) == 0
    assert abs(phases[np.argmin(volumes)] - phantom.systole) <= 1 / 16


def test_sequence_has_index_values_in_ms_and_labels_on_the_grid_of_each_frame():
    frames, truth = heart_sequence(3, frames=4, shape=(8, 64, 64), spacing=(8.0, 3.0, 3.0))

    assert [frame.index_value for frame in frames] == ["0", "200", "400", "600"]
    for frame, labels in zip(frames, truth, strict=True):
        assert frame.image.GetPixelID() == sitk.sitkInt16
        assert labels.IsSameImageGeometryAs(frame.image)
        assert set(np.unique(sitk.GetArrayFromImage(labels))) == {0, CAVITY, MYOCARDIUM}


def test_sequence_of_the_same_seed_is_the_same():
    first, second = (heart_sequence(5, frames=2, shape=(6, 48, 48), spacing=(10.0, 3.5, 3.5)) for _ in range(2))

    for one, other in zip([*first[0], *first[1]], [*second[0], *second[1]], strict=True):
        one, other = (getattr(item, "image", item) for item in (one, other))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other))
        assert one.IsSameImageGeometryAs(other)
