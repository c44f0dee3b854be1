"""A cohort on a Dask cluster: every sequence once, as in a run of its own, whatever happens to workers."""

import csv
import json
import subprocess
import sys

import psutil
import pytest
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.cli import batch
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import write_bundle
from CLSTMSegmentLib.network.unet import CLSTMUNet4D
from CLSTMSegmentLib.phantoms.heart import heart_sequence
from conftest import REPOSITORY, smallModel
from worker.waiting import wait

COUNT = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    description = smallModel()
    write_bundle(description, CLSTMUNet4D(**description.network).state_dict(), folder)
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A folder of twelve phantom hearts."""
    folder = tmp_path_factory.mktemp("cohort")
    for seed in range(COUNT):
        frames, _ = heart_sequence(seed, 6, (8, 48, 48), (8.0, 4.0, 4.0))
        index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
        write_sequence(folder / f"heart {seed:02}.seq.nrrd", index, [frame.image for frame in frames])
    return folder


@pytest.fixture(scope="module")
def alone(cohort, model, tmp_path_factory):
    """Content of each output of single runs, by name."""
    folder, outputs = tmp_path_factory.mktemp("alone"), {}
    for path in cohort.iterdir():
        output = folder / path.name
        assert main(["segment", str(path), "-o", str(output), "--model", str(model), "--quiet"]) == 0
        outputs[path.name] = output.read_bytes()
    return outputs


def command(*arguments):
    return [sys.executable, "-m", *map(str, arguments)]


def started(arguments, log):
    with log.open("wb") as file:
        return subprocess.Popen(arguments, stdout=file, stderr=subprocess.STDOUT, cwd=REPOSITORY / "CLSTMSegment")


def wait_until(condition, log):
    return wait(condition, patience_s=120, said=lambda: log.read_text(encoding="utf-8", errors="replace"))


def first_outputs(folder, log):
    """Wait for a finished sequence; modification times of the outputs by then, by name."""
    wait_until(lambda: list(folder.glob("*.json")), log)
    return {path.stem: (folder / f"{path.stem}.seq.nrrd").stat().st_mtime_ns for path in folder.glob("*.json")}


def check_results(folder, alone, before):
    outputs = {path.name: path for path in folder.glob("*.seq.nrrd")}
    assert {name: path.read_bytes() for name, path in outputs.items()} == alone
    for name, modified in before.items():  # what was finished is not done again
        assert outputs[f"{name}.seq.nrrd"].stat().st_mtime_ns == modified
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"heart {seed:02}" for seed in range(COUNT)]
    assert all(row["error"] == "" and row["frames"] == "6" for row in rows)
    assert (folder / "overview.png").stat().st_size > 0


def test_cohort_is_finished_though_a_worker_is_killed(cohort, model, alone, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    process = started(
        command("CLSTMSegmentLib", "batch", cohort, "--out", out, "--model", model, "--workers", 2, "--device", "cpu"),
        log,
    )
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


def test_cohort_on_a_scheduler_of_its_own_survives_the_loss_of_a_worker(cohort, model, alone, tmp_path):
    out, log, address_file = tmp_path / "out", tmp_path / "log", tmp_path / "scheduler.json"
    scheduler = ["dask", "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard"]
    processes = [started(command(*scheduler, "--scheduler-file", address_file), tmp_path / "scheduler.log")]
    try:
        wait_until(address_file.exists, tmp_path / "scheduler.log")
        address = wait_until(lambda: address_file.read_text(encoding="utf-8"), log)
        address = json.loads(address)["address"]
        worker = ["dask", "worker", address, "--nthreads", 1, "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
        for n in range(2):
            local = ["--local-directory", tmp_path / f"worker {n}"]
            processes.append(started(command(*worker, *local), tmp_path / f"worker-{n}.log"))
        arguments = ["batch", cohort, "--out", out, "--model", model, "--dask", address, "--device", "cpu"]
        running = started(command("CLSTMSegmentLib", *arguments), log)
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


def test_sequence_that_fails_does_not_stop_the_rest_and_resume_does_only_what_is_missing(
    cohort, model, alone, tmp_path, capsys
):
    (tmp_path / "broken.seq.nrrd").write_bytes(b"no image")
    names = sorted(path.name for path in cohort.iterdir())[:2]
    lines = ["input,name", f"{cohort / names[0]},first", "broken.seq.nrrd,", f"{cohort / names[1]},"]
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    arguments = ["batch", str(tmp_path / "list.csv"), "--out", str(tmp_path / "out"), "--model", str(model), "--quiet"]
    assert main(arguments) == 2
    assert "1 of 3 failed: broken" in capsys.readouterr().err
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert "cannot be read as an image" in rows["broken"]["error"]
    assert (tmp_path / "out" / "first.seq.nrrd").read_bytes() == alone[names[0]]
    assert float(rows["first"]["time [s]"]) > 0
    modified = (tmp_path / "out" / "first.seq.nrrd").stat().st_mtime_ns
    assert main(arguments) == 2
    assert "give --resume" in capsys.readouterr().err
    (tmp_path / "broken.seq.nrrd").write_bytes((cohort / names[0]).read_bytes())
    assert main([*arguments, "--resume"]) == 0
    assert (tmp_path / "out" / "broken.seq.nrrd").read_bytes() == alone[names[0]]
    assert (tmp_path / "out" / "first.seq.nrrd").stat().st_mtime_ns == modified


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file\na.nrrd\n", "no column `input`"),
        ("input\n", "names no sequences"),
        ("input\na.nrrd\nother/a.nrrd\n", "two sequences of the name a"),
        ("input,name\na.nrrd,../a\n", "cannot be a file's"),
    ],
)
def test_table_that_makes_no_cohort_is_refused(content, message, tmp_path, capsys):
    (tmp_path / "list.csv").write_text(content, encoding="utf-8")
    assert main(["batch", str(tmp_path / "list.csv"), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_cohort_with_no_workers_is_refused(cohort, tmp_path, capsys):
    assert main(["batch", str(cohort), "--out", str(tmp_path), "--workers", "0"]) == 2
    assert "--workers must be at least 1, not 0" in capsys.readouterr().err


def test_scheduler_that_is_not_there_is_told(cohort, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(batch, "ANSWER_S", 2)
    arguments = ["batch", str(cohort), "--out", str(tmp_path), "--dask", "tcp://127.0.0.1:1"]
    assert main(arguments) == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err
