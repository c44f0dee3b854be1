"""Same input, same labels: run after run, whatever the thread count, in this process or in a worker."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.engine import segmenter as engine
from CLSTMSegmentLib.engine.segmenter import Segmenter
from conftest import smallModel


def labels(frames, **options):
    return [sitk.GetArrayFromImage(r.labels) for r in Segmenter(smallModel(), "cpu", **options).segment(frames)]


def assert_same(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("tile", ["auto", (8, 32, 32)])
def test_run_after_run(phantom, tile):
    assert_same(labels(phantom[0], tile=tile), labels(phantom[0], tile=tile))


def test_whatever_the_number_of_threads(phantom):
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(labels(phantom[0], tile=(8, 32, 32)))
    finally:
        torch.set_num_threads(threads)
    assert_same(found[0], found[1])
    assert_same(found[0], found[2])


def test_whatever_the_order_of_the_tiles(phantom, monkeypatch):
    expected = labels(phantom[0], tile=(8, 32, 32))
    plan = engine.plan_tiles
    monkeypatch.setattr(engine, "plan_tiles", lambda *arguments: plan(*arguments)[::-1])
    assert_same(labels(phantom[0], tile=(8, 32, 32)), expected)
