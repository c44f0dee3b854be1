"""The process that starts a worker, with which the worker ends."""

import os
import threading
from collections.abc import Callable


def leave_with_parent(clean_up: Callable[[], None]) -> None:
    """From now on, when the parent process ends, clean up and end this process at once.

    The parent holds the other end of this process's standard input, which therefore ends with the parent. This works
    alike on Windows, macOS and Linux.
    """

    def wait() -> None:
        # not through sys.stdin: this thread would hold its lock while the interpreter shuts down
        while os.read(0, 1):
            pass
        clean_up()
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()
