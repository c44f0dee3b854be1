"""The teacher: `python -m CLSTMSegmentLib.worker.teach_in_folder FOLDER MODELS` runs a teaching job.

It looks into the file `wish` in the folder after every step: "pause" makes it wait, "stop" makes the
best so far the model. When its parent is gone it leaves; the lesson can be gone on with.
"""

import sys
import time
from pathlib import Path

from ..teaching.teacher import teach
from ..teaching.training_set import WISH
from .events import EventWriter
from .parent_process import leave_with_parent

WAIT_S = 0.2
"""Between two looks at the wish while it pauses."""


def wish_of(folder: Path) -> str:
    """What is wished at the moment: "pause", "stop" or nothing."""
    try:
        return (folder / WISH).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def main(folder: Path, models: Path) -> int:
    """Learn the lesson.

    Returns:
        0, or 1 where the last event tells what went wrong.
    """
    leave_with_parent(lambda: None)

    def going_on() -> bool:
        while (wish := wish_of(folder)) == "pause":
            time.sleep(WAIT_S)
        return wish != "stop"

    with EventWriter(folder) as say:
        try:
            say("done", model=str(teach(folder, models, say, going_on)))
        except Exception as error:  # noqa: BLE001  nobody is there to see it but through the events
            say.failure(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
