"""How the threads of PyTorch wait for each other."""

import os


def let_waiting_threads_sleep() -> None:
    """Let the threads of this process and of its child processes sleep while they wait for each other.

    By default (active waiting of OpenMP), a waiting thread keeps its core busy for a while. Where other programs also
    compute, such as Slicer itself, it so takes the time from the thread for which it waits: steps of a teaching job
    took five times as long. On an idle computer, both ways are equally fast.

    This must be called before PyTorch is imported. A choice of the user, in the environment variable `OMP_WAIT_POLICY`,
    is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
