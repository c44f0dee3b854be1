"""The colours that our models give to segments, as people with and without colour vision see them."""

from itertools import combinations

import numpy as np
import pytest
from CLSTMSegmentLib.core.structure import PALETTE
from CLSTMSegmentLib.model.bundle import bundled_models, load_model

# Machado, Oliveira and Fernandes 2009: how full dichromats see linear RGB
SEEN_BY = {
    "most people": np.eye(3),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopes": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(color, seen):
    """CIE L*a*b* of an sRGB colour."""
    color = np.array(color)
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(seen @ linear, 0, 1) / TO_XYZ.sum(1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("people", SEEN_BY)
def test_segments_are_told_apart_from_each_other(people):
    sets = [[segment.color for segment in load_model(name).segments] for name in bundled_models()]
    for colors in [*sets, PALETTE[:2]]:
        for one, other in combinations(colors, 2):
            # red beside green is 29 and 38 apart for the first two kinds of dichromats
            assert np.linalg.norm(lab(one, SEEN_BY[people]) - lab(other, SEEN_BY[people])) > 60
