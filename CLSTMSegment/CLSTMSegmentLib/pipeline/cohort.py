"""A cohort of runs with Dask, on this computer or on a cluster."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import torch

from ..core.atomic_write import replacing
from ..core.errors import CohortIncomplete, InputError
from ..engine.settings import RunSettings
from ..io.sequence_files import files_of_sequence
from ..model.bundle import load_model
from ..model.description import Model
from ..report.cohort_summary import CohortRow, write_overview, write_summary
from .cohort_table import Cohort, CohortSequence
from .output_paths import check_outputs, check_written_before, record_outputs
from .writers import storing

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class ClusterSettings:
    """Which Dask cluster segments a cohort.

    Attributes:
        address: address of a Dask scheduler whose workers have this package installed; None for workers on this
            machine.
        workers: number of workers on this machine; None for one on each GPU, or one on the CPU.
        patience_s: seconds within which the scheduler must answer.

    Raises:
        InputError: a number of workers below 1.
    """

    address: str | None = None
    workers: int | None = None
    patience_s: float = 20

    def __post_init__(self):
        if self.workers is not None and self.workers < 1:
            raise InputError(f"the number of workers must be at least 1, not {self.workers}")


def segment_cohort(
    cohort: Cohort,
    settings: RunSettings,
    cluster: ClusterSettings,
    resume: bool = False,
    on_row: Callable[[CohortRow], None] | None = None,
) -> list[CohortRow]:
    """Segment all sequences of a cohort, each in a task of its own, and write `summary.csv` and `overview.png`.

    Args:
        cohort: the sequences; a sequence that fails does not stop the others.
        settings: settings of every run.
        cluster: where the runs happen.
        resume: keep the results of sequences that are finished, and segment the others.
        on_row: called with the row of each sequence as soon as it is known, those of finished ones first.

    Returns:
        The rows in the order of the cohort.

    Raises:
        InputError: there are results already and `resume` is False, a result would replace an input or a file that no
            cohort wrote, or the model or the cluster cannot be used.
        CohortIncomplete: some sequences failed; the others are finished, and the summary says why each one failed.
    """
    model = load_model(settings.model)
    inputs = (file for sequence in cohort.sequences for file in files_of_sequence(sequence.input))
    check_outputs(cohort.outputs(), chain([cohort.source], inputs), [settings.model])
    check_written_before(cohort.folder, cohort.outputs())
    finished = [sequence for sequence in cohort.sequences if sequence.is_finished]
    if finished and not resume:
        names = ", ".join(sorted(sequence.name for sequence in finished)[:3])
        raise InputError(f"{cohort.folder} contains results already ({names}): give --resume to segment the others")
    cohort.folder.mkdir(parents=True, exist_ok=True)
    record_outputs(cohort.folder, cohort.outputs())
    rows: dict[str, CohortRow] = {}
    for row in _rows(cohort, finished, settings, cluster, model):
        rows[row.name] = row
        if on_row is not None:
            on_row(row)
    ordered = [rows[sequence.name] for sequence in cohort.sequences]
    _write(cohort, model, ordered)
    failed = [row.name for row in ordered if row.curve is None]
    if failed:
        raise CohortIncomplete(
            f"{len(failed)} of {len(ordered)} sequences failed: {', '.join(failed)}; "
            f"{cohort.summary} says why, and contains the results of the others"
        )
    return ordered


def _rows(
    cohort: Cohort, finished: list[CohortSequence], settings: RunSettings, cluster: ClusterSettings, model: Model
) -> Iterator[CohortRow]:
    """Yield the rows of the finished sequences, then those of the others in the order in which they end."""
    for sequence in finished:
        yield sequence.finished_row(model.segments)
    waiting = [sequence for sequence in cohort.sequences if sequence not in finished]
    if waiting:
        yield from _rows_of_cluster(waiting, settings, cluster, model)


def _rows_of_cluster(
    sequences: list[CohortSequence], settings: RunSettings, cluster: ClusterSettings, model: Model
) -> Iterator[CohortRow]:
    """Segment sequences on a cluster, and yield the row of each one as it ends."""
    try:
        # Dask is needed for cohorts alone, and not installed everywhere
        from distributed import as_completed
    except ImportError as error:
        raise InputError("a cohort needs Dask: pip install distributed") from error
    from .dask_worker import SentModel, segment_sequence

    with _connected(cluster, settings.device) as (client, threads):
        model.build_network()  # checks the weights before anything is sent
        sent = SentModel(model.stored_weights(), model)
        client.register_plugin(sent, name=f"model-{sent.digest}")
        futures = {}
        for sequence in sequences:
            # Dask takes tasks of one key for one task, also those of other clients of the same scheduler
            digest = hashlib.sha256(repr((sequence, settings, sent.digest)).encode()).hexdigest()
            future = client.submit(
                segment_sequence,
                sequence,
                settings,
                sent.digest,
                threads,
                key=f"{sequence.name}-{digest}",
                retries=2,  # the reason may be the worker on which it failed
            )
            futures[future] = sequence
        for future in as_completed(futures):
            if future.status == "finished":
                yield future.result()
            else:
                yield futures[future].failed_row(f"its worker was lost or failed: {future.exception()}")


@contextmanager
def _connected(cluster: ClusterSettings, device: str) -> Iterator[tuple["Client", int | None]]:
    """Yield a Dask client, and the number of threads for each task (None: as its worker was set up)."""
    from distributed import Client, LocalCluster

    if cluster.address is not None:
        try:
            client = Client(cluster.address, timeout=cluster.patience_s)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"no Dask scheduler answers at {cluster.address} ({error})") from error
        with client:
            yield client, None
        return
    gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    workers = cluster.workers or gpus or 1
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as local,
        Client(local) as client,
    ):
        yield client, max(1, (os.cpu_count() or 1) // workers)


def _write(cohort: Cohort, model: Model, rows: list[CohortRow]) -> None:
    with replacing(cohort.summary) as partial, storing(partial):
        write_summary(partial, model.segments, rows)
    with replacing(cohort.overview) as partial, storing(partial):
        write_overview(partial, f"{model.title}: volumes [ml] by frame", model.segments, rows)
