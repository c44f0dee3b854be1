"""The bare network, the limit of what a run can reach: the steps of a run, and nothing else, in a process of its own.

    python bare_network.py MODEL INPUT [--device cpu]

A run notes what the network reads: the same frames, warm-up frames and tiles, after the locator and the preparation.
The network then reads this once more, and only that is timed. The last line that is printed is JSON, as that of
`contenders.py`.
"""

import json
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

import torch
from CLSTMSegmentLib.core.memory import peak_memory
from CLSTMSegmentLib.engine.segmenter import Segmenter
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_files import read_sequence
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.network.inference import InferenceNetwork


@dataclass
class Call:
    """One call of a network: with which of its functions, what it reads, and whether its state is empty before."""

    network: InferenceNetwork
    function: str
    frame: torch.Tensor
    is_first: bool


def calls_of_a_run(segmenter: Segmenter, frames: list) -> tuple[list[Call], int]:
    """Return the calls of the main network in a run, and the number of calls for each frame."""
    calls: list[Call] = []
    originals = {name: getattr(InferenceNetwork, name) for name in ("step", "update_state")}

    def noting(name: str) -> object:
        def call(network: InferenceNetwork, frame: torch.Tensor, state: list | None = None) -> object:
            calls.append(Call(network, name, frame.clone(), state is None))
            return originals[name](network, frame, state)

        return call

    for name in originals:
        setattr(InferenceNetwork, name, noting(name))
    try:
        for _ in segmenter.segment(frames):
            pass
    finally:
        for name, original in originals.items():
            setattr(InferenceNetwork, name, original)
    of_main = [call for call in calls if call.network is calls[-1].network]  # the locator was called before
    at_once = of_main[-1].frame.shape[0]
    return of_main, -(-segmenter.report.tiles_per_frame // at_once)


@torch.inference_mode()
def seconds_of(calls: list[Call], per_frame: int, device: torch.device) -> float:
    """Return the seconds that the calls take, one after the other."""
    states: list[list | None] = [None] * per_frame
    began = time.perf_counter()
    for n, call in enumerate(calls):
        state = None if call.is_first else states[n % per_frame]
        result = getattr(call.network, call.function)(call.frame, state)
        states[n % per_frame] = result[1] if call.function == "step" else result
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("input", type=Path)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    segmenter = Segmenter(load_model(options.model), RunSettings(device=options.device))
    calls, per_frame = calls_of_a_run(segmenter, read_sequence(options.input))
    seconds = seconds_of(calls, per_frame, calls[0].frame.device)
    print(json.dumps({"network_seconds": seconds, "peak_bytes": peak_memory()}))


if __name__ == "__main__":
    main()
