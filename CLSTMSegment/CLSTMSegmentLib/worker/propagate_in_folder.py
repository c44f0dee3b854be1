"""The worker process of a propagation: `python -m CLSTMSegmentLib.worker.propagate_in_folder FOLDER [cyclic]`.

It propagates the annotations in a job folder to all frames there. When its parent process ends, it removes the folder
and ends too. It needs no PyTorch.
"""

import sys
from pathlib import Path

from .arriving_frames import ArrivingFrames
from .events import Done, Started
from .job_folder import JobFolder
from .parent_process import work_for_parent
from .worker_process import CYCLIC


def propagate_in_folder(folder: JobFolder, cyclic: bool) -> None:
    """Propagate the annotations of a job folder, and report every step as an event.

    Args:
        folder: with annotations.
        cyclic: whether the first frame follows the last one.
    """
    from ..propagation.propagator import Propagator  # with SimpleITK, which takes time to import

    propagator = Propagator(ArrivingFrames(folder), folder.annotations(), cyclic)
    folder.append(Started("cpu"))
    for frame in propagator.run(progress=folder.append):
        folder.write_result(frame.result, frame.flags())
    folder.append(Done())


def main(path: Path, *options: str) -> int:
    """Do the propagation in a job folder, and return the exit status."""
    folder = JobFolder(path)
    return work_for_parent(folder, lambda: propagate_in_folder(folder, CYCLIC in options), clean_up=folder.remove)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
