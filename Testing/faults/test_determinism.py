"""The same input gives the same labels: in every run, with any number of threads and in any order of the tiles."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.devices import has_bfloat16
from CLSTMSegmentLib.engine import tiles
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from conftest import smallModel

TILE = (8, 32, 32)


def labels(frames, tile=TILE, precision="auto"):
    segmenter = Segmenter(smallModel(), RunSettings(device="cpu", tile=tile, precision=precision))
    return [sitk.GetArrayFromImage(frame.labels) for frame in segmenter.segment(frames)]


def assert_same(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("tile", [None, TILE])
def test_every_run_gives_the_same_labels(phantom, tile):
    first, second = labels(phantom[0], tile), labels(phantom[0], tile)

    assert_same(first, second)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_number_of_threads_gives_the_same_labels(phantom, precision):
    if precision == "bfloat16" and not has_bfloat16(torch.device("cpu")):
        pytest.skip("this CPU does not compute in bfloat16")
    threads, found = torch.get_num_threads(), []

    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(labels(phantom[0], precision=precision))
    finally:
        torch.set_num_threads(threads)

    assert_same(found[0], found[1])
    assert_same(found[0], found[2])


def test_every_order_of_the_tiles_gives_the_same_labels(phantom, monkeypatch):
    expected, plan_tiles = labels(phantom[0]), tiles.plan_tiles
    monkeypatch.setattr(tiles, "plan_tiles", lambda *arguments: plan_tiles(*arguments)[::-1])

    found = labels(phantom[0])

    assert_same(found, expected)
