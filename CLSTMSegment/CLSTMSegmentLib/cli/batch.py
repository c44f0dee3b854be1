"""`clstm-segment batch`: segment many sequences, on this computer or on a Dask cluster."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from tqdm import tqdm

from ..core.errors import InputError
from ..core.plain_text import plain_text
from ..pipeline.cohort import ClusterSettings, segment_cohort
from ..pipeline.cohort_table import read_cohort
from ..report.cohort_summary import CohortRow
from ..worker.scheduler import Scheduler, TlsFiles
from .run_options import add_run_options, path_in, read_run_options
from .terminal import show

LINES_SHOWN = 20
"""Number of the first and of the last lines that are shown of what was found."""


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "inputs",
        type=path_in,
        metavar="LIST.csv|FOLDER",
        help="a table with a column `input` (paths, relative to the table's folder) and optionally columns `name` and "
        "`series`; or a folder of sequences, or of patients with DICOM images",
    )
    parser.add_argument(
        "--out",
        type=path_in,
        required=True,
        metavar="FOLDER",
        help="folder of the labels, reports, summary.csv and overview.png",
    )
    add_run_options(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of workers on this computer (default: one on each GPU, or one on the CPU)",
    )
    where.add_argument(
        "--dask", metavar="ADDRESS", help="address of a Dask scheduler whose workers have this package installed"
    )
    for name, what in (("ca", "certificate of the authority"), ("cert", "own certificate"), ("key", "own key")):
        parser.add_argument(
            f"--dask-tls-{name}",
            type=path_in,
            metavar="PEM",
            help=f"{what}, for a Dask scheduler that is protected by TLS",
        )
    parser.add_argument(
        "--resume", action="store_true", help="keep the results that are finished in --out, and segment the others"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.set_defaults(command=run)


def run(options: Namespace) -> None:
    """Segment all sequences, and print the warnings of each, and why it failed.

    Raises:
        InputError: bad input or options.
        CohortIncomplete: some sequences failed.
    """
    settings = read_run_options(options)
    cluster = ClusterSettings(_scheduler(options), options.workers)
    if cluster.scheduler is not None and cluster.scheduler.warning is not None:
        show(f"clstm-segment: warning: {cluster.scheduler.warning}", file=sys.stderr)
    cohort = read_cohort(options.inputs, options.out)
    for line in _shortened(cohort.found):
        show(line)
    with tqdm(total=len(cohort.sequences), disable=options.quiet or None, unit="sequence") as bar:

        def on_row(row: CohortRow) -> None:
            bar.update()
            if row.error:
                on_note(f"{row.name}: {row.error}")
            for warning in row.warnings:
                on_note(f"{row.name}: warning: {warning}")

        def on_note(text: str) -> None:
            bar.write(plain_text(text))

        rows = segment_cohort(cohort, settings, cluster, options.resume, on_row, on_note)
    show(f"{options.out}: {len(rows)} of {len(rows)} sequences, see summary.csv and overview.png")


def _shortened(lines: Sequence[str]) -> list[str]:
    """Return lines, the middle ones of very many replaced by their number."""
    if len(lines) <= 2 * LINES_SHOWN:
        return list(lines)
    return [*lines[:LINES_SHOWN], f"  ... {len(lines) - 2 * LINES_SHOWN} more lines ...", *lines[-LINES_SHOWN:]]


def _scheduler(options: Namespace) -> Scheduler | None:
    """Return the scheduler, with the files for a protected one; Dask's own configuration can name them too."""
    files = (options.dask_tls_ca, options.dask_tls_cert, options.dask_tls_key)
    if any(files) and not all(files):
        raise InputError("give --dask-tls-ca, --dask-tls-cert and --dask-tls-key together")
    if options.dask is None:
        if any(files):
            raise InputError("certificates are for a Dask scheduler: give its address too")
        return None
    return Scheduler(options.dask, TlsFiles(*files) if all(files) else None)
