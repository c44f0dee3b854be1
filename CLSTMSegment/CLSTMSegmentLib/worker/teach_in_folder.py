"""The worker process of a teaching job: `python -m CLSTMSegmentLib.worker.teach_in_folder FOLDER MODELS`.

It teaches a model from the training set in a folder, and obeys the folder's control file after every step. When its
parent process ends, it ends too; the folder stays, so that the job can be resumed.
"""

import sys
from pathlib import Path

from ..teaching.teaching_job import teach
from .events import Done, Failed, Note
from .job_folder import WorkFolder
from .parent_process import leave_with_parent


def teach_in_folder(folder: WorkFolder, models: Path) -> None:
    """Do the teaching job in a folder, and report every step as an event.

    Args:
        folder: with a training set.
        models: where the new model becomes a folder.
    """
    result = teach(folder.path, models, progress=folder.append, cancelled=folder.should_stop)
    for note in result.notes:
        folder.append(Note(note))
    folder.append(Done(model_folder=str(result.folder)))


def main(path: Path, models: Path) -> int:
    """Do the teaching job in a folder; return 0, or 1 where the last event says why it failed."""
    folder = WorkFolder(path)
    leave_with_parent(lambda: None)
    try:
        teach_in_folder(folder, models)
    except Exception as error:  # noqa: BLE001  the events are the only way in which the parent can see it
        folder.append(Failed.from_error(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
