"""A network on a device: the precision of a run, tiles that are read at once, and what follows when memory is short."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.devices import has_bfloat16
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine import tiled_network, tiles
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.network.inference import InferenceNetwork

from engine.small_runs import arrays, assert_same, labels_of, segmenter_for

TILE = (8, 32, 32)


@pytest.mark.skipif(not has_bfloat16(torch.device("cpu")), reason="this CPU does not compute in bfloat16")
def test_labels_of_hearts_in_bfloat16_are_nearly_those_in_float32(cine, bundled):
    found = {}
    for precision in ("float32", "bfloat16"):
        segmenter = segmenter_for(load_model(bundled), precision=precision, frames="0:3")
        found[precision] = np.stack([sitk.GetArrayFromImage(frame.labels) for frame in segmenter.segment(cine)])
        assert segmenter.report.precision == precision

    differing = (found["float32"] != found["bfloat16"]).sum() / (found["float32"] > 0).sum()
    assert differing < 0.005


def test_float16_on_a_cpu_is_refused(model):
    with pytest.raises(InputError, match="the precision float16 is for GPUs"):
        segmenter_for(model, precision="float16")


@pytest.mark.parametrize("at_once", [2, 4, 100])
def test_tiles_that_are_read_at_once_give_the_labels_of_single_ones(model, cine, monkeypatch, at_once):
    expected = labels_of(model, cine, tile=TILE)
    monkeypatch.setitem(tiles.AT_ONCE, "cpu", at_once)
    told = []

    segmenter = segmenter_for(model, tile=TILE)
    found = {frame.number: frame.labels for frame in segmenter.segment(cine, progress=told.append)}

    found, expected = arrays(found), arrays(expected)
    assert max((found[n] != expected[n]).mean() for n in expected) < 1e-3
    assert told[0].tiles == segmenter.report.tiles_per_frame > 2
    assert told[1].tile == min(at_once, told[0].tiles) + 1 or told[1].frame == 2


def test_run_out_of_memory_reads_tiles_one_by_one_before_it_makes_them_smaller(model, cine, monkeypatch):
    step, batches = InferenceNetwork.step, []

    def short_of_memory(network, x, state):
        batches.append(len(x))
        if len(x) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(network, x, state)

    expected = labels_of(model, cine[:2], tile=TILE)
    monkeypatch.setitem(tiles.AT_ONCE, "cpu", 4)
    monkeypatch.setattr(InferenceNetwork, "step", short_of_memory)
    segmenter = segmenter_for(model, tile=TILE)

    found = {frame.number: frame.labels for frame in segmenter.segment(cine[:2])}

    assert segmenter.report.warnings[-1] == "out of memory on cpu: tiles are read one by one"
    assert segmenter.report.tile == TILE
    assert batches[0] == 4
    assert_same(arrays(found), arrays(expected))


def test_fewer_tiles_are_read_at_once_where_memory_is_small(model, cine, monkeypatch):
    monkeypatch.setitem(tiles.AT_ONCE, "cpu", 100)
    monkeypatch.setattr(tiles, "free_memory", lambda device: 3e7)
    segmenter = segmenter_for(model, tile=TILE)

    layout = segmenter.network.layout((8, 48, 48))

    assert 1 < layout.at_once < 100


def test_run_that_leaves_the_gpu_has_the_weights_of_the_model_again(model, cine, monkeypatch):
    """The GPU is a stand-in: the CPU under another name, on which every step is out of memory."""
    step, cpu = InferenceNetwork.step, torch.device("cpu")
    build, blender, built = tiled_network.inference_network, tiled_network.TileBlender, []

    def out_of_memory_on_gpu(network, x, state):
        if network is built[0]:
            raise torch.OutOfMemoryError("MPS backend out of memory")
        return step(network, x, state)

    def build_on_cpu(network, device, dtype):
        built.append(build(network, cpu, dtype))
        return built[-1]

    monkeypatch.setattr(tiled_network, "choose_device", lambda name: (torch.device("mps"), []))
    monkeypatch.setattr(tiled_network, "inference_network", build_on_cpu)
    monkeypatch.setattr(tiled_network, "copy_to", lambda device, tensor: tensor)
    monkeypatch.setattr(
        tiled_network, "TileBlender", lambda classes, shape, tile, _: blender(classes, shape, tile, cpu)
    )
    monkeypatch.setattr(tiles, "free_memory", lambda device: 1e10)
    monkeypatch.setattr(InferenceNetwork, "step", out_of_memory_on_gpu)
    segmenter = segmenter_for(model, precision="float32")

    found = {frame.number: frame.labels for frame in segmenter.segment(cine[:2])}

    assert segmenter.report.device == "mps, then cpu"
    assert segmenter.report.warnings[-1] == "out of memory on mps: the run continues on the CPU"
    monkeypatch.undo()
    assert_same(arrays(found), arrays(labels_of(model, cine[:2], tile=segmenter.report.tile)))
