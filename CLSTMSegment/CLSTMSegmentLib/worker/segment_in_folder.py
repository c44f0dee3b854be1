"""The worker process of a run: `python -m CLSTMSegmentLib.worker.segment_in_folder FOLDER`.

It segments the frames in a job folder. When its parent process ends, it removes the folder and ends too.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError
from ..core.helper_thread import one_behind
from ..core.sequence import Frame
from ..model.bundle import load_model
from .events import Done, Started
from .job_folder import JobFolder
from .parent_process import work_for_parent

WAIT_S = 0.01
"""Seconds between two looks for a frame that has not arrived yet."""


class ArrivingFrames(Sequence):
    """The input frames in a job folder; reading one that has not arrived yet waits for it."""

    def __init__(self, folder: JobFolder):
        self._folder = folder
        self._index_values = folder.index_values()

    def __len__(self) -> int:
        return len(self._index_values)

    def __getitem__(self, number: int) -> Frame:
        if not 0 <= number < len(self):
            raise IndexError(number)
        while not self._folder.has_frame(number):
            time.sleep(WAIT_S)
        value = self._index_values[number]
        try:
            return Frame(self._folder.read_frame(number), value)
        except InputError as error:
            raise InputError(f"frame {number} ({value}) cannot be read by the worker: {error}") from error


def segment_in_folder(folder: JobFolder) -> None:
    """Segment the frames of a job folder as its settings say, and report every step as an event."""
    from ..engine.segmenter import Segmenter  # with torch, which takes seconds to import

    frames = ArrivingFrames(folder)
    settings = folder.settings()
    segmenter = Segmenter(load_model(settings.model), settings)
    folder.append(Started(segmenter.report.device))
    with one_behind(folder.write_result) as write_meanwhile:
        for frame in segmenter.segment(frames, progress=folder.append, read_ahead=True):
            write_meanwhile(frame)
    folder.append(Done(report=segmenter.report))


def main(path: Path) -> int:
    """Do the run in a job folder, and return the exit status."""
    folder = JobFolder(path)
    return work_for_parent(folder, lambda: segment_in_folder(folder), clean_up=folder.remove)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
