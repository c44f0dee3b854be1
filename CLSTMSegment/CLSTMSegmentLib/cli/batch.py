"""`clstm-segment batch`: segment many sequences with Dask, on this computer or on a cluster."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from tqdm import tqdm

from ..pipeline.cohort import ClusterSettings, segment_cohort
from ..pipeline.cohort_table import read_cohort
from ..report.cohort_summary import CohortRow
from .run_options import add_run_options, read_run_options


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "inputs",
        type=Path,
        metavar="LIST.csv|FOLDER",
        help="a table with a column `input` (paths, relative to the table's folder) and optionally a column `name`; "
        "or a folder of sequences",
    )
    parser.add_argument(
        "--out",
        type=Path,
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
    parser.add_argument(
        "--resume", action="store_true", help="keep the results that are finished in --out, and segment the others"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")


def run(options: Namespace) -> None:
    """Segment all sequences, and print each one that fails.

    Raises:
        InputError: bad input or options.
        CohortIncomplete: some sequences failed.
    """
    settings = read_run_options(options)
    cluster = ClusterSettings(options.dask, options.workers)
    cohort = read_cohort(options.inputs, options.out)
    with tqdm(total=len(cohort.sequences), disable=options.quiet or None, unit="sequence") as bar:

        def show(row: CohortRow) -> None:
            bar.update()
            if row.error:
                bar.write(f"{row.name}: {row.error}")

        rows = segment_cohort(cohort, settings, cluster, options.resume, show)
    print(f"{options.out}: {len(rows)} of {len(rows)} sequences, see summary.csv and overview.png")
