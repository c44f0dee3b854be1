"""Tiles: they cover every voxel, are blended without a trace, and fit into memory."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.tiles import (
    TileBlender,
    TileLayout,
    halved,
    pad,
    padded_shape,
    plan_tile,
    plan_tiles,
    unpad,
)
from CLSTMSegmentLib.model.rules import GeometryRule
from CLSTMSegmentLib.network.options import NetworkOptions

CPU = torch.device("cpu")


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize(("shape", "tile"), [((16, 72, 80), (16, 32, 32)), ((8, 40, 8), (8, 16, 16))])
def test_tiles_cover_the_frame_with_at_least_the_overlap(shape, tile, overlap):
    places = plan_tiles(shape, tile, overlap)

    covered = np.zeros(shape, int)
    for place in places:
        covered[place] += 1
        assert covered[place].shape == tuple(min(n, t) for n, t in zip(shape, tile, strict=True))
    assert covered.min() >= 1
    for axis in range(3):
        starts = sorted({place[axis].start for place in places})
        edge = min(shape[axis], tile[axis])
        assert all(b - a <= edge * (1 - overlap) + 1 for a, b in pairwise(starts))


def test_blending_equal_tiles_gives_them_back():
    shape, tile = (8, 40, 48), (8, 16, 24)
    values = torch.rand(2, *shape)
    blender = TileBlender(2, shape, tile, CPU)

    for place in plan_tiles(shape, tile, 0.3):
        blender.add(place, values[(slice(None), *place)])

    torch.testing.assert_close(blender.result(), values, atol=1e-6, rtol=0)


def test_the_middle_of_a_tile_weighs_more_than_its_border():
    blender = TileBlender(1, (8, 8, 24), (8, 8, 16), CPU)

    blender.add((slice(0, 8), slice(0, 8), slice(0, 16)), torch.zeros(1, 8, 8, 16))
    blender.add((slice(0, 8), slice(0, 8), slice(8, 24)), torch.ones(1, 8, 8, 16))

    row = blender.result()[0, 4, 4]
    assert row[8] < 0.1
    assert row[15] > 0.9


@pytest.mark.parametrize(
    ("shape", "rule", "expected"),
    [
        ((5, 17, 64), GeometryRule(), (8, 24, 64)),
        ((5, 17, 70), GeometryRule(patch=(64, 64, 64)), (64, 64, 70)),
        ((8, 17, 70), GeometryRule(smallest=(16, 64, 64)), (16, 64, 72)),
        ((1, 17, 64), GeometryRule(smallest=(1, 8, 8)), (8, 24, 64)),
        ((5, 64, 1), GeometryRule(patch=(64, 64, 64)), (64, 64, 64)),
    ],
)
def test_frame_is_padded_to_what_the_model_needs_and_padding_is_undone(shape, rule, expected):
    volume = np.random.default_rng(0).random(shape, dtype=np.float32)

    padded = torch.from_numpy(pad(volume, padded_shape(shape, rule, NetworkOptions())))

    assert padded.shape == expected
    np.testing.assert_array_equal(unpad(padded[None], shape)[0].numpy(), volume)


@pytest.mark.parametrize(("kernel", "copies"), [((3, 3, 3), 5), ((1, 3, 3), 1)])
def test_single_slice_is_repeated_for_a_network_that_reads_its_neighbours(kernel, copies):
    network = NetworkOptions(last_stage="none", kernels=((1, 3, 3),) * 3 + (kernel,), poolings=((1, 2, 2),) * 3)
    volume = np.random.default_rng(0).random((1, 16, 16), dtype=np.float32)

    padded = pad(volume, padded_shape(volume.shape, GeometryRule(smallest=(1, 8, 8)), network))

    np.testing.assert_array_equal(padded, np.repeat(volume, copies, axis=0))


def test_tiles_say_how_much_more_they_compute_than_the_whole_frame():
    places = plan_tiles((16, 64, 64), (16, 32, 32), 0.5)

    assert TileLayout((16, 64, 64), (16, 32, 32), places).times_the_frame == 9 / 4
    assert TileLayout((16, 64, 64), (16, 64, 64), plan_tiles((16, 64, 64), (16, 64, 64), 0.5)).times_the_frame == 1


def test_tiles_without_end_are_refused():
    with pytest.raises(InputError, match=r"tiles of \(8, 8, 8\) voxels: choose larger tiles or a smaller overlap"):
        plan_tiles((256, 256, 256), (8, 8, 8), 0.9)


def test_tile_shrinks_with_memory_down_to_a_least_size():
    shape = (16, 176, 176)

    small = plan_tile(shape, (8, 8, 8), np.prod, np.prod(shape) - 1)

    assert plan_tile(shape, (8, 8, 8), np.prod, np.prod(shape)) == shape
    assert np.prod(small) < np.prod(shape)
    assert all(n % 8 == 0 for n in small)
    assert plan_tile(shape, (8, 8, 8), np.prod, 1) == (16, 32, 32)
    assert halved((16, 32, 32), (8, 8, 8)) is None
