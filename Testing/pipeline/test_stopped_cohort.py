"""A cohort that is stopped, or loses its scheduler, says what is there; nobody else reaches its workers."""

import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.errors import InputError
from CLSTMSegmentLib.engine.settings import RunSettings
from CLSTMSegmentLib.pipeline.cohort import ClusterSettings, segment_cohort
from CLSTMSegmentLib.pipeline.cohort_table import read_cohort
from CLSTMSegmentLib.worker.scheduler import Scheduler, TlsFiles

from pipeline.cohort_processes import (
    COUNT,
    check_results,
    dask_cluster,
    first_outputs,
    made_certificates,
    started,
    summary,
    tls_options,
)


def listening(process):
    """Return the sockets on which a process, or one that it started, waits for others."""
    found = []
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            found += [connection for connection in one.net_connections("all") if connection.status == "LISTEN"]
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one process")
def test_stopped_cohort_says_what_is_there_and_has_listened_to_nobody(inputs, bundle, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    arguments = ["batch", inputs, "--out", out, "--model", bundle, "--device", "cpu"]
    process = started(["CLSTMSegmentLib", *arguments], log)
    try:
        first_outputs(out, log)
        sockets = listening(psutil.Process(process.pid))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.wait()

    finished = len(list(out.glob("*.json")))
    printed = log.read_text(encoding="utf-8").splitlines()[-1]
    assert sockets == []
    assert 0 < finished < COUNT
    assert f"stopped; {finished} of {COUNT} sequences are finished in {out}: give --resume" in printed
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert not list(out.glob(".clstm-segment-*/"))


def test_killed_cohort_leaves_no_part_of_an_output_and_is_resumed(inputs, bundle, alone, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    arguments = ["batch", inputs, "--out", out, "--model", bundle, "--workers", 2, "--device", "cpu"]
    process = started(["CLSTMSegmentLib", *arguments], log)
    workers = []
    try:
        before = first_outputs(out, log)
        workers = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.wait()

    assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert main(["batch", *map(str, arguments[1:]), "--resume", "--quiet"]) == 0
    assert not list(out.glob(".clstm-segment-*/"))
    check_results(out, alone, before)


def test_worker_takes_no_module_from_the_folder_in_which_the_user_is(inputs, bundle, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    shutil.copy(min(inputs.iterdir()), tmp_path / "in")
    for name in ("multiprocessing", "struct", "socket", "torch"):
        (tmp_path / f"{name}.py").write_text("open('taken', 'w').close()", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    status = main(["batch", "in", "--out", "out", "--model", str(bundle), "--frames", "0", "--device", "cpu"])

    assert status == 0
    assert not (tmp_path / "taken").exists()
    assert len(list((tmp_path / "out").glob("*.seq.nrrd"))) == 1


def test_scheduler_that_asks_for_certificates_gets_them(inputs, bundle, tmp_path):
    certificates = made_certificates(tmp_path)
    cohort = read_cohort(inputs, tmp_path / "out")
    cohort = replace(cohort, sequences=cohort.sequences[:1])
    settings = RunSettings(str(bundle), "0", device="cpu")

    with dask_cluster(tmp_path, tls=tls_options(certificates)) as (address, _):
        with pytest.raises(InputError, match="no Dask scheduler answers at tls://"):
            segment_cohort(cohort, settings, ClusterSettings(Scheduler(address, patience_s=2)))
        (row,) = segment_cohort(cohort, settings, ClusterSettings(Scheduler(address, TlsFiles(*certificates))))

    assert address.startswith("tls://")
    assert row.error == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--dask-tls-ca", "a", "--dask-tls-cert", "b", "--dask-tls-key", "c"),
            "for a Dask scheduler",
        ),
        (
            ("--dask", "tls://a:1", "--dask-tls-ca", "a"),
            "--dask-tls-key together",
        ),
        (
            ("--dask", "tls://a:1", "--dask-tls-ca", "a", "--dask-tls-cert", "b", "--dask-tls-key", "c"),
            "a: no such file, which should be a certificate or a key",
        ),
    ],
    ids=["no scheduler", "some", "missing"],
)
def test_certificates_that_cannot_be_used_are_named(options, message, inputs, bundle, tmp_path, capsys):
    status = main(["batch", str(inputs), "--out", str(tmp_path / "out"), "--model", str(bundle), *options])

    assert status == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_results_on_disk_are_told_though_the_scheduler_was_killed(inputs, bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    out, log = tmp_path / "out", tmp_path / "log"
    with dask_cluster(tmp_path) as (address, processes):
        arguments = ["batch", inputs, "--out", out, "--model", bundle, "--dask", address, "--device", "cpu"]
        processes.append(started(["CLSTMSegmentLib", *arguments], log))
        finished = first_outputs(out, log)

        processes[0].kill()
        assert processes[-1].wait(180) == 1

    rows = summary(out)
    assert all(rows[name]["error"] == "" and rows[name]["frames"] == "6" for name in finished)
    failed = [name for name, row in rows.items() if row["error"]]
    assert 0 < len(failed) < COUNT
    assert all("the scheduler was lost" in rows[name]["error"] for name in failed)
    assert f"{len(failed)} of {COUNT} sequences failed" in log.read_text(encoding="utf-8")
    assert "is not protected by TLS" in log.read_text(encoding="utf-8")
