"""Processes by their id, of any user and whoever started them: whether one runs, and ending one."""

import ctypes
import os
import signal
import sys
from contextlib import suppress


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


def kill(process_id: int) -> None:
    """End a process of this user at once; one that has ended already is fine."""
    with suppress(OSError):
        os.kill(process_id, getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows, any signal ends it at once
