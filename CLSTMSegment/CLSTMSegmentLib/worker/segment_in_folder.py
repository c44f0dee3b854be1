"""The worker: `python -m CLSTMSegmentLib.worker.segment_in_folder FOLDER` segments the frames in a job folder.

It leaves, and takes the folder with it, when its parent is gone.
"""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..core.errors import InputError, sitk_cause
from ..core.memory import is_out_of_memory
from ..core.sequence import Frame, SegmentedFrame
from ..engine.region import Region
from ..engine.segmenter import Segmenter
from ..io.image_files import read_image, write_image
from ..model.bundle import load_model
from .events import EventWriter
from .job_folder import Job, frame_path, result_path
from .parent_process import leave_with_parent

WAIT_S = 0.01
"""Between two looks for a frame that is not there yet."""


class FrameFolder(Sequence):
    """The input frames in a job folder; one that is not there yet is waited for."""

    def __init__(self, folder: Path, index_values: list[str]):
        self._folder = folder
        self._index_values = index_values

    def __len__(self) -> int:
        return len(self._index_values)

    def __getitem__(self, number: int) -> Frame:
        if not 0 <= number < len(self):
            raise IndexError(number)
        path = frame_path(self._folder, number)
        while not path.exists():
            time.sleep(WAIT_S)
        value = self._index_values[number]
        try:
            return Frame(read_image(path), value)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise InputError(f"frame {number} ({value}) cannot be read from {path}: {sitk_cause(error)}") from error


def work(folder: Path) -> bool:
    """Do the job in a folder.

    Returns:
        Whether all wanted frames are done. If not, the last event says why.
    """
    job = Job.read(folder)
    with EventWriter(folder) as say:
        try:
            model = load_model(job.model)
            tile = "auto" if job.tile is None else tuple(job.tile)
            rule = model.time.with_options(job.time, job.prime)
            segmenter = Segmenter(model, job.device, tile, job.overlap, rule)
            say("started", device=segmenter.report.device)
            region = None if job.region is None else Region(**job.region)
            frames = FrameFolder(folder, job.index_values)
            for result in segmenter.segment(frames, job.wanted, region, lambda p: say("progress", **asdict(p))):
                write_result(folder, result)
                say(
                    "frame",
                    number=result.number,
                    index_value=result.index_value,
                    unfamiliar=result.unfamiliar,
                )
            say("done", report=asdict(segmenter.report))
        except Exception as error:  # noqa: BLE001  nobody is there to see it but through the events
            say.failure(error)
            return False
    return True


def write_result(folder: Path, result: SegmentedFrame) -> None:
    """Write a finished frame."""
    path = result_path(folder, result.number)
    try:
        write_image(path, result.labels, compressed=True)
    except RuntimeError as error:
        raise InputError(
            f"frame {result.number} ({result.index_value}) is done but cannot be written to {path.parent}: is the disk "
            f"full? ({sitk_cause(error)})"
        ) from error


def main(folder: Path) -> int:
    leave_with_parent(lambda: shutil.rmtree(folder, ignore_errors=True))
    return 0 if work(folder) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
