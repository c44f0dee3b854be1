"""The worker process of a run: `python -m CLSTMSegmentLib.worker.segment_in_folder FOLDER`.

It segments the frames in a job folder. When its parent process ends, it removes the folder and ends too.
"""

import sys
from pathlib import Path

from .arriving_frames import ArrivingFrames
from .events import Done, Started
from .job_folder import JobFolder
from .parent_process import work_for_parent


def segment_in_folder(folder: JobFolder) -> None:
    """Segment the frames of a job folder as its settings say, and report every step as an event."""
    from ..engine.segmenter import Segmenter  # with torch, which takes seconds to import

    frames = ArrivingFrames(folder)
    segmenter = Segmenter(folder.load_model(), folder.settings())
    folder.append(Started(segmenter.report.device))
    for frame in segmenter.segment(frames, progress=folder.append):
        folder.write_result(frame)
    folder.append(Done(report=segmenter.report))


def main(path: Path) -> int:
    """Do the run in a job folder, and return the exit status."""
    folder = JobFolder(path)
    return work_for_parent(folder, lambda: segment_in_folder(folder), clean_up=folder.remove)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
