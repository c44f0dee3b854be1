"""The worker process of a teaching job: `python -m CLSTMSegmentLib.worker.teach_in_folder FOLDER MODELS [TEMPORARY]`.

It teaches a model from the training set in a folder, and obeys the folder's control file after every step. When its
parent process ends, it ends too; the folder stays, so that the job can be resumed, unless it lies in a temporary one.
"""

import sys
from pathlib import Path

from .events import Done, Note
from .parent_process import work_for_parent
from .work_folder import WorkFolder


def teach_in_folder(folder: WorkFolder, models: Path) -> None:
    """Do the teaching job in a folder, and report every step as an event.

    Args:
        folder: with a training set.
        models: where the new model becomes a folder.
    """
    from ..teaching.teaching_job import teach  # with torch, which takes seconds to import

    result = teach(folder.path, models, progress=folder.append, cancelled=folder.should_stop)
    for note in result.notes:
        folder.append(Note(note))
    folder.append(Done(model_folder=str(result.folder)))


def main(path: Path, models: Path, temporary: Path | None = None) -> int:
    """Do the teaching job in a folder, and return the exit status.

    Args:
        path: the folder.
        models: where the new model becomes a folder.
        temporary: a folder that is removed when the parent process ends; None for none.
    """
    folder = WorkFolder(path)
    clean_up = WorkFolder(temporary).remove if temporary is not None else lambda: None
    return work_for_parent(folder, lambda: teach_in_folder(folder, models), clean_up)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
