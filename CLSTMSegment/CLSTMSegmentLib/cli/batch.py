"""`clstm-segment batch`: many sequences on a Dask cluster, of this machine or any other."""

import csv
import json
import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from ..core.errors import InputError
from ..io.sequence_files import IMAGE_SUFFIXES
from ..model.bundle import load_model
from ..model.description import Model
from ..report.cohort_summary import write_overview, write_summary
from .segment import options_for
from .segment import run as segment

OUTPUT_SUFFIX = ".seq.nrrd"


ANSWER_S = 20
"""Within which a scheduler must answer."""


def add_options(parser: ArgumentParser) -> None:
    """Define the options of the command."""
    parser.add_argument(
        "inputs",
        type=Path,
        metavar="LIST.csv|FOLDER",
        help="a table with a column `input` (paths, from the table's folder) and, if wanted, `name`; or a folder of "
        "sequences",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="results, summary.csv, overview.png")
    parser.add_argument("--model", default="cardiac-cine-lv", metavar="NAME|FOLDER|FILE.pth")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="on this machine (default: one a GPU, or one)")
    where.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler whose workers have this package")
    parser.add_argument("--resume", action="store_true", help="keep what is finished in --out, and do the rest")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|cuda:1|mps")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


@dataclass(frozen=True)
class Entry:
    """A sequence of the cohort: its name, and where it is read and its results are written, on every worker."""

    name: str
    input: str
    output: str

    @property
    def report(self) -> str:
        return f"{self.output.removesuffix(OUTPUT_SUFFIX)}.json"

    def finished(self) -> dict | None:
        """The report of a run that ended well; None where there is none."""
        if not Path(self.output).exists() or not Path(self.report).exists():
            return None
        return json.loads(Path(self.report).read_text(encoding="utf-8"))


def run(options: Namespace) -> None:
    """Segment all sequences, one task each; one that fails does not stop the others.

    Raises:
        InputError: nothing to do, results in the way, or no such model or scheduler; or some sequences
            failed, which are then named.
    """
    model = load_model(options.model)
    entries = read_cohort(options.inputs, options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = {entry.name: report for entry in entries if (report := entry.finished()) is not None}
    if rows and not options.resume:
        raise InputError(f"{options.out} holds results already ({', '.join(sorted(rows)[:3])}): give --resume to go on")
    waiting = [entry for entry in entries if entry.name not in rows]
    with tqdm(total=len(entries), initial=len(rows), disable=options.quiet or None, unit="sequence") as bar:
        if waiting:
            for name, report in segment_all(waiting, model, options):
                rows[name] = report
                bar.update()
                if "error" in report:
                    bar.write(f"{name}: {report['error']}")
    ordered = [(entry.name, entry.input, rows[entry.name]) for entry in entries]
    segments = [segment.name for segment in model.segments]
    write_summary(options.out / "summary.csv", segments, ordered)
    write_overview(options.out / "overview.png", model, ordered)
    failed = [name for name, _, report in ordered if "error" in report]
    print(f"{options.out}: {len(ordered) - len(failed)} of {len(ordered)} sequences, see summary.csv and overview.png")
    if failed:
        raise InputError(f"{len(failed)} of {len(ordered)} failed: {', '.join(failed)}; summary.csv says why")


def read_cohort(source: Path, out: Path) -> list[Entry]:
    """The sequences of a table or a folder.

    Raises:
        InputError: neither, no sequences, or two of one name.
    """
    if source.is_dir():
        files = sorted(path for path in source.iterdir() if path.name.lower().endswith(IMAGE_SUFFIXES))
        inputs = [(_stem(path), path) for path in files]
    else:
        try:
            with source.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{source} cannot be read as a table ({error})") from error
        if rows and "input" not in rows[0]:
            raise InputError(f"{source} has no column `input`: its columns are {', '.join(rows[0])}")
        paths = [source.parent / row["input"] for row in rows]
        inputs = [(row.get("name") or _stem(path), path) for row, path in zip(rows, paths, strict=True)]
    if not inputs:
        raise InputError(f"{source} names no sequences")
    names = [name for name, _ in inputs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{source} has two sequences of the name {twice[0]}: give names in a column `name`")
    wrong = [name for name in names if Path(name).name != name]
    if wrong:
        raise InputError(f"{source}: the name {wrong[0]!r} cannot be a file's")
    folder = out.resolve()
    return [Entry(name, str(path.resolve()), str(folder / f"{name}{OUTPUT_SUFFIX}")) for name, path in inputs]


def _stem(path: Path) -> str:
    """A file's name without its suffixes; a dot within it stays."""
    name = path.name
    for suffix in (".seq.nrrd", *sorted(IMAGE_SUFFIXES, key=len, reverse=True)):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def segment_all(entries: list[Entry], model: Model, options: Namespace) -> Iterator[tuple[str, dict]]:
    """Name and report of each sequence as it is done; a report with an "error" for one that failed."""
    # Dask is needed by this command alone, and not installed everywhere
    from distributed import as_completed

    from ..pipeline.dask_worker import SentModel

    with connected(options) as (client, threads):
        sent = SentModel(model.build_network().state_dict(), model)
        client.register_plugin(sent, name=f"model-{sent.digest}")
        futures = {
            # a killed worker's tasks run again; what runs keeps no results of its own
            client.submit(
                segment_entry, entry, sent.digest, options.device, threads, key=f"{entry.name}-{sent.digest}", retries=2
            ): entry
            for entry in entries
        }
        for future in as_completed(futures):
            if future.status == "finished":
                yield futures[future].name, future.result()
            else:
                yield futures[future].name, {"error": f"its worker was lost or failed: {future.exception()}"}


@contextmanager
def connected(options: Namespace) -> Iterator[tuple[object, int | None]]:
    """A Dask client, and how many threads a task may use (None: as its worker was set up).

    Raises:
        InputError: no scheduler there, or not a number of workers.
    """
    from distributed import Client, LocalCluster

    if options.dask is not None:
        try:
            client = Client(options.dask, timeout=ANSWER_S)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"no Dask scheduler answers at {options.dask} ({error})") from error
        with client:
            yield client, None
        return
    gpus = torch.cuda.device_count() if options.device in ("auto", "cuda") else 0
    workers = (gpus or 1) if options.workers is None else options.workers
    if workers < 1:
        raise InputError(f"--workers must be at least 1, not {workers}")
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client, max(1, (os.cpu_count() or 1) // workers)


def segment_entry(entry: Entry, digest: str, device: str, threads: int | None) -> dict:
    """On a worker: segment one sequence, unless that has been done; the report, or the "error" of bad input."""
    from ..pipeline.dask_worker import device_of_worker, model_folder

    finished = entry.finished()
    if finished is not None:
        return finished
    if threads is not None:
        torch.set_num_threads(threads)
    began = time.perf_counter()
    options = options_for(
        Path(entry.input),
        Path(entry.output),
        model=str(model_folder(digest)),
        report=Path(entry.report),
        device=device_of_worker(device),
        quiet=True,
    )
    try:
        return segment(options)
    except (InputError, MemoryError, OSError) as error:
        return {"error": str(error), "seconds": {"all": time.perf_counter() - began}}
