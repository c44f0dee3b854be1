"""Worker processes of a cohort on this computer. They talk to this process through pipes: nobody else reaches them."""

import _thread
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ..core.stop_signals import stopped_by_signals
from ..engine.settings import RunSettings
from ..report.cohort_summary import CohortRow
from ..worker.worker_process import PACKAGE_FOLDER
from .cohort_table import CohortSequence
from .cohort_task import device_of_worker, segment_sequence

ATTEMPTS = 3
"""How many workers may be killed by a sequence, which fails then."""

PATIENCE_S = 10
"""Seconds in which a worker that is stopped may remove what it has begun to write."""


def segment_on_this_computer(
    sequences: Sequence[CohortSequence], settings: RunSettings, model_digest: str, workers: int | None
) -> Iterator[CohortRow]:
    """Segment sequences in worker processes, and yield the row of each one as it ends.

    Another worker takes the sequence of a worker that is killed.

    Args:
        sequences: the sequences.
        settings: settings of the runs.
        model_digest: see `model.bundle.model_digest`.
        workers: number of workers; None for one on each GPU, or one on the CPU.
    """
    import torch

    gpus = torch.cuda.device_count() if settings.device in ("auto", "cuda") else 0
    count = min(workers or gpus or 1, len(sequences))
    threads = max(1, (os.cpu_count() or 1) // count)
    work = [
        (replace(settings, device=device_of_worker(n, settings.device)), model_digest, threads) for n in range(count)
    ]
    running = [_LocalWorker(*work[n]) for n in range(count)]
    waiting, attempts = deque(sequences), Counter()
    try:
        while True:
            for worker in running:
                if worker.sequence is None and waiting:
                    worker.take(waiting.popleft())
            busy = [worker for worker in running if worker.sequence is not None]
            if not busy:
                return
            ready = wait([worker.connection for worker in busy])
            for worker in (worker for worker in busy if worker.connection in ready):
                sequence, row = worker.sequence, worker.row()
                if row is None:
                    n = running.index(worker)
                    worker.stop()
                    worker.end()
                    running[n] = _LocalWorker(*work[n])
                    attempts[sequence.name] += 1
                    if attempts[sequence.name] < ATTEMPTS:
                        waiting.appendleft(replace(sequence, interrupted=True))
                        continue
                    row = sequence.failed_row(
                        f"{ATTEMPTS} worker processes ended unexpectedly, the last one with exit status "
                        f"{worker.exit_status}: most likely the computer ran out of memory"
                    )
                yield row
    finally:
        for worker in running:
            worker.stop()
        for worker in running:
            worker.end()


class _LocalWorker:
    """A worker process.

    Attributes:
        connection: the pipe to it.
        sequence: what it segments; None while it has nothing to do.
    """

    def __init__(self, settings: RunSettings, model_digest: str, threads: int):
        context = multiprocessing.get_context("spawn")  # the only way that all systems have
        self.connection, its_connection = context.Pipe()
        self.sequence: CohortSequence | None = None
        arguments = (its_connection, settings, model_digest, threads)
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        here = Path.cwd()
        os.chdir(PACKAGE_FOLDER)  # a new Python imports from the current folder at first, in which anything may lie
        try:
            self._process.start()
        finally:
            os.chdir(here)
        its_connection.close()

    @property
    def exit_status(self) -> int | None:
        return self._process.exitcode

    def take(self, sequence: CohortSequence) -> None:
        self.sequence = sequence
        with suppress(OSError):  # it was killed, which `row` says
            self.connection.send(sequence)

    def row(self) -> CohortRow | None:
        """Return the row of the sequence that it has segmented; None where it was killed."""
        try:
            row = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.sequence = None
        return row

    def stop(self) -> None:
        """Ask it to stop, wherever it is."""
        self.connection.close()
        if self.sequence is not None:
            self._process.terminate()

    def end(self) -> None:
        """Wait until it has stopped, but not for long."""
        self._process.join(PATIENCE_S)
        self._process.kill()
        self._process.join()


def _work(connection: Connection, settings: RunSettings, model_digest: str, threads: int) -> None:
    """Segment the sequences that come through the pipe, until nobody holds its other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the parent decides
    import torch

    torch.set_num_threads(threads)
    with suppress(KeyboardInterrupt, EOFError, OSError), stopped_by_signals():
        threading.Thread(target=_stop_with_parent, daemon=True).start()
        while True:
            sequence = connection.recv()
            try:
                row = segment_sequence(sequence, settings, model_digest)
            except Exception as error:  # noqa: BLE001  the pipe is the only way in which the parent can see it
                row = sequence.failed_row(f"{type(error).__name__}: {error}")
            connection.send(row)


def _stop_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])
    _thread.interrupt_main(signal.SIGTERM)
