"""A cohort: every sequence once, as in a run of its own, whatever happens to workers."""

import json
import sys
from dataclasses import replace
from functools import partial

import psutil
import pytest
from CLSTMSegmentLib.core.errors import CohortIncomplete, InputError
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.pipeline.cohort import ClusterSettings, segment_cohort
from CLSTMSegmentLib.pipeline.cohort_table import read_cohort
from CLSTMSegmentLib.pipeline.output_paths import record_outputs
from CLSTMSegmentLib.worker.scheduler import Scheduler

from pipeline.cohort_processes import COUNT, check_results, dask_cluster, first_outputs, started, summary


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


@pytest.mark.slow
def test_cohort_on_a_scheduler_of_its_own_survives_the_loss_of_a_worker(inputs, bundle, alone, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    with dask_cluster(tmp_path, workers=2) as (address, processes):
        arguments = ["batch", inputs, "--out", out, "--model", bundle, "--dask", address, "--device", "cpu"]
        running = started(["CLSTMSegmentLib", *arguments], log)
        processes.append(running)
        before = first_outputs(out, log)
        processes[1].kill()
        assert len(before) < COUNT
        assert running.wait(180) == 0, log.read_text(encoding="utf-8", errors="replace")

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
        ("name,input\na,a.nrrd\nb\n", "row 2 below the titles has no input"),
        ("input,name\n,a\n", "row 1 below the titles has no input"),
        (f"input,series\na.nrrd,{'9' * 5000}\n", "give a number from 1"),
        ("input\na\0b.nrrd\n", "a character NUL"),
        ("input,name\na.nrrd,a\0b\n", "a character NUL"),
        ("input,input\na.nrrd,b.nrrd\n", "two columns `input`"),
        ("name,input,name\na,a.nrrd,b\n", "two columns `name`"),
        ("input,age,age\na.nrrd,1,2\n", "two columns `age`"),
        ("input, Input\na.nrrd,b.nrrd\n", "two columns `input`"),
        ("input,name\na.nrrd,Doe, Jane\n", "row 1 below the titles has more cells than there are columns"),
    ],
)
def test_table_that_makes_no_cohort_is_refused(content, message, tmp_path):
    (tmp_path / "list.csv").write_text(content, encoding="utf-8")

    with pytest.raises(InputError, match=message):
        read_cohort(tmp_path / "list.csv", tmp_path / "out")


def test_empty_columns_of_a_spreadsheet_program_are_no_columns(tmp_path):
    (tmp_path / "list.csv").write_text("input,,\na.nrrd,,,\nb.nrrd,,\n", encoding="utf-8")

    cohort = read_cohort(tmp_path / "list.csv", tmp_path / "out")

    assert [sequence.name for sequence in cohort.sequences] == ["a", "b"]


def test_titles_of_columns_may_have_spaces_and_capitals(tmp_path):
    (tmp_path / "list.csv").write_text("Name, INPUT\nfirst,a.nrrd\n", encoding="utf-8")

    (sequence,) = read_cohort(tmp_path / "list.csv", tmp_path / "out").sequences

    assert (sequence.name, sequence.input.name) == ("first", "a.nrrd")


def test_cluster_without_workers_is_refused():
    with pytest.raises(InputError, match="the number of workers must be at least 1, not 0"):
        ClusterSettings(workers=0)


def test_scheduler_that_does_not_answer_is_named(inputs, bundle, tmp_path):
    cohort = read_cohort(inputs, tmp_path)
    cluster = ClusterSettings(Scheduler("tcp://127.0.0.1:1", patience_s=2))

    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        segment_cohort(cohort, RunSettings(str(bundle)), cluster)


def test_address_at_which_nobody_answers_leaves_nothing(inputs, bundle, tmp_path):
    cluster = ClusterSettings(Scheduler("tcp://127.0.0.1:1", patience_s=2))

    with pytest.raises(InputError, match="no Dask scheduler answers"):
        segment_cohort(read_cohort(inputs, tmp_path / "new" / "out"), RunSettings(str(bundle)), cluster)

    assert not (tmp_path / "new").exists()


def test_without_dask_the_error_says_what_to_install(inputs, bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    cluster = ClusterSettings(Scheduler("tcp://127.0.0.1:1"))

    with pytest.raises(InputError, match="pip install distributed"):
        segment_cohort(read_cohort(inputs, tmp_path), RunSettings(str(bundle)), cluster)
