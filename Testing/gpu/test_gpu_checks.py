"""The GPU computes as the CPU does. Without a GPU, the same checks run on the CPU, so that they hold no mistake."""

import pytest
import torch

from gpu import gpu_checks as checks
from gpu import gpu_table

SMALL = (16, 48, 48)
SMALL_TILE = (16, 32, 32)


@pytest.fixture(params=["cpu", "cuda:0"])
def device(request):
    if request.param != "cpu" and not torch.cuda.is_available():
        pytest.skip("this machine has no GPU that PyTorch can use")
    return request.param


def good(rows):
    rows = list(rows)
    assert rows
    assert all(row.good for row in rows), rows
    return rows


def test_labels_are_those_of_the_cpu(device):
    good(checks.equality(device, frames=2))


def test_tiles_that_are_read_at_once_give_the_labels_of_single_ones(device):
    good(checks.batching(device, width=4, size=(64, 72, 72)))


def test_run_that_is_out_of_memory_goes_on(device):
    (row,) = good(checks.out_of_memory(device, *((SMALL, SMALL_TILE) if device == "cpu" else ())))

    assert row.found.startswith(f"out of memory on {device}: ")


def test_frame_in_one_tile_takes_about_the_planned_memory(device):
    good(checks.planning(device, 4, SMALL, 24 * 1024))


@pytest.mark.parametrize("kind", ["bundle", "published"])
def test_speed_is_measured_beside_the_contenders(device, kind):
    size = SMALL if kind == "bundle" else (64, 64, 64)

    rows = list(checks.speed(device, kind, 2, [2], size))

    assert [row.found.split(":")[0].split(",")[0] for row in rows] == ["ours", "MONAI window", "the whole stack"]
    assert all(" s" in row.found for row in rows)


def test_table_says_what_is_bad(capsys):
    rows = [checks.Row("first", "as it should be", True), checks.Row("second", "something else", False)]

    with pytest.raises(SystemExit, match="1 of the checks failed"):
        gpu_table.print_table(rows)

    assert capsys.readouterr().out.splitlines()[1].startswith("BAD  | second")


def test_frames_of_256_cubed_fit_into_24_gb():
    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU that PyTorch can use")
    good(checks.planning("cuda:0", 64, (256, 256, 256), 24 * 1024))
