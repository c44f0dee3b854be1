"""`make gpu-check`: checks and measures the GPU of this machine, and prints one table.

python3 -m gpu.gpu_table    (in the folder Testing, with ../CLSTMSegment in PYTHONPATH)

It needs torch, numpy, SimpleITK and safetensors, no display, and MONAI for one of the comparisons.
"""

import sys
from collections.abc import Iterable, Iterator

import torch
from CLSTMSegmentLib.core.devices import choose_device

from gpu.gpu_checks import Row, batching, equality, out_of_memory, planning, speed

COUNTS = [5, 20, 80]


def rows(device: str) -> Iterator[Row]:
    """Yield the rows of the table, each as soon as it is known."""
    yield from equality(device)
    yield from batching(device)
    yield from out_of_memory(device)
    yield from planning(device, 16, (24, 176, 176), 24 * 1024)
    yield from planning(device, 64, (256, 256, 256), 24 * 1024)
    yield from speed(device, "bundle", 16, COUNTS, (24, 176, 176))
    yield from speed(device, "bundle", 64, COUNTS, (24, 176, 176))
    yield from speed(device, "published", 64, COUNTS, (64, 64, 64))


def main() -> None:
    device = str(choose_device("auto")[0])
    if device == "cpu":
        sys.exit("this machine has no GPU that PyTorch can use")
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "Apple GPU"
    print(f"{name}, PyTorch {torch.__version__}, Python {sys.version.split()[0]}")
    print_table(rows(device))


def print_table(rows: Iterable[Row]) -> None:
    """Print rows as they come; the process ends with an error when one of them is bad."""
    failed = 0
    for row in rows:
        failed += row.good is False
        verdict = {True: "good", False: "BAD", None: ""}[row.good]
        print(f"{verdict:5}| {row.check:55}| {row.found}", flush=True)
    if failed:
        sys.exit(f"{failed} of the checks failed")


if __name__ == "__main__":
    main()
