"""How a worker process serves the process that has started it: it reports to it, and ends with it."""

import faulthandler
import os
import threading
from collections.abc import Callable

from .events import Failed
from .work_folder import WorkFolder


def work_for_parent(folder: WorkFolder, work: Callable[[], None], clean_up: Callable[[], None]) -> int:
    """Do the work of a worker process, and report an error as an event.

    The work itself must import what takes seconds to import: until this function is called, the parent can neither
    find the process nor make it end.

    Args:
        folder: the folder of the worker.
        work: what the worker does.
        clean_up: called when the parent process ends.

    Returns:
        The exit status: 0, or 1 where the last event says why the work failed.
    """
    faulthandler.enable()  # the log then tells a crash from a process that was killed
    leave_with_parent(clean_up)
    folder.report_process()
    try:
        work()
    except Exception as error:  # noqa: BLE001  the events are the only way in which the parent can see it
        folder.append(Failed.from_error(error))
        return 1
    return 0


def leave_with_parent(clean_up: Callable[[], None]) -> None:
    """From now on, when the parent process ends, clean up and end this process at once.

    The parent holds the other end of this process's standard input, which therefore ends with the parent, or when the
    parent closes it. This works alike on Windows, macOS and Linux, and through a launcher.
    """

    def wait() -> None:
        # not through sys.stdin: this thread would hold its lock while the interpreter shuts down
        while os.read(0, 1):
            pass
        clean_up()
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()
