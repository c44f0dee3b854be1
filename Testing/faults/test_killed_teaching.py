"""A teaching job that is killed at any stage loses nothing that was learnt, and leaves nothing once it is resumed."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
import SimpleITK as sitk
from CLSTMSegmentLib.__main__ import main
from CLSTMSegmentLib.core.own_folder import alone_in
from CLSTMSegmentLib.core.sequence import SequenceIndex
from CLSTMSegmentLib.io.sequence_nrrd import write_sequence
from CLSTMSegmentLib.model.bundle import load_model
from CLSTMSegmentLib.teaching.teaching_folders import teaching_folder
from CLSTMSegmentLib.worker.worker_process import PACKAGE_FOLDER
from conftest import AS_USUAL
from hook_phantom import hook_sequence
from worker.waiting import wait

ANNOTATED = (0, 2, 5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A sequence, and a folder with labels of three of its frames."""
    folder = tmp_path_factory.mktemp("hook")
    frames, truth = hook_sequence(7)
    index = SequenceIndex([frame.index_value for frame in frames], "time", "ms")
    write_sequence(folder / "hook.seq.nrrd", index, [frame.image for frame in frames])
    (folder / "labels").mkdir()
    for number in ANNOTATED:
        sitk.WriteImage(truth[number], str(folder / "labels" / f"{number}.nrrd"))
    return folder


def arguments(files, models, bundle, *more):
    words = ["teach", files / "hook.seq.nrrd", files / "labels", "--name", "hook", "--models", models, "--quiet"]
    return [*map(str, words), "--device", "cpu", "--minutes", "0.05", "--initial", str(bundle), *more]


def killed(words, how, stage):
    """Start a command in a process of its own, and kill it as soon as a stage is reached."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    command = [sys.executable, "-m", "CLSTMSegmentLib", *words]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **AS_USUAL) as process:
        wait(stage, pause_s=0.001, patience_s=120, said=lambda: process.poll())
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    assert psutil.wait_procs(children, timeout=20)[1] == []
    return process.returncode, said


@pytest.fixture
def models(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


STAGES = {
    "images are written": ".clstm-segment-*/.hook.teaching/images/*",
    "training set is written": ".hook.teaching/training-set.json",
    "plan is written": ".hook.teaching/plan.json",
    "first fold has begun": ".hook.teaching/fold-1",
    "first fold is learnt from": ".hook.teaching/fold-1/checkpoint.pt",
    "checkpoint is written": ".hook.teaching/fold-2/.clstm-segment-*",
    "model is trained": ".hook.teaching/model/checkpoint.pt",
    "model is written": ".clstm-segment-*/hook/*",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send signals to other processes")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("stage", STAGES)
def test_teaching_job_that_is_killed_at_any_stage_is_resumed(stage, how, files, models, bundle):
    words = arguments(files, models, bundle)

    status, said = killed(words, getattr(signal, how), lambda: list(models.glob(STAGES[stage])))

    folder = teaching_folder(models, "hook")
    finished = (models / "hook").exists()  # it may be quicker than the signal
    learnt = sorted(path.parent.name for path in folder.glob("*/checkpoint.pt"))
    assert finished or status != 0
    if how == "SIGTERM" and not finished:
        assert (status, len(said.strip().splitlines())) == (1, 1), said
        assert not list(models.glob(".clstm-segment-*"))
    begun = folder.exists()
    if not finished:
        assert main([*words, "--resume"] if begun else words) == 0
    assert load_model(models / "hook").build_network() is not None
    assert not list(models.glob(".clstm-segment-*"))
    assert [path.name for path in models.iterdir() if path != folder] == ["hook"]
    print(f"{stage}, {how}: resumed with {learnt}")


def test_job_that_another_process_works_on_is_not_resumed(files, models, bundle, capsys):
    words = arguments(files, models, bundle)
    folder = teaching_folder(models, "hook")
    killed(words, signal.SIGTERM, lambda: list(models.glob(STAGES["first fold is learnt from"])))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    with alone_in(folder, "teaching job"):
        status = main([*words, "--resume"])

    assert status == 2
    assert "another teaching job is at work in" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
