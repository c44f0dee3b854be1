"""Foreign phantoms: some phantoms show other anatomy, in which a model has nothing to find."""

import numpy as np
from CLSTMSegmentLib.phantoms.airway import AirwayPhantom
from CLSTMSegmentLib.phantoms.foreign import heart_or_foreign
from CLSTMSegmentLib.phantoms.phantom import grid_points


def test_every_fourth_phantom_is_an_airway_without_labels():
    points = grid_points((6, 32, 32), (8.0, 4.0, 4.0))

    frames = [heart_or_foreign(seed).frame(0.0, points) for seed in range(8)]

    assert [bool(labels.any()) for _, labels in frames] == [seed % 4 != 0 for seed in range(8)]
    np.testing.assert_array_equal(frames[4][0], AirwayPhantom(4).frame(0.0, points)[0])
