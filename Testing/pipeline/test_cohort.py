"""A cohort on a Dask cluster: every sequence once, as in a run of its own, whatever happens to workers."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import psutil
import pytest
from CLSTMSegmentLib.core.errors import CohortIncomplete, InputError
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from CLSTMSegmentLib.pipeline.cohort import ClusterSettings, segment_cohort
from CLSTMSegmentLib.pipeline.cohort_table import read_cohort
from CLSTMSegmentLib.pipeline.output_paths import record_outputs
from CLSTMSegmentLib.pipeline.segment_to_files import Outputs, segment_to_files
from conftest import REPOSITORY
from worker.waiting import wait

COUNT = 12


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder of twelve phantom hearts."""
    folder = tmp_path_factory.mktemp("cohort")
    for seed in range(COUNT):
        frames, _ = heart_sequence(seed, 6, (8, 48, 48), (8.0, 4.0, 4.0))
        index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
        write_sequence(folder / f"heart {seed:02}.seq.nrrd", index, [frame.image for frame in frames])
    return folder


@pytest.fixture(scope="module")
def alone(inputs, bundle, tmp_path_factory):
    """Content of each label file of single runs, by its name."""
    folder, contents = tmp_path_factory.mktemp("alone"), {}
    for path in inputs.iterdir():
        segment_to_files(RunSettings(str(bundle), device="cpu"), path, Outputs(folder / path.name))
        contents[path.name] = (folder / path.name).read_bytes()
    return contents


