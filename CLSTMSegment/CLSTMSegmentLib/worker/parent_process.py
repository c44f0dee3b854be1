"""The process that starts a worker: whether it still runs, and how a worker serves it and ends with it."""

import ctypes
import os
import sys
import threading
from collections.abc import Callable


def is_running(process_id: int) -> bool:
    """Return whether a process with this id runs, of any user."""
    if sys.platform == "win32":
        # os.kill would end the process there
        synchronize = 0x00100000
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, process_id)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # another user's process
    return True


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
