"""A job folder: what is to be done, the frames to read, the events and finished frames that come of it.

job.json       what to do, see `Job`
frames/N.nrrd  the input frames, which may appear while the worker runs
events.jsonl   what the worker says, see `events`
results/N.nrrd the finished frames
worker.log     what else the worker prints
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """What a worker is to do; plain values, so that it can be written down.

    Attributes:
        model: a bundled model's name, a bundle's folder or a published .pth file.
        index_values: of all frames of the sequence, verbatim.
        wanted: numbers of the frames to segment; None for all.
        region: center, size and axes of an `engine.region.Region`; None for everywhere.
        device, tile, overlap: see `engine.segmenter.Segmenter`.
        time, prime: as on the command line; None for the model's own.
    """

    model: str
    index_values: list[str]
    wanted: list[int] | None = None
    region: dict[str, object] | None = None
    device: str = "auto"
    tile: list[int] | None = None
    overlap: float = 0.25
    time: str | None = None
    prime: int | None = None

    def write(self, folder: Path) -> None:
        """Make the job folder's parts."""
        for name in ("frames", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        write_whole(folder / "job.json", json.dumps(asdict(self)).encode("utf-8"))

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """What `write` wrote."""
        return cls(**json.loads((folder / "job.json").read_text(encoding="utf-8")))


def frame_path(folder: Path, number: int) -> Path:
    """Where an input frame lies."""
    return folder / "frames" / f"{number}.nrrd"


def result_path(folder: Path, number: int) -> Path:
    """Where a finished frame lies."""
    return folder / "results" / f"{number}.nrrd"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is never seen half written."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