def started(arguments, log):
    """Start a Python module in a process of its own, whose output goes to a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY / "CLSTMSegment",
        )


def wait_until(condition, log):
    return wait(condition, patience_s=120, said=lambda: log.read_text(encoding="utf-8", errors="replace"))


def first_outputs(folder, log):
    """Wait for a finished sequence; return when the outputs that are finished by then were written, by name."""
    wait_until(lambda: list(folder.glob("*.json")), log)
    return {path.stem: (folder / f"{path.stem}.seq.nrrd").stat().st_mtime_ns for path in folder.glob("*.json")}


def check_results(folder, alone, before):
    outputs = {path.name: path for path in folder.glob("*.seq.nrrd")}
    assert {name: path.read_bytes() for name, path in outputs.items()} == alone
    for name, modified in before.items():  # what was finished is not done again
        assert outputs[f"{name}.seq.nrrd"].stat().st_mtime_ns == modified
    rows = summary(folder)
    assert list(rows) == [f"heart {seed:02}" for seed in range(COUNT)]
    assert all(row["error"] == "" and row["frames"] == "6" for row in rows.values())
    assert (folder / "overview.png").stat().st_size > 0


def summary(folder):
    """The rows of a summary by name."""
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_cohort_is_finished_though_a_worker_is_killed(inputs, bundle, alone, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    arguments = ["batch", inputs, "--out", out, "--model", bundle, "--workers", 2, "--device", "cpu"]
    process = started(["CLSTMSegmentLib", *arguments], log)
    try:
        before = first_outputs(out, log)
        workers = [p for p in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in str(p.cmdline())]
        assert len(workers) == 2
        workers[0].kill()
        assert len(before) < COUNT
        assert process.wait(180) == 0, log.read_text(encoding="utf-8", errors="replace")
    finally:
        process.kill()
        process.wait()

    check_results(out, alone, before)


def test_cohort_on_a_scheduler_of_its_own_survives_the_loss_of_a_worker(inputs, bundle, alone, tmp_path):
    out, log, address_file = tmp_path / "out", tmp_path / "log", tmp_path / "scheduler.json"
    scheduler = ["dask", "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard"]
    processes = [started([*scheduler, "--scheduler-file", address_file], tmp_path / "scheduler.log")]
    try:
        wait_until(address_file.exists, tmp_path / "scheduler.log")
        address = wait_until(lambda: address_file.read_text(encoding="utf-8"), tmp_path / "scheduler.log")
        address = json.loads(address)["address"]
        worker = ["dask", "worker", address, "--nthreads", 1, "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
        for n in range(2):
            local = ["--local-directory", tmp_path / f"worker {n}"]
            processes.append(started([*worker, *local], tmp_path / f"worker-{n}.log"))
        arguments = ["batch", inputs, "--out", out, "--model", bundle, "--dask", address, "--device", "cpu"]
        running = started(["CLSTMSegmentLib", *arguments], log)
        processes.append(running)
        before = first_outputs(out, log)
        processes[1].kill()
        assert len(before) < COUNT
        assert running.wait(180) == 0, log.read_text(encoding="utf-8", errors="replace")
    finally:
        for process in processes:
            process.kill()
            process.wait()

    check_results(out, alone, before)


@pytest.fixture
def table(inputs, tmp_path):
    """A table of three sequences, of which the second one is no image."""
    names = sorted(path.name for path in inputs.iterdir())[:2]
    (tmp_path / "broken.seq.nrrd").write_bytes(b"no image")
    lines = ["input,name", f"{inputs / names[0]},first", "broken.seq.nrrd,", f"{inputs / names[1]},"]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def segment(table, bundle, tmp_path):
    """Segments the table on one worker, into the folder `out`."""
    settings = RunSettings(str(bundle), device="cpu")
    return partial(segment_cohort, read_cohort(table, tmp_path / "out"), settings, ClusterSettings(workers=1))


def test_sequence_that_fails_does_not_stop_the_rest_and_resume_does_only_what_is_missing(
    segment, inputs, alone, tmp_path
):
    rows, out, first = [], tmp_path / "out", sorted(inputs.iterdir())[0]

    with pytest.raises(CohortIncomplete, match="1 of 3 sequences failed: broken"):
        segment(on_row=rows.append)

    assert sorted(row.name for row in rows) == ["broken", "first", "heart 01"]
    assert "cannot be read as an image" in summary(out)["broken"]["error"]
    assert float(summary(out)["first"]["time [s]"]) > 0
    assert (out / "first.seq.nrrd").read_bytes() == alone[first.name]
    modified = (out / "first.seq.nrrd").stat().st_mtime_ns
    with pytest.raises(InputError, match="contains results already"):
        segment()
    (tmp_path / "broken.seq.nrrd").write_bytes(first.read_bytes())
    assert [row.error for row in segment(resume=True)] == ["", "", ""]
    assert (out / "broken.seq.nrrd").read_bytes() == alone[first.name]
    assert (out / "first.seq.nrrd").stat().st_mtime_ns == modified


def test_every_sequence_is_segmented_with_the_settings_of_the_run(inputs, bundle, tmp_path):
    cohort = read_cohort(inputs, tmp_path / "out")
    cohort = replace(cohort, sequences=cohort.sequences[:1])
    settings = RunSettings(str(bundle), "1,4", device="cpu", tile=(8, 32, 32), state_rule="reset", warm_up_frames=2)

    (row,) = segment_cohort(cohort, settings, ClusterSettings(workers=1))

    assert row.curve.numbers == [1, 4]
    report = json.loads((tmp_path / "out" / "heart 00.json").read_text(encoding="utf-8"))
    assert report["tile"] == [8, 32, 32]
    assert report["state_rule"] == {"rule": "reset", "warm_up_frames": 2}


def test_damaged_report_of_an_earlier_run_is_named(segment, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "first.seq.nrrd").write_bytes(b"labels")
    (tmp_path / "out" / "first.json").write_text("{", encoding="utf-8")
    record_outputs(tmp_path / "out", [tmp_path / "out" / "first.seq.nrrd", tmp_path / "out" / "first.json"])

    with pytest.raises(InputError, match=r"first\.json cannot be used"):
        segment(resume=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file\na.nrrd\n", "no column `input`"),
        ("input\n", "names no sequences"),
        ("input\na.nrrd\nother/a.nrrd\n", "two sequences of the name a"),
        ("input,name\na.nrrd,../a\n", "cannot be the name of a file"),
    ],
)
def test_table_that_makes_no_cohort_is_refused(content, message, tmp_path):
    (tmp_path / "list.csv").write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=message):
        read_cohort(tmp_path / "list.csv", tmp_path / "out")


def test_cluster_without_workers_is_refused():
    with pytest.raises(InputError, match="the number of workers must be at least 1, not 0"):
        ClusterSettings(workers=0)


def test_scheduler_that_does_not_answer_is_named(inputs, bundle, tmp_path):
    cohort = read_cohort(inputs, tmp_path)
    cluster = ClusterSettings("tcp://127.0.0.1:1", patience_s=2)

    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        segment_cohort(cohort, RunSettings(str(bundle)), cluster)


def test_without_dask_the_error_says_what_to_install(segment, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(InputError, match="pip install distributed"):
        segment()
