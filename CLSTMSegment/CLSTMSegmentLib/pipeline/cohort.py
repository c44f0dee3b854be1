"""A cohort of runs, in worker processes of this computer or on a Dask cluster."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.atomic_write import remove_parts
from ..core.errors import Cancelled, CohortIncomplete, InputError, StorageError
from ..core.own_folder import OwnFolder, alone_in
from ..engine.settings import RunSettings
from ..model.bundle import load_model, model_digest, write_bundle
from ..model.description import Model
from ..report.cohort_summary import CohortRow, summarised_names, write_overview, write_summary
from ..report.csv_table import cell
from ..report.matplotlib_import import import_matplotlib
from ..worker.scheduler import Scheduler, connected
from .cohort_table import Cohort, CohortSequence
from .local_workers import segment_on_this_computer
from .output_paths import check_outputs, check_written_before, record_outputs, replacing_own
from .writers import storing

if TYPE_CHECKING:
    from distributed import Future


@dataclass(frozen=True)
class ClusterSettings:
    """Where a cohort is segmented.

    Attributes:
        scheduler: a Dask scheduler whose workers have this package installed; None for worker processes of this
            computer.
        workers: number of workers on this computer; None for one on each GPU, or one on the CPU.

    Raises:
        InputError: a number of workers below 1.
    """

    scheduler: Scheduler | None = None
    workers: int | None = None

    def __post_init__(self):
        if self.workers is not None and self.workers < 1:
            raise InputError(f"the number of workers must be at least 1, not {self.workers}")


def segment_cohort(
    cohort: Cohort,
    settings: RunSettings,
    cluster: ClusterSettings,
    resume: bool = False,
    on_row: Callable[[CohortRow], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> list[CohortRow]:
    """Segment all sequences of a cohort, each as a task of its own, and write `summary.csv` and `overview.png`.

    Args:
        cohort: the sequences; a sequence that fails does not stop the others.
        settings: settings of every run.
        cluster: where the runs happen.
        resume: keep the results of sequences that are finished, and segment the others. A sequence is segmented again
            if its input has changed, or the file of its labels is truncated.
        on_row: called with the row of each sequence as soon as it is known, those of finished ones first.
        on_note: called with remarks for people.

    Returns:
        The rows in the order of the cohort.

    Raises:
        InputError: there are results already and `resume` is False, or they come from another model or from other
            settings, or were edited; a result would replace an input or a file that no cohort wrote; or the model or
            the cluster cannot be used.
        CohortIncomplete: some sequences failed; the others are finished, and the summary says why each one failed.
        Cancelled: Ctrl-C; the message says how many sequences are finished.
    """
    model = load_model(settings.model)
    inputs = (file for sequence in cohort.sequences for file in sequence.files())
    check_outputs(cohort.outputs(), chain([cohort.source], inputs), [settings.model], cohort.folder)
    check_written_before(cohort.folder, cohort.outputs())
    for sequence in cohort.sequences:
        sequence.check_labels()
    there = sorted(sequence.name for sequence in cohort.sequences if sequence.has_results)
    if cohort.summary.exists():
        there.append(cohort.summary.name)
    if there and not resume:
        names = ", ".join(there[:3])
        raise InputError(
            f"{cohort.folder} contains results already ({names}): give --resume to segment the others, or choose "
            "another folder"
        )
    import_matplotlib()  # it takes a second, and may fail: the user is told before the work
    model.build_network()  # checks the weights before anything is written
    if cluster.scheduler is not None and not cohort.folder.exists():
        with connected(cluster.scheduler):  # an address at which nobody answers leaves nothing behind
            pass
    cohort.folder.mkdir(parents=True, exist_ok=True)
    with alone_in(cohort.folder, "cohort"):
        return _segment(cohort, model, settings, cluster, on_row, on_note)


def _segment(
    cohort: Cohort,
    model: Model,
    settings: RunSettings,
    cluster: ClusterSettings,
    on_row: Callable[[CohortRow], None] | None,
    on_note: Callable[[str], None] | None,
) -> list[CohortRow]:
    """Segment the sequences of a cohort that are not finished, and write the summary; see `segment_cohort`."""
    record_outputs(cohort.folder, cohort.outputs_of_sequences())
    remove_parts(cohort.folder)
    digest = model_digest(model)
    rows: dict[str, CohortRow] = {}

    def take(row: CohortRow) -> None:
        rows[row.name] = row
        if on_row is not None:
            on_row(row)

    try:
        for sequence in cohort.sequences:
            row = sequence.finished_row(model.segments, digest, settings)
            if row is not None:
                take(row)
            elif sequence.has_results and on_note is not None:
                on_note(f"{sequence.name}: segmented again, because its input has changed or its labels are truncated")
        waiting = [sequence for sequence in cohort.sequences if sequence.name not in rows]
        if waiting:
            with closing(_rows(waiting, settings, cluster, model, digest)) as found:
                for row in found:
                    take(row)
    except KeyboardInterrupt as error:
        remove_parts(cohort.folder)
        raise Cancelled(_what_is_there(cohort, rows, cluster)) from error
    ordered = [rows[sequence.name] for sequence in cohort.sequences]
    others = sorted(summarised_names(cohort.summary) - set(map(cell, rows))) if cohort.summary.exists() else []
    if others and on_note is not None:
        on_note(
            f"{cohort.summary.name} and {cohort.overview.name} no longer show {', '.join(others)}, which "
            f"{cohort.source} does not name: their labels and reports stay"
        )
    _write(cohort, model, ordered)
    failed = [row.name for row in ordered if row.curve is None]
    if failed:
        raise CohortIncomplete(
            f"{len(failed)} of {len(ordered)} sequences failed: {', '.join(failed)}; "
            f"{cohort.summary} says why, and contains the results of the others"
        )
    return ordered


def _what_is_there(cohort: Cohort, rows: dict[str, CohortRow], cluster: ClusterSettings) -> str:
    """Return what a cohort that was stopped has come to, in words."""
    finished = sum(row.curve is not None for row in rows.values())
    text = f"stopped; {finished} of {len(cohort.sequences)} sequences are finished in {cohort.folder}"
    if cluster.scheduler is not None:
        text += ", and the cluster still finishes those that its workers have begun"
    return f"{text}: give --resume to segment the others and to write the summary"


def _rows(
    sequences: list[CohortSequence], settings: RunSettings, cluster: ClusterSettings, model: Model, digest: str
) -> Iterator[CohortRow]:
    """Segment sequences, and yield the row of each one as it ends."""
    if cluster.scheduler is not None:
        yield from _rows_of_cluster(sequences, settings, cluster, model, digest)
        return
    # a copy of the model, so that one model segments all sequences whatever happens to its files
    with OwnFolder("clstm-segment-model-", Path(tempfile.gettempdir())) as folder:
        try:
            write_bundle(model, model.stored_weights(), folder / "model")
        except OSError as error:
            raise StorageError(
                f"a copy of the model cannot be written into {folder.parent} ({error.strerror}): make room there"
            ) from error
        copied = replace(settings, model=str(folder / "model"))
        with closing(segment_on_this_computer(sequences, copied, digest, cluster.workers)) as found:
            yield from found


def _rows_of_cluster(
    sequences: list[CohortSequence], settings: RunSettings, cluster: ClusterSettings, model: Model, digest: str
) -> Iterator[CohortRow]:
    """Segment sequences on a Dask cluster, and yield the row of each one as it ends."""
    with connected(cluster.scheduler) as client:
        from distributed import as_completed

        from .dask_worker import SentModel, segment_on_worker

        sent = SentModel(model, model.stored_weights(), digest)
        client.register_plugin(sent, name=f"model-{digest}")
        futures = {}
        for sequence in sequences:
            # Dask takes tasks of one key for one task, also those of other clients of the same scheduler
            key = hashlib.sha256(repr((sequence, settings, digest)).encode()).hexdigest()
            future = client.submit(
                segment_on_worker,
                sequence,
                settings,
                digest,
                key=f"{sequence.name}-{key}",
                retries=2,  # the reason may be the worker on which it failed
            )
            futures[future] = sequence
        for future in as_completed(futures):
            yield _row_of(future) or _row_on_disk(futures[future], future, model, digest, settings)


def _row_of(future: "Future") -> CohortRow | None:
    """Return what a worker answered; None where it failed, or its answer was lost with the scheduler."""
    if future.status != "finished":
        return None
    try:
        return future.result()
    except (OSError, CancelledError):  # the scheduler may be lost while the answer is on its way
        return None


def _row_on_disk(
    sequence: CohortSequence, future: "Future", model: Model, digest: str, settings: RunSettings
) -> CohortRow:
    """Return the row of a sequence without an answer: a worker that is out of reach may have finished it."""
    row = sequence.finished_row(model.segments, digest, settings)
    if row is not None:
        return row
    if future.status == "error":
        return sequence.failed_row(f"its worker was lost or failed: {future.exception()}")
    return sequence.failed_row(
        "the scheduler was lost; if its worker finishes it all the same, --resume keeps the result"
    )


def _write(cohort: Cohort, model: Model, rows: list[CohortRow]) -> None:
    with replacing_own(cohort.summary) as partial, storing(partial):
        write_summary(partial, model.segments, rows)
    with replacing_own(cohort.overview) as partial, storing(partial):
        write_overview(partial, f"{model.title}: volumes [ml] by frame", model.segments, rows)
