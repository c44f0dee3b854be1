"""The contenders compute the same: comparing the speed of different computations would be worth nothing."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from CLSTMSegmentLib.network.options import NetworkOptions
from CLSTMSegmentLib.network.unet import CLSTMUNet4D

from benchmarks import bench
from benchmarks.contenders import PublishedNetwork


@pytest.mark.parametrize("last_stage", ["none", "published"])
@torch.no_grad()
def test_plain_network_is_ours(last_stage):
    torch.manual_seed(0)
    ours = CLSTMUNet4D(NetworkOptions(classes=3, width=4, last_stage=last_stage)).eval()
    plain = PublishedNetwork(4, 3, last_stage, True, True).eval()
    plain.load_state_dict(ours.state_dict())
    stack = torch.rand(1, 3, 1, 16, 24, 17)

    logits = plain(stack)

    torch.testing.assert_close(logits, ours(stack), atol=1e-5, rtol=1e-5)


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
