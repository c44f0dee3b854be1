"""Cohorts in processes of their own, and what they leave."""

import csv
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from conftest import AS_USUAL, REPOSITORY
from worker.waiting import wait

COUNT = 12
"""Number of sequences in the fixture `inputs`."""


def started(arguments, log, **environment):
    """Start a Python module in a process of its own, whose output goes to a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY / "CLSTMSegment",
            env=os.environ | environment,
            **AS_USUAL,
        )


@contextmanager
def dask_cluster(folder, workers=1, tls=(), worker_options=(), **environment):
    """Start a Dask scheduler and workers; yield its address, and a list of the processes, the scheduler first."""
    address_file, protocol = folder / "scheduler.json", "tls" if tls else "tcp"
    scheduler = ["dask", "scheduler", "--protocol", protocol, "--host", "127.0.0.1", "--port", 0, "--no-dashboard"]
    scheduler += ["--scheduler-file", address_file]
    log = folder / "scheduler.log"
    processes = [started([*scheduler, *tls], log, DASK_TEMPORARY_DIRECTORY=str(folder))]
    try:
        wait_until(lambda: address_file.exists() and address_file.read_text(encoding="utf-8"), log)
        address = json.loads(address_file.read_text(encoding="utf-8"))["address"]
        for n in range(workers):
            worker = ["dask", "worker", address, *tls, "--nthreads", 1, "--no-dashboard", "--no-nanny"]
            local = ["--host", "127.0.0.1", "--local-directory", folder / f"worker {n}", *worker_options]
            processes.append(started([*worker, *local], folder / f"worker-{n}.log", **environment))
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def tls_options(certificates):
    """Return the options with which `dask_cluster` uses certificates."""
    options = ("--tls-ca-file", "--tls-cert", "--tls-key")
    return [word for pair in zip(options, certificates, strict=True) for word in pair]


def made_certificates(folder):
    """Return the files of an authority, and of a certificate with its key that the authority has signed."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl makes the certificates")
    authority, key, request, certificate = (folder / name for name in ("ca.pem", "key.pem", "csr.pem", "cert.pem"))

    def openssl(*words):
        subprocess.run([program, *map(str, words)], check=True, capture_output=True)

    new_key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", folder / "ca-key.pem", "-out", authority, "-subj", "/CN=authority")
    openssl("req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=cluster")
    signing = ("-CA", authority, "-CAkey", folder / "ca-key.pem", "-CAcreateserial")
    openssl("x509", "-req", "-in", request, *signing, "-out", certificate)
    return authority, certificate, key


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
