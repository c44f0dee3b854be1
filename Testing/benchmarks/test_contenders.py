"""The contenders compute the same: comparing the speed of different computations would be worth nothing."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from engine.two_stages import chest, two_stage_model

from benchmarks import bench
from benchmarks.contenders import PublishedNetwork

SLICES_APART = {
    "last_stage": "none",
    "kernels": ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)),
    "poolings": ((1, 2, 2),) * 3,
    "lstm_kernel_size": (1, 3, 3),
    "conv_bias": False,
    "align_corners": False,
}


@pytest.mark.parametrize("changes", [{"last_stage": "none"}, {"last_stage": "published"}, SLICES_APART])
@torch.no_grad()
def test_plain_network_is_ours(changes):
    torch.manual_seed(0)
    options = NetworkOptions(classes=3, width=4, **changes)
    ours = CLSTMUNet4D(options).eval()
    plain = PublishedNetwork(asdict(options)).eval()
    plain.load_state_dict(ours.state_dict())
    stack = torch.rand(1, 3, 1, 16, 24, 17)

    logits = plain(stack)

    torch.testing.assert_close(logits, ours(stack), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bundle", "published"])
def test_bench_compares_equal_answers_and_ours_is_faster_and_smaller(kind, tmp_path):
    """What `make bench-smoke` runs; wide margins, since the machine may be busy."""
    size, frames = ("16,96,96", "4") if kind == "bundle" else ("64,64,72", "2")
    options = ["--kind", kind, "--width", "8", "--frames", frames, "--size", size, "--rounds", "1"]
    results, picture = tmp_path / "bench.json", tmp_path / "speeds.png"

    bench.main([*options, "--out", str(results), "--keep", str(tmp_path), "--picture", str(picture)])

    assert picture.stat().st_size > 5000
    (result,) = json.loads(results.read_text(encoding="utf-8"))["results"]
    ours, window = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.seq.nrrd"))) for name in ("ours", "window")
    )
    ours = ours.transpose(3, 2, 1, 0)  # a sequence has its frames along the vector, the other file along its first axis
    assert 0.02 < (ours > 0).mean() < 0.98
    assert (ours != window).mean() < 0.1
    assert result["contenders"]["window"]["seconds_to_ours"] > 0.8
    assert np.isfinite(result["contenders"]["window"]["peak_to_ours"])


@pytest.mark.slow
def test_model_of_two_stages_is_compared_on_a_real_sequence_with_the_bare_network_and_the_window(tmp_path):
    model = two_stage_model()
    write_bundle(model, model.weights, tmp_path / "model")
    frames = [chest((60, 60 + t), seed=t).image for t in range(4)]
    write_sequence(tmp_path / "in.seq.nrrd", SequenceIndex([str(t) for t in range(4)]), frames)
    options = ["--model", str(tmp_path / "model"), "--input", str(tmp_path / "in.seq.nrrd"), "--rounds", "1"]
    results = tmp_path / "bench.json"

    bench.main([*options, "--contenders", "ours", "network", "window", "--out", str(results), "--keep", str(tmp_path)])

    (result,) = json.loads(results.read_text(encoding="utf-8"))["results"]
    assert result["frames"] == 4
    figures = result["contenders"]
    assert 0 < figures["network"]["seconds"] < figures["ours"]["seconds"]
    ours, window = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.seq.nrrd"))) for name in ("ours", "window")
    )
    # ours has the heart alone, on the voxels of the frame; the window also has what lies outside the located box
    assert (ours[2:8, 48:73, 48:73] == 1).sum() == pytest.approx((window[:, 2:8, 48:73, 48:73] == 1).sum(), rel=0.1)
    assert (ours > 0).sum() < (window > 0).sum()
