"""A worker's parent: when that is gone, the worker leaves."""

import os
import threading
from collections.abc import Callable


def leave_with_parent(clean_up: Callable[[], None]) -> None:
    """From now on, when standard input ends, clean up and end this process at once.

    The parent holds the other end, and is gone then. That works alike on Windows, macOS and Linux.
    """

    def wait() -> None:
        # not through sys.stdin, whose lock this thread would hold while the interpreter shuts down
        while os.read(0, 1):
            pass
        clean_up()
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()
